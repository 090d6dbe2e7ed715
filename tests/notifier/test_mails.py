"""What the mails say, and what never gets into their headers. No servers."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest

from schemas.accounts import Account, ServerAddress, User
from schemas.ledger import Epoch, EpochState, RowState
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.mailbox.connection import Code
from services.mailbox.outgoing_mail import serialize
from services.notifier.attention import attention
from services.notifier.confirmation import confirmation
from services.store import EpochReport, FolderReport
from tests.factories import account
from tests.notifier.fixtures import SENDER, START, read

ACCOUNT = "0123456789abcdef01234567"
ANNA = User(email="anna@crm.example", name="Anna Lind", created_at=START)


def report(**changes: Any) -> EpochReport:
    """Return the result of a mailbox with some of everything."""
    counts = {RowState.ATTACHED: 1220, RowState.UNMATCHED: 8040, RowState.SKIPPED: 3, RowState.QUARANTINED: 1}
    fields: dict[str, Any] = {
        "epoch": Epoch(
            account=ACCOUNT, number=1, state=EpochState.COMPLETE, opened_at=START, completed_at=START, expected=9264
        ),
        "owner": ANNA.email,
        "address": ANNA.email,
        "sharing": SharingPolicy(mode=Mode.PUBLIC),
        "folders": (
            FolderReport(name="INBOX", role="inbox", selected=True, reason=None, counts=counts),
            FolderReport(name="Trash", role="trash", selected=False, reason="trash"),
        ),
        "counts": counts,
        "reasons": {"too-large": 2, "deleted-in-crm": 1},
        "emails": 1204,
        "linked": {"lead": 1, "contact": 28},
        "oldest": START.replace(year=2019),
        "newest": START,
    }
    return EpochReport(**fields | changes)


def sent(
    *, owner: User = ANNA, company: CompanyPolicy | None = None, first: bool = True, console: str = "", **changes: Any
) -> EmailMessage:
    """Return a confirmation as its recipient reads it."""
    mail = confirmation(
        sender=SENDER,
        to=[owner],
        report=report(**changes),
        company=company or CompanyPolicy(),
        first=first,
        console=console,
    )
    return read(serialize(mail))


def body(mail: EmailMessage, kind: str) -> str:
    """Return the text or the HTML of a mail."""
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def both(mail: EmailMessage) -> tuple[str, str]:
    """Return text and HTML."""
    return body(mail, "plain"), body(mail, "html")


def test_the_whole_story() -> None:
    """Text and HTML say what was synchronized, its dates and folders, what was left out and why, and who can see it."""
    for text in both(sent()):
        for words in (
            "1,204 emails",
            "1 lead and 28 contacts",
            "1 March 2019",
            "1 March 2026",
            "9,264 messages, 1,220 on records",
            "8,040 messages",
            "not about a lead or contact",
            "larger than your company",
            "could not be read safely",
            "Trash",
            "holds deleted mail",
            "Public. Your colleagues see your mail",
        ):
            assert words in " ".join(text.split()), words


def test_the_same_mail_whenever_it_is_built() -> None:
    """Message-ID and Date depend on account, epoch and completion; the mail of another epoch differs."""
    first, again = sent(), sent()
    assert (str(first["Message-ID"]), str(first["Date"])) == (str(again["Message-ID"]), str(again["Date"]))
    later = report().epoch.model_copy(update={"number": 2})
    assert str(sent(epoch=later)["Message-ID"]) != str(first["Message-ID"])


def test_the_mail_prevents_automatic_replies() -> None:
    """It is marked as sent by a program (RFC 3834)."""
    mail = sent()
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "All")


NOTHING: dict[str, Any] = {
    "emails": 0,
    "linked": {"lead": 0, "contact": 0},
    "oldest": None,
    "newest": None,
    "reasons": {},
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({**NOTHING, "counts": {}, "folders": ()}, "There is no mail in it yet."),
        (
            {**NOTHING, "counts": {RowState.UNMATCHED: 3}},
            "We looked at 3 messages and found none about a lead or contact in the CRM.",
        ),
        ({**NOTHING, "counts": {RowState.UNMATCHED: 1}}, "We looked at 1 message and found none"),
    ],
)
def test_mailboxes_without_mail_for_the_crm(changes: dict[str, Any], words: str) -> None:
    """The mail distinguishes an empty mailbox from one without relevant mail."""
    for text in both(sent(**changes)):
        assert words in " ".join(text.split())


def test_a_resync_says_so() -> None:
    """The first backfill and a later one read differently."""
    assert "is now on your CRM records" in body(sent(), "plain")
    assert "has been synchronised again" in body(sent(first=False), "plain")


@pytest.mark.parametrize(
    ("policy", "company", "words"),
    [
        (SharingPolicy(mode=Mode.PRIVATE), CompanyPolicy(), "Private: no one else sees your mail"),
        (
            SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("law.example",)),
            CompanyPolicy(excluded_domains=("bank.example",)),
            "Not shared: mail on records of law.example. Your company never shares mail on records of bank.example.",
        ),
        (SharingPolicy(mode=Mode.CUSTOM), CompanyPolicy(), "You have not excluded any domain yet."),
        (
            SharingPolicy(mode=Mode.PUBLIC),
            CompanyPolicy(allowed_modes=(Mode.PRIVATE,), default_mode=Mode.PRIVATE),
            "You chose public, which your company does not allow at present: your mail is treated as private",
        ),
        (
            SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("xn--bcher-kva.example",)),
            CompanyPolicy(),
            "records of bücher.example",
        ),
    ],
)
def test_the_sharing_in_force(policy: SharingPolicy, company: CompanyPolicy, words: str) -> None:
    """Each mode, the company's exclusions, and a mode that the company no longer allows."""
    assert words in " ".join(body(sent(sharing=policy, company=company), "plain").split())


