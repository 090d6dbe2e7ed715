"""Header facts, which decide whether a mail's body is fetched."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from random import Random

import pytest

from services.parser.content.parse import parse_mail
from services.parser.mime import limits
from services.poller.copies import headers
from services.poller.copies.headers import MAX_ADDRESSES
from testbed.parsing.corpus import mails
from tests.cpu_cost import MOST, growth


def test_folded_repeated_and_bcc_fields() -> None:
    """Every address field counts, folded or repeated, in any case; other fields do not."""
    block = (
        b"FROM: A\r\n <a@x.test>\r\nTo: b@x.test,\r\n\tc@x.test\r\nto: d@x.test\r\nBcc: e@x.test\r\n"
        b"X-To: f@x.test\r\nSubject: From: g@x.test\r\nReply-To: h@x.test\r\nSender: i@x.test\r\n"
        b"X-Failed-Recipients: j@x.test\r\n\r\n"
    )
    assert headers.read(block).participants == {f"{letter}@x.test" for letter in "abcdehij"}


def test_byte_order_mark_hides_no_field() -> None:
    """Some programs begin a mail with it: the first field is read by the poller and the parser."""
    block = b"\xef\xbb\xbfFrom: kim@x.test\r\nTo: me@x.test\r\n\r\n"
    parsed = parse_mail(block + b"hi", account="0" * 24, internal_date=datetime(2026, 1, 1, tzinfo=UTC))
    assert headers.read(block).participants == {"kim@x.test", "me@x.test"}
    assert {person.address for person in parsed.content.participants} == {"kim@x.test", "me@x.test"}
    assert (parsed.content.text, parsed.content.marks.defects) == ("hi", ())


def test_thread_ids() -> None:
    """Ids lose brackets and white space; prose around them is dropped; of many the first and the newest are kept."""
    facts = headers.read(
        b"Message-ID: <a@\r\n b>\r\nIn-Reply-To: Your mail of May <p@q>\r\nReferences: <r@s><p@q>\r\n\r\n"
    )
    assert facts.message_id == "a@b"
    assert facts.references == ("p@q", "r@s")
    many = headers.read(b"References: " + b"".join(b"<%d@x>\r\n " % n for n in range(300)) + b"\r\n\r\n").references
    assert len(many) == headers.MAX_REFERENCES
    assert (many[0], many[-1]) == ("0@x", "299@x")


@pytest.mark.parametrize(
    "hostile", [b'"\\', b"(", b"<", b"@", b"a", b"a@b.c,", b":", b" ", b"\n ", b"=?u?q?a?=", b"<a@b> ", b"\r", b"\xff@"]
)
def test_hostile_headers_take_linear_time(hostile: bytes) -> None:
    """The CPU time of reading up to 256 KiB of any one thing grows no faster than its size, and nothing is raised."""

    def read(size: int) -> None:
        for field in (b"To: ", b"References: ", b"Message-ID: "):
            headers.read(field + hostile * (size * headers.MAX_HEADER // 4 // len(hostile)))

    assert growth(read) < MOST


@pytest.mark.skipif(not mails(), reason="the corpus of real mail is not here")
def test_agrees_with_the_parser_on_real_mail() -> None:
    """No address and no reference that the parser finds is missed, and Message-IDs are equal.

    Whom a bounce is about, and the thread that it is in, the poller reads elsewhere: see ``test_delivery_reports``.
    """
    checked = 0
    for path in mails()[::9]:
        raw = path.read_bytes()
        if len(raw) > 200_000 or not (end := re.search(rb"\r?\n\r?\n", raw)) or not end.start():
            continue
        parsed = parse_mail(raw, account="0" * 24, internal_date=datetime(2026, 1, 1, tzinfo=UTC), careful=True)
        facts = headers.read(raw[: end.end()])
        people = {person.address for person in parsed.content.participants} | set(parsed.bcc)
        if not parsed.content.is_bounce:
            # What is no UTF-8 is guessed by the parser from the body's charset; no CRM knows such an address.
            assert people <= facts.participants, path
            assert set(parsed.content.references[-50:]) <= set(facts.references), path
        if parsed.content.message_id is not None:
            assert facts.message_id == parsed.content.message_id, path
        checked += 1
    assert checked > 100


def test_people_in_later_fields_are_not_missed() -> None:
    """A crowd in one field leaves the other fields their places: From counts wherever it is, and Bcc by itself."""
    crowd = b", ".join(b"u%d@crowd.test" % number for number in range(3_000))
    facts = headers.read(b"To: " + crowd + b"\r\nBcc: hidden@x.test\r\nCc: late@x.test\r\nFrom: a@x.test\r\n\r\n")
    assert {"a@x.test", "hidden@x.test", "u0@crowd.test", "u999@crowd.test"} <= facts.participants
    assert len(facts.participants) == MAX_ADDRESSES + 1
    assert facts.whole


@pytest.mark.parametrize("broken", [b"a@b.test\xfc\xfc", b'"a b"@b.test', b"a@b@c.test", b"X <a@>"])
def test_header_with_an_unreadable_mailbox_is_not_whole(broken: bytes) -> None:
    """What cannot be read is not dropped in silence: the header does not tell who takes part."""
    facts = headers.read(b"From: x@x.test\r\nTo: Kim <kim@x.test>, " + broken + b"\r\n\r\n")
    assert facts.participants == {"x@x.test", "kim@x.test"}
    assert not facts.whole


def test_reads_as_far_as_the_parser() -> None:
    """The bounds are those of the parser, so that it finds nobody whom the poller missed."""
    assert headers.MAX_HEADER == limits.HEADER_BYTES
    assert MAX_ADDRESSES > limits.RECIPIENTS


@pytest.mark.parametrize("separator", [b", ", b",\r\n ", b";", b" "])
def test_parser_finds_nobody_whom_the_poller_missed(separator: bytes) -> None:
    """In a mail of the largest header, well-formed or not, everybody whom the parser finds is a participant, or the list is not whole."""
    people = separator.join(b'"U %d" <u%d@crowd.test>' % (number, number) for number in range(20_000))
    block = b"Cc: " + people + b"\r\nX: " + b"y" * 40_000 + b"\r\nFrom: a@x.test\r\nTo: " + people + b"\r\n\r\n"
    parsed = parse_mail(block, account="0" * 24, internal_date=datetime(2026, 1, 1, tzinfo=UTC))
    facts = headers.read(block)
    found = {person.address for person in parsed.content.participants} | set(parsed.bcc)
    assert not facts.whole or found <= facts.participants


PIECES = (
    *(
        b"kim@x.test",
        b"<lou@x.test>",
        b"<max@x.test",
        b"Kim <kim@x.test>",
        b"bj\xf6rn@x.test",
        "\u00fc@\u00fc.test".encode(),
    ),
    *(
        b'"',
        b"\\",
        b"(",
        b")",
        b"<",
        b">",
        b",",
        b";",
        b":",
        b"@",
        b".",
        b"'",
        b" ",
        b"\r\n ",
        b"\r",
        b"\x1b$B",
        b"\x1b(B",
    ),
    *(
        b"=?utf-8?q?eve=40x=2Etest?=",
        b"=?iso-2022-jp?b?GyRCJUYlOSVIGyhC?=",
        b"=?utf-8?b?ZGFuQHgudGVzdA==?=",
        b"=?",
        b"?=",
    ),
    *(
        b"mailto:",
        b"Team:",
        b"\xfc\xfc",
        b"\x95\\",
        "\uff20".encode(),
        "\u200b".encode(),
        b"word",
        b'"a b"@x.test',
        b"\xa0",
    ),
)


def header_of(random: Random) -> bytes:
    """Return a header block of address fields, malformed in any way."""
    names = (b"From", b"To", b"to ", b"CC", b"Bcc", b"Sender", b"Reply-To", b"X-Original-Sender", b"X-Original-From")
    lines = [b"List-Id: <l.x.test>\r\n"] if random.random() < 0.5 else []
    for _ in range(random.randint(1, 4)):
        pieces = random.choices(PIECES, k=random.randint(1, 9))
        lines.append(random.choice(names) + b": " + b"".join(pieces) + random.choice((b"\r\n", b"\n", b"\nx")))
    if random.random() < 0.3:
        lines.append(
            b"Content-Type: text/plain; charset=" + random.choice((b"koi8-r", b"utf-16", b"gbk", b"iso-2022-jp"))
        )
    return b"".join(lines) + b"\r\n\r\n"


@pytest.mark.parametrize("seed", range(20))
def test_parser_finds_nobody_in_broken_fields_whom_the_poller_missed(seed: int) -> None:
    """However address fields are malformed, whom the parser finds the poller knew; what the parser cannot read it saw, too."""
    random = Random(seed)
    for _ in range(200):
        block = header_of(random)
        parsed = parse_mail(block + b"x", account="0" * 24, internal_date=datetime(2026, 1, 1, tzinfo=UTC))
        facts = headers.read(block)
        assert {person.address for person in parsed.content.participants} | set(parsed.bcc) <= facts.participants, block
        unread = set(parsed.content.marks.defects) - {"address:repaired", "address:from"}
        assert not (facts.whole and any(one.startswith("address") for one in unread)), block


def test_escaped_comments_take_linear_time() -> None:
    """A comment that never ends costs its length once, however many escaped brackets it has."""
    blocks = {size: b"To: <" + b"\\(" * 8_000 * size + b"a@client.example>\n" for size in (1, 4)}
    assert growth(lambda size: headers.read(blocks[size])) < MOST
