"""Mail made to break a parser ends truncated but useful, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.mail import Content
from services.parser.mime import limits
from tests.parser.samples import HEAD, content, mail, mixed, multipart, parsed, part

SECONDS = 2.0


def nested(depth: int) -> bytes:
    """Return multiparts within one another."""
    body, field = b"deep", b"Content-Type: text/plain"
    for level in range(depth):
        body, field = multipart(b"mixed", part(body, field), boundary=b"b%d" % level)
    return mail(body, field)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "9 MB of tiny parts": lambda: mail(b"--x\r\n\r\na\r\n" * 900_000, b"Content-Type: multipart/mixed; boundary=x"),
    "2,000 multiparts within one another": lambda: nested(2_000),
    "a million boundary lines that are none": lambda: mail(
        b"--xy\r\n" * 1_000_000, b"Content-Type: multipart/mixed; boundary=x"
    ),
    "200,000 header fields": lambda: HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(200_000)) + b"\r\nHello",
    "a header field of 20 MB": lambda: mail(b"Hello", b"X: " + b"y" * 20_000_000),
    "2 million folds": lambda: mail(b"Hello", b"X: y" + b"\r\n y" * 2_000_000),
    "40,000 encoded words in an address": lambda: mail(b"x", b"Cc: " + b"=?utf-8?q?a=C3=A9?= " * 40_000),
    "unfinished encoded words": lambda: mail(b"x", b"Cc: " + b"=?utf-8?q?a?x?y" * 40_000),
    "100,000 recipients": lambda: mail(b"x", b"Cc: " + b",".join(b"u%d@x.example" % n for n in range(100_000))),
    "100,000 open comments": lambda: mail(b"x", b"Cc: " + b"(" * 100_000),
    "200,000 parameters": lambda: mail(b"x", b"Content-Type: text/plain" + b"; a=b" * 200_000),
    "20,000 name segments": lambda: mail(
        b"x", b"Content-Disposition: attachment" + b"".join(b"; filename*%d*=a" % n for n in range(20_000))
    ),
    "400,000 open divs": lambda: mail(b"<div>" * 400_000, b"Content-Type: text/html"),
    "200,000 quotes within one another": lambda: mail(b"<blockquote>x" * 200_000, b"Content-Type: text/html"),
    "200,000 tables within one another": lambda: mail(b"<table><tr><td>" * 200_000, b"Content-Type: text/html"),
    "3 million angle brackets": lambda: mail(b"<" * 3_000_000, b"Content-Type: text/html"),
    "400,000 open pre": lambda: mail(b"<pre " * 400_000 + b"</pre", b"Content-Type: text/html"),
    "5 million empty lines": lambda: mail(b"\n" * 5_000_000),
    "2 million quoted lines": lambda: mail(b"> \n" * 2_000_000),
    "500,000 flowed lines": lambda: mail(b"a \n" * 500_000, b"Content-Type: text/plain; format=flowed"),
    "5 MB of no charset": lambda: mail(bytes(range(128, 256)) * 40_000),
    "3 million pluses of UTF-7": lambda: mail(b"+" * 3_000_000, b"Content-Type: text/plain; charset=utf-7"),
    "300,000 shifts of ISO-2022-JP": lambda: mail(b"\x1b$B!!\x1b(B" * 300_000),
    "an endless bounce": lambda: mail(
        b"could not be delivered " + b"a@" * 200_000,
        head=HEAD.replace(b"joerg@", b"mailer-daemon@").replace(b"Offer", b"failure notice"),
    ),
    "100,000 brackets of references": lambda: mail(b"x", b"References: " + b"<" * 100_000),
    "100,000 comments in a date": lambda: mail(b"x", b"Date: " + b"(" * 100_000, head=b""),
}


def is_bounded(found: Content) -> bool:
    """Whether content keeps every limit that the contract promises."""
    return (
        len(found.subject) <= limits.SUBJECT
        and len(found.text.encode()) <= limits.TEXT_BYTES
        and len((found.html or "").encode()) <= limits.HTML_BYTES
        and len(found.snippet) <= limits.SNIPPET
        and len(found.participants) <= limits.RECIPIENTS
        and len(found.references) <= limits.REFERENCES
        and len(found.attachments) <= limits.ATTACHMENTS
        and len(found.marks.defects) <= limits.DEFECTS
        and len(found.marks.bounced) <= limits.BOUNCED
        and all(len(person.name) <= limits.NAME for person in found.participants)
        and all(0 < len(each.name) <= limits.NAME for each in found.attachments)
        and not any(mark in found.subject + found.snippet for mark in "\r\n\x00")
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read_in_bounded_time(name: str) -> None:
    """However a mail is made, reading it takes less than two seconds of CPU and gives bounded content."""
    raw = HOSTILE[name]()
    start = time.process_time()
    found = content(raw)
    assert time.process_time() - start < SECONDS
    assert is_bounded(found)
    if "Date" not in name and b"joerg@client.example" in raw:
        assert found.participants[0].address == "joerg@client.example"


def test_cut_mail_is_marked_and_useful() -> None:
    """Of too many parts the first are kept, and the mail says that something is missing."""
    found = content(mixed(*[part(b"%d" % number, b"Content-Type: image/png") for number in range(600)]))
    assert len(found.attachments) == limits.ATTACHMENTS
    assert found.marks.truncated
    deep = content(nested(limits.DEPTH + 5))
    assert deep.marks.truncated
    assert content(nested(limits.DEPTH - 5)).text == "deep"


SEEDS = [
    mail(),
    nested(3),
    mixed(
        part("Grüße".encode(), b"Content-Type: text/plain; charset=utf-8; format=flowed"),
        part(b"<p>x<blockquote>y</blockquote>", b"Content-Type: text/html; charset=iso-8859-1"),
        part(b"JVBERi0=", b'Content-Disposition: attachment; filename*0*=utf-8\'\'a%20b; filename*1="c.pdf"',
             b"Content-Transfer-Encoding: base64"),
    ),
    mail(
        b"=?utf-8?q?x?=\x1b$B!!\x1b(B\r\n> q\r\n-- \r\nsig",
        b"Subject: =?utf-8?b?SsO2cmc=?= =?iso-2022-jp?b?GyRCJUYbKEI=?=",
        b'Cc: "a, b" (c) <d@e.f>, g: h@i.j;, =?gb2312?q?=c4?= <k@l.m>',
        b"References: <a@b> <c@d>",
        b"List-Id: x",
        b"Content-Type: text/plain; charset=utf-7",
    ),
]  # fmt: skip
TOKENS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"--", b"----=_Part_7", b"=?", b"?=", b"?q?", b"?b?", b"<", b">", b"@", b",", b";", b":",
    b'"', b"\\", b"(", b")", b"\x00", b"\xff", b"\x80\x81", b"\x1b$B", b"+AGE-", b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"charset=utf-16", b"Content-Transfer-Encoding: base64\r\n", b"begin 644 x\r\n", b"\xed\xa0\x80", b"=", b"%", b"'", b"*0*=",
    b"Subject: ", b"Date: ", b"From: ", b"<div>", b"<!--", b"&#xD800;", "\u202e\ue000".encode(), b"9" * 40,
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(TOKENS) | st.binary(max_size=8)),
    min_size=1,
    max_size=12,
)


def edited(raw: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Return bytes in which pieces were replaced by others."""
    for place, length, new in edits:
        at = int(place * len(raw))
        raw = raw[:at] + new + raw[at + length :]
    return raw


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), EDITS)
def test_damaged_mail_never_raises(seed: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    """However a mail is damaged, it is read, its content is bounded and can be written as JSON and read back."""
    found = parsed(edited(seed, edits)).content
    assert is_bounded(found)
    assert Content.model_validate_json(found.model_dump_json()) == found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    """Bytes that are no mail at all are read as well."""
    assert is_bounded(parsed(raw).content)