@pytest.mark.parametrize("code", list(Code))
def test_every_incident_has_words_and_steps(code: Code) -> None:
    """Whatever blocked the account, its owner gets an explanation and the commands that fix it."""
    for text in both(alert(code.value, provider="gmail")):
        flat = " ".join(text.split())
        plain = flat.replace("<strong>", "").replace("</strong>", "")
        assert "We can no longer synchronise your mailbox anna@crm.example." in plain
        assert "leadmail account resume anna@crm.example" in flat
        assert "{" not in body(alert(code.value), "plain")


def alert(reason: str, *, provider: str | None = None, address: str = ANNA.email) -> EmailMessage:
    """Return an attention mail as its recipient reads it."""
    account = blocked(reason, provider=provider, address=address)
    return read(serialize(attention(sender=SENDER, to=[ANNA], account=account, now=START)))


def blocked(reason: str = "wrong-password", *, provider: str | None = None, address: str = ANNA.email) -> Account:
    """Return an account that is blocked."""
    return account(
        address,
        owner=ANNA.email,
        id=ACCOUNT,
        provider=provider,
        incoming=ServerAddress(host="imap.gmail.com", port=993, tls="tls", username=address),
        reason=reason,
        incident=3,
        created_at=START,
    )


def test_with_the_console_mails_link_to_it() -> None:
    """Both mails link to the owner's pages instead of naming commands."""
    pages = "https://leadmail.example.com"
    noticed = read(serialize(attention(sender=SENDER, to=[ANNA], account=blocked(), now=START, console=pages)))
    confirmed = sent(console=pages)
    for mail, page in ((noticed, "/password"), (confirmed, "/sharing")):
        for text in both(mail):
            assert f"{pages}/mailboxes/{ACCOUNT}{page}" in text
            assert "leadmail account" not in text


def test_a_reason_that_is_not_known() -> None:
    """A code of a later version is quoted rather than hidden."""
    assert "Its mail server refuses it (some-new-code)" in body(alert("some-new-code"), "plain")


@pytest.mark.parametrize(
    "name",
    [
        "Anna\r\nBcc: all@crm.example",
        "Anna\nX-Evil: 1",
        'Anna "the boss" <ceo@crm.example>, Lind',
        "Ånna Łind 田中",
        "Anna\u202e\u0000Lind",
        "x" * 500,
        "",
    ],
)
def test_odd_names_stay_names(name: str) -> None:
    """Whatever the owner's name is: one recipient, no further header, the address unchanged."""
    mail = sent(owner=ANNA.model_copy(update={"name": name}))
    (receiver,) = mail["To"].addresses
    assert receiver.addr_spec == ANNA.email
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert set(mail.keys()) == set(sent().keys())


@pytest.mark.parametrize(
    "address",
    [
        "anna@xn--bcher-kva.example",
        "jörg@crm.example",
        "a..b@crm.example",
        "o'neil+crm@crm.example",
        "x" * 64 + "@crm.example",
    ],
)
def test_odd_addresses_arrive(address: str) -> None:
    """International domains, international local parts (RFC 6532), and local parts that need quoting."""
    mail = sent(owner=User(email=address, name="Jörg", created_at=START), address=address)
    (receiver,) = mail["To"].addresses
    # The parser keeps bytes that are not ASCII as surrogates.
    assert receiver.username.encode(errors="surrogateescape").decode() == address.rpartition("@")[0]
    assert receiver.domain == address.rpartition("@")[2]


def test_domains_are_written_as_people_write_them() -> None:
    """Subject and text show the international form, the command the one that it accepts."""
    mail = sent(address="anna@xn--bcher-kva.example")
    assert "anna@bücher.example" in str(mail["Subject"])
    assert "leadmail account sharing anna@xn--bcher-kva.example" in body(mail, "plain")
    assert "anna@bücher.example" in str(alert("wrong-password", address="anna@xn--bcher-kva.example")["Subject"])


def test_a_folder_name_cannot_speak_for_us() -> None:
    """Line breaks, markup and reversed text in a folder's name remain part of the name; no header contains it."""
    name = "Inbox\n\nYour account is locked: <a href='http://evil.example'>click</a>\u202e{{ 7 * 7 }}"
    folder = FolderReport(name=name, role="user", selected=True, reason=None, counts={RowState.ATTACHED: 1})
    mail = sent(folders=(folder,))
    text, html = both(mail)
    assert "\nYour account" not in text
    assert "<a " not in html
    assert "\u202e" not in text + html
    assert "49" not in text
    head = mail.as_bytes().partition(b"\n\n")[0]
    assert b"locked" not in head


def test_who_signed_in_is_sent_to_the_sign_in() -> None:
    """Where there is no password, the mail leads to where the owner signs in again, and asks for no password."""
    pages = "https://leadmail.example.com"
    signed_in = blocked("consent-revoked").model_copy(update={"grant": "g"})
    for console, where in (
        (pages, f"{pages}/mailboxes/{ACCOUNT}/sign-in"),
        ("", f"leadmail account login {ANNA.email}"),
    ):
        for text in both(
            read(serialize(attention(sender=SENDER, to=[ANNA], account=signed_in, now=START, console=console)))
        ):
            assert where in text
            assert "withdrawn" in text
            assert "password" not in text
