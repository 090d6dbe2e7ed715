"""Header facts, which decide whether a mail's body is fetched."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from services.parser.content.parse import parse_mail
from services.parser.mime import limits
from services.poller.copies import headers
from services.poller.copies.address_lists import ENOUGH, MAX_ADDRESSES, MAX_FIELD, addresses
from tests.cpu_cost import MOST, growth
from tests.parser.corpus import mails


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bob@x.de", {"bob@x.de"}),
        ('"Bob, X" <BOB@X.de>', {"bob@x.de"}),
        ('a@b.c, "d" <e@f.g> (hi (x) y), undisclosed-recipients:;', {"a@b.c", "e@f.g"}),
        ("Team: a@b.c, Bea <d@e.f>;", {"a@b.c", "d@e.f"}),
        ("<@relay.test,@other.test:me@x.y>", {"me@x.y"}),
        ("c <c@(Chris's host.)public.example>", {"c@public.example"}),
        ("müller@bücher.de", {"müller@xn--bcher-kva.de"}),
        ('"joe"@x.y', {"joe@x.y"}),
        ('"bob@acme.com via List" <list@x.y>', {"list@x.y"}),
        ("=?utf-8?q?bob=40acme.com?= <list@x.y>", {"list@x.y"}),
        ("undisclosed-recipients:;", set()),
        ("", set()),
    ],
)
def test_addresses_of_well_formed_fields(value: str, expected: set[str]) -> None:
    """A well-formed list has exactly its addresses: text in a display name is not an address."""
    assert addresses(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Foo <a@b.c", "a@b.c"),
        ('"Foo <a@b.c>', "a@b.c"),
        ("bob@acme.com <other@x.com>", "bob@acme.com"),
        ("a@b.c d@e.f", "d@e.f"),
        ("<a@b.c> <d@e.f>", "d@e.f"),
        ("'a@b.c' <'a@b.c'>", "a@b.c"),
        ("=?utf-8?B?Rm9vIDxhQGIuYz4=?=", "a@b.c"),
        ("mailto:a@b.c", "a@b.c"),
        ('"a@b.c" <>', "a@b.c"),
    ],
)
def test_addresses_of_broken_fields_are_not_missed(value: str, expected: str) -> None:
    """In a malformed field everything that could be an address counts."""
    assert expected in addresses(value)


def test_folded_repeated_and_bcc_fields() -> None:
    """Every address field counts, folded or repeated, in any case; other fields do not."""
    block = (
        b"FROM: A\r\n <a@x.test>\r\nTo: b@x.test,\r\n\tc@x.test\r\nto: d@x.test\r\nBcc: e@x.test\r\n"
        b"X-To: f@x.test\r\nSubject: From: g@x.test\r\nReply-To: h@x.test\r\nSender: i@x.test\r\n\r\n"
    )
    assert headers.read(block).participants == {f"{letter}@x.test" for letter in "abcdehi"}


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
    """No address and no reference that the parser finds is missed, and Message-IDs are equal."""
    checked = 0
    for path in mails()[::9]:
        raw = path.read_bytes()
        if len(raw) > 200_000 or not (end := re.search(rb"\r?\n\r?\n", raw)) or not end.start():
            continue
        parsed = parse_mail(raw, account="0" * 24, internal_date=datetime(2026, 1, 1, tzinfo=UTC), careful=True)
        facts = headers.read(raw[: end.end()])
        people = {person.address for person in parsed.content.participants} | set(parsed.bcc)
        # What is no UTF-8 is guessed by the parser from the body's charset; no CRM knows such an address.
        assert {address for address in people if address.isascii()} <= facts.participants, path
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


@pytest.mark.parametrize(
    "crowd",
    [
        b'"never closed ' + b" ".join(b"u%d@crowd.test" % number for number in range(3_000)),
        b" ".join(b"u%d@crowd.test" % number for number in range(3_000)),
        b"".join(b"<u%d@crowd.test>" % number for number in range(3_000)),
    ],
)
def test_malformed_crowd_is_no_whole_list(crowd: bytes) -> None:
    """Where candidates take all the places, the header does not tell who takes part."""
    facts = headers.read(b"To: " + crowd + b"\r\nFrom: a@x.test\r\n\r\n")
    assert not facts.whole
    assert len(facts.participants) == MAX_ADDRESSES
    assert "a@x.test" in facts.participants


def test_reads_as_far_as_the_parser() -> None:
    """The bounds are those of the parser, so that it finds nobody whom the poller missed."""
    assert (headers.MAX_HEADER, MAX_FIELD, ENOUGH) == (limits.HEADER_BYTES, limits.HEADER_VALUE, limits.RECIPIENTS)
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


def test_escaped_comments_take_linear_time() -> None:
    """A comment that never ends costs its length once, however many escaped brackets it has."""
    blocks = {size: b"To: <" + b"\\(" * 8_000 * size + b"a@client.example>\n" for size in (1, 4)}
    assert growth(lambda size: headers.read(blocks[size])) < MOST
