"""The demo's mail: its truths hold when an independent reader (the standard library) looks at the bytes."""

import csv
import hashlib
import io
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from html import unescape
from pathlib import Path

import pytest
import webencodings

from testbed.samples import company
from testbed.samples.company import CONTACTS, DOMAIN, LATE_CONTACT, LEADS, PEOPLE, RECORDS, USERS, addresses_of
from testbed.samples.correspondence import charsets
from testbed.samples.correspondence.live import SCENES
from testbed.samples.correspondence.script import Thread
from testbed.samples.demo_mail import DEFAULT_NOW, DemoMail
from testbed.samples.model import SKIPPED_FOLDERS, Link, SampleMail
from testbed.samples.person import normal

DEMO = DemoMail()
MAILS = DEMO.mailboxes()
SCENE_MAILS = [mail for name in SCENES for mail in DEMO.scene(name, at=DEFAULT_NOW + timedelta(minutes=3))]
# Its 1,200 levels are beyond the standard library's recursion; only its size and envelope are checked.
READABLE = [mail for mail in MAILS + SCENE_MAILS if mail.truth.mark != "hostile"]
ROLES = {"from": "From", "to": "To", "cc": "Cc", "bcc": "Bcc", "reply-to": "Reply-To"}
ROOT = Path(__file__).parents[2]


def ident(mail: SampleMail) -> str:
    """Name a mail in a test's output."""
    return f"{mail.user}/{mail.folder}/{mail.truth.email}"


def parsed(mail: SampleMail) -> Message:
    """Read a mail the lenient, oldest way."""
    return message_from_bytes(mail.raw, policy=policy.compat32)


def leaves(message: Message) -> Iterator[Message]:
    """Yield the leaf parts; an attached message is one leaf."""
    for part in message.get_payload() if message.is_multipart() else ():
        assert isinstance(part, Message)
        if part.get_content_maintype() == "multipart":
            yield from leaves(part)
        else:
            yield part
    if not message.is_multipart():
        yield message


def data_of(part: Message) -> bytes:
    """Return the decoded content of a leaf part."""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


def matched(pattern: bytes, data: bytes) -> bytes:
    """Return the first group of a pattern that the data must match."""
    found = re.search(pattern, data)
    assert found
    return bytes(found[1])


def texts(mail: SampleMail) -> list[str]:
    """Return the text parts, decoded with the codec that the truth names, HTML without its tags, blanks collapsed."""
    found = []
    for part in leaves(parsed(mail)):
        if part.get_content_type() in {"text/plain", "text/html"} and not part.get_filename():
            data = data_of(part)
            html = part.get_content_type() == "text/html"
            text = data.decode("utf-8" if html else mail.truth.charset)
            found.append(" ".join((unescape(re.sub(r"<[^>]+>", " ", text)) if html else text).split()))
    return found


def addresses(message: Message, header: str) -> set[str]:
    """Return the addresses of all headers of a name, as compared."""
    values = [str(make_header(decode_header(str(value)))) for value in message.get_all(header, ())]
    return {normal(address) for _, address in getaddresses(values) if "@" in address}


def attached(message: Message) -> list[tuple[str | None, str, str, bool]]:
    """Return name, type, digest and inlineness of every part that is shown as a file."""
    found = []
    for part in leaves(message):
        kind = part.get_content_disposition()
        if kind is None:
            continue
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload(0)
            assert isinstance(inner, Message)
            data = inner.as_bytes(policy=policy.compat32.clone(linesep="\r\n", max_line_length=0))
        else:
            data = data_of(part)
        name = part.get_filename()
        decoded = None if name is None else str(make_header(decode_header(name)))
        found.append((decoded, part.get_content_type(), hashlib.sha256(data).hexdigest(), kind == "inline"))
    return found


def test_same_seed_gives_the_same_bytes_in_another_process() -> None:
    """Two interpreters with different hash seeds make the same mailboxes."""
    program = (
        "import hashlib; from testbed.samples.demo_mail import DemoMail;"
        "print(hashlib.sha256(b''.join(mail.raw for mail in DemoMail().mailboxes())).hexdigest())"
    )
    here = hashlib.sha256(b"".join(mail.raw for mail in MAILS)).hexdigest()
    other = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={"PYTHONHASHSEED": "99", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert other.stdout.strip() == here


def test_another_seed_gives_other_bytes() -> None:
    """The seed decides ids and transport, not the words."""
    other = DemoMail(seed=8).mailboxes()
    assert {mail.truth.email for mail in other} == {mail.truth.email for mail in MAILS}
    assert all(a.raw not in {b.raw for b in MAILS} for a in other)


def test_mailboxes_have_the_promised_size_and_folders() -> None:
    """A few hundred copies over three users, in usual, personal and skipped folders, names beyond ASCII among them."""
    assert 330 <= len(MAILS) <= 420
    folders = {mail.folder for mail in MAILS}
    assert {"INBOX", "Sent", "Archive", "Angebote/Zürich", "Clients/Équipement"} | SKIPPED_FOLDERS <= folders
    assert {mail.user for mail in MAILS} == {user.key for user in USERS}
    assert all(sum(mail.user == user.key for mail in MAILS) > 60 for user in USERS)
    assert 60 < sum(mail.truth.private for mail in MAILS) < 200


def test_dates_lie_in_the_past_and_in_order() -> None:
    """No mail arrives after the demo starts, and the list is in order of arrival."""
    moments = [mail.internaldate for mail in MAILS]
    assert moments == sorted(moments)
    assert moments[-1] <= DEFAULT_NOW
    assert moments[0] < DEFAULT_NOW - timedelta(days=200)


@pytest.mark.parametrize("mail", MAILS + SCENE_MAILS, ids=ident)
def test_bytes_can_be_stored_by_an_imap_server(mail: SampleMail) -> None:
    """Lines end in CRLF, no line is too long, there is no NUL (RFC 3501: literals may not contain it), sizes are bounded."""
    assert b"\0" not in mail.raw
    assert mail.raw.count(b"\n") == mail.raw.count(b"\r\n") == mail.raw.count(b"\r")
    assert max(map(len, mail.raw.split(b"\r\n"))) <= 998
    assert len(mail.raw) < 2_000_000


@pytest.mark.parametrize("mail", READABLE, ids=ident)
def test_subject_text_and_attachments_are_as_the_truth_says(mail: SampleMail) -> None:
    """Subject, a phrase of the text, a phrase of the quotation, and every attachment can be read from the bytes."""
    message, truth = parsed(mail), mail.truth
    subject = (
        str(message["Subject"])
        if truth.quirk != "latin1-header"
        else matched(rb"\r\nSubject: ([^\r]*)", mail.raw).decode("latin-1")
    )
    if truth.quirk == "utf8-headers":
        subject = matched(rb"\r\nSubject: ([^\r]*)", mail.raw).decode()
    assert str(make_header(decode_header(re.sub(r"\r\n(?=[ \t])", "", subject)))) == truth.subject
    assert any(truth.snippet in text for text in texts(mail)) or (
        truth.quirk == "attachment-only" and not truth.snippet
    )
    if truth.quoted:
        assert any(truth.quoted in re.sub(r"(?<= )>+ |(?<= )>+(?= )", "", text) for text in texts(mail))
    expected = [(file.name, file.content_type, file.sha256, file.inline) for file in truth.attachments]
    assert attached(message) == expected


@pytest.mark.parametrize("mail", READABLE, ids=ident)
def test_links_are_those_of_the_headers(mail: SampleMail) -> None:
    """Reading the address headers, and a bounce's report, against the records gives exactly the truth's links, thread links aside."""
    message, known, late = parsed(mail), addresses_of(RECORDS), addresses_of((LATE_CONTACT,))
    if mail.truth.quirk == "utf8-headers":
        del message["From"]
        message["From"] = normal("joerg@müller-prüftechnik.example")
    found = {(address, role) for role, header in ROLES.items() for address in addresses(message, header)}
    if mail.truth.mark == "bounce":
        found |= {
            (one.decode(), "sender") for one in re.findall(rb"^Final-Recipient: rfc822; (\S+)", mail.raw, re.MULTILINE)
        }
    assert {link for link in mail.truth.links if link.role != "thread"} == {
        Link(known[address], address, role) for address, role in found if address in known
    }
    assert mail.truth.late_links == {Link(late[address], address, role) for address, role in found if address in late}
    assert mail.truth.internal == all(address.endswith("@" + DOMAIN) for address, _ in found)


def test_thread_links_are_those_of_the_reference() -> None:
    """A mail without a record's address is linked when what it answers in its holder's mail names one external record.

    One of these mails must be one that the holder sent.
    """
    copies = [mail for mail in READABLE if mail.synchronised]
    by_id: dict[tuple[str, str], set[Link]] = defaultdict(set)
    sent: dict[tuple[str, str], set[Link]] = defaultdict(set)
    for mail in copies:
        place, links = (mail.user, str(parsed(mail)["Message-ID"])), mail.truth.links
        by_id[place] |= {link for link in links if link.role != "thread" or mail.folder == "Sent"}
        sent[place] |= links if mail.folder == "Sent" else set()
    linked, refused = [], []
    for mail in copies:
        if any(link.role != "thread" for link in mail.truth.links):
            continue
        message = parsed(mail)
        ids = re.findall(r"<[^>]+>", f"{message['References'] or ''} {message['In-Reply-To'] or ''}")
        every, opened = (
            {link.record for one in ids for link in of[mail.user, one] if not link.address.endswith("@" + DOMAIN)}
            for of in (by_id, sent)
        )
        about = opened if len(every) == 1 else set()
        assert {link.record for link in mail.truth.links} == about, ident(mail)
        linked += [mail] if about else []
        refused += [mail] if len(every) > 1 else []
    assert len({mail.truth.email for mail in linked}) == 2
    assert {mail.truth.quirk for mail in refused} == {"unknown-in-thread-of-two"}


def test_copies_of_one_mail_differ_in_trace_headers_only() -> None:
    """What identifies an email is equal in all its copies, while each copy's bytes are its own."""
    groups: dict[str, list[SampleMail]] = defaultdict(list)
    for mail in READABLE:
        groups[mail.truth.email].append(mail)
    shared = [group for group in groups.values() if len(group) > 1]
    assert len(shared) > 60
    for group in shared:
        assert len({mail.raw for mail in group}) == len(group)
        assert len({(b"\r\n" + mail.raw).partition(b"\r\nDate: ")[2] for mail in group}) == 1
    every = [parsed(mail)["Message-ID"] for mail in READABLE if parsed(mail)["Message-ID"]]
    assert len(set(every)) == len(groups) - sum(mail.truth.quirk == "no-message-id" for mail in READABLE)


def test_bcc_is_in_the_senders_copy_only() -> None:
    """A Bcc header is in Sent and nowhere else, and a Bcc'd record is linked from there only."""
    with_bcc = [mail for mail in MAILS if re.search(rb"(?m)^Bcc: ", mail.raw.partition(b"\r\n\r\n")[0])]
    assert with_bcc
    assert {mail.folder for mail in with_bcc} == {"Sent"}
    assert {link.record for mail in with_bcc for link in mail.truth.links if link.role == "bcc"} == {"okonkwo"}
    assert not any(link.role == "bcc" for mail in MAILS if mail.folder != "Sent" for link in mail.truth.links)


@pytest.mark.parametrize("thread", charsets.THREADS, ids=lambda thread: thread.key)
def test_charset_samples_decode_as_a_careful_reader_would(thread: Thread) -> None:
    """The declared label, read as the web reads labels, or the codec behind a wrong one, gives the writer's words."""
    mail = next(mail for mail in MAILS if mail.truth.thread == thread.key)
    turn = thread.turns[0]
    assert turn.charset
    part = parsed(mail)
    assert part.get_content_charset() == (turn.charset.declared.lower() if turn.charset.declared else None)
    data = data_of(part)
    known = webencodings.lookup(turn.charset.declared or "utf-8")
    if turn.quirk in {"windows-1252-undeclared", "utf-7", "charset-unknown"}:
        text = data.decode(turn.charset.codec)
        assert known is None or "\ufffd" in webencodings.decode(data, known)[0]
    else:
        text = webencodings.decode(data, known)[0]
    assert mail.truth.snippet in " ".join(text.split())
    assert not mail.truth.snippet.isascii() or turn.quirk in {"charset-unknown", "utf-7"}


def test_mislabelled_charsets_are_really_mislabelled() -> None:
    """GBK sent as gb2312, and cp1252 as iso-8859-1, hold characters that the declared charset does not have."""
    quirks = {mail.truth.quirk: mail for mail in MAILS}
    with pytest.raises(UnicodeDecodeError):
        data_of(parsed(quirks["gbk-as-gb2312"])).decode("gb2312")
    latin = data_of(parsed(quirks["cp1252-as-latin1"])).decode("iso-8859-1")
    assert re.search("[\x80-\x9f]", latin)


def test_late_contact_has_history_in_two_mailboxes() -> None:
    """Her mail is in Anna's and Luc's folders, concerns no record yet, and is old."""
    late = DEMO.late_contact()
    assert {mail.user for mail in late} == {"anna", "luc"}
    assert all(mail.truth.private for mail in late)
    assert len(late) >= 10
    assert min(mail.internaldate for mail in late) < DEFAULT_NOW - timedelta(days=100)


@pytest.mark.parametrize("name", SCENES)
def test_scene_is_new_mail_that_was_not_there(name: str) -> None:
    """A scene arrives on request, unread, and its replies answer mail that is in the mailboxes."""
    at = DEFAULT_NOW + timedelta(minutes=5)
    mails = DEMO.scene(name, at=at)
    assert mails
    known = {parsed(mail)["Message-ID"] for mail in READABLE}
    for mail in mails:
        assert mail.truth.email not in {old.truth.email for old in MAILS}
        assert mail.folder == "INBOX"
        assert mail.flags == ()
        assert at <= mail.internaldate <= at + timedelta(minutes=1)
        assert parsed(mail)["In-Reply-To"] is None or parsed(mail)["In-Reply-To"] in known
    assert bool(mails[0].truth.links) == (name not in {"no-record", "late-contact"})
    assert bool(mails[0].truth.late_links) == (name == "late-contact")


def test_unknown_scene_is_refused_with_the_known_ones() -> None:
    """The error lists the known scenes."""
    with pytest.raises(ValueError, match="contact-writes"):
        DEMO.scene("fireworks", at=DEFAULT_NOW)


def test_csv_holds_every_address_of_every_record() -> None:
    """The import files give back the records' addresses, old ones too."""
    for text, records in ((company.leads_csv(), LEADS), (company.contacts_csv(), CONTACTS)):
        rows = list(csv.DictReader(io.StringIO(text)))
        assert tuple(rows[0]) == company.CSV_COLUMNS
        for row, record in zip(rows, records, strict=True):
            assert (row["email"], *filter(None, row["other_emails"].split(";"))) == record.all_addresses
            assert row["owner"] in {user.addresses[0] for user in USERS}


def test_addresses_are_reserved_and_belong_to_one_record_each() -> None:
    """Every domain is a reserved one (RFC 2606), and no two records share an address."""
    every = [address for record in (*RECORDS, LATE_CONTACT) for address in record.all_addresses]
    assert len({normal(address) for address in every}) == len(every)
    assert all(address.endswith((".example", ".test")) for person in PEOPLE.values() for address in person.addresses)
    heads = [str(value) for mail in READABLE for value in parsed(mail).values()]
    wild = {domain for text in heads + [text for mail in READABLE for text in texts(mail)]
            for domain in re.findall(r"@([\w.-]+\.[a-z]{2,})", text)}  # fmt: skip
    assert {domain for domain in wild if not domain.endswith((".example", ".test"))} == set()


def test_custom_sharing_excludes_law_firm_and_own_domain() -> None:
    """One user shares publicly, one privately, one with the two excluded domains; there is mail that shows each."""
    sharing = {user.sharing: user for user in USERS}
    assert set(sharing) == {"public", "private", "custom"}
    assert set(sharing["custom"].excluded_domains) == {company.LAW_FIRM_DOMAIN, DOMAIN}
    custom = [mail for mail in MAILS if mail.user == sharing["custom"].key]
    assert any({link.record for link in mail.truth.links} == {"hartwig"} for mail in custom)
    assert any({"hartwig", "johansson"} <= {link.record for link in mail.truth.links} for mail in custom)
    assert any(mail.truth.internal and mail.truth.links for mail in custom)


def test_hostile_mail_is_bounded_and_hostile() -> None:
    """It nests, splits, bombs and climbs, yet stays under two megabytes."""
    (mail,) = [mail for mail in MAILS if mail.truth.mark == "hostile"]
    assert mail.raw.count(b"multipart/mixed") > 1000
    assert mail.raw.count(b"\r\n--hostile\r\n") > 5000
    assert mail.raw.count(b"=?") > 2000
    assert b"../../" in mail.raw
    assert b"=0D=0ABcc" in mail.raw


def test_attached_files_are_what_they_say() -> None:
    """PDFs have a correct cross-reference table, PNGs begin and end as such, invitations have a start."""
    seen: set[str] = set()
    for mail in READABLE:
        for part in leaves(parsed(mail)):
            if part.get_content_disposition() is None:
                continue
            kind = part.get_content_type()
            seen.add(kind)
            if kind == "message/rfc822":
                continue
            data = data_of(part)
            if kind == "application/pdf":
                start = int(matched(rb"startxref\n(\d+)\n%%EOF", data))
                assert data[start:].startswith(b"xref\n0 6\n")
                for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", data), 1):
                    assert data[int(offset) :].startswith(b"%d 0 obj" % number)
            elif kind == "image/png":
                assert data.startswith(b"\x89PNG\r\n\x1a\n")
                assert data[-8:-4] == b"IEND"
            elif kind == "application/ics":
                assert re.search(rb"\r\nDTSTART:\d{8}T\d{6}Z\r\n", data)
    assert {"application/pdf", "image/png", "text/csv", "application/ics", "message/rfc822"} <= seen


def test_now_may_be_any_moment() -> None:
    """Nothing is in the future, whatever the day: a run on a Sunday night works like one on a Monday."""
    for day in range(7):
        now = datetime(2027, 2, 26 - day, 23 - 3 * day, 30, tzinfo=UTC)
        mails = DemoMail(now=now).mailboxes()
        assert len(mails) == len(MAILS)
        assert all(mail.internaldate <= now for mail in mails)
