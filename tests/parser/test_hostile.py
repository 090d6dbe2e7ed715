"""Mail that is made to break a parser is truncated but stays useful, within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.mail import Content
from services.parser.content.parse import parse_mail
from services.parser.mime import charsets, limits, parameters
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.encoded_words import decode_words
from tests.cpu_cost import MOST, growth
from tests.parser.bounds import is_bounded
from tests.parser.samples import ACCOUNT, HEAD, RECEIVED, content, mail, mixed, multipart, parsed, part


def nested(depth: int) -> bytes:
    """Return nested multiparts."""
    body, field = b"deep", b"Content-Type: text/plain"
    for level in range(depth):
        body, field = multipart(b"mixed", part(body, field), boundary=b"b%d" % level)
    return mail(body, field)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "9 MB of tiny parts": lambda n: mail(
        b"--x\r\n\r\na\r\n" * 225_000 * n, b"Content-Type: multipart/mixed; boundary=x"
    ),
    "2,000 multiparts inside each other": lambda n: nested(500 * n),
    "a million boundary lines that are not": lambda n: mail(
        b"--xy\r\n" * 250_000 * n, b"Content-Type: multipart/mixed; boundary=x"
    ),
    "200,000 header fields": lambda n: HEAD + b"".join(b"X-%d: y\r\n" % i for i in range(50_000 * n)) + b"\r\nHello",
    "a header field of 20 MB": lambda n: mail(b"Hello", b"X: " + b"y" * 5_000_000 * n),
    "2 million folds": lambda n: mail(b"Hello", b"X: y" + b"\r\n y" * 500_000 * n),
    "40,000 encoded words in an address": lambda n: mail(b"x", b"Cc: " + b"=?utf-8?q?a=C3=A9?= " * 10_000 * n),
    "unfinished encoded words": lambda n: mail(b"x", b"Cc: " + b"=?utf-8?q?a?x?y" * 10_000 * n),
    "100,000 recipients": lambda n: mail(b"x", b"Cc: " + b",".join(b"u%d@x.example" % i for i in range(25_000 * n))),
    "100,000 open comments": lambda n: mail(b"x", b"Cc: " + b"(" * 25_000 * n),
    "200,000 parameters": lambda n: mail(b"x", b"Content-Type: text/plain" + b"; a=b" * 50_000 * n),
    "20,000 name segments": lambda n: mail(
        b"x", b"Content-Disposition: attachment" + b"".join(b"; filename*%d*=a" % i for i in range(5_000 * n))
    ),
    "400,000 open divs": lambda n: mail(b"<div>" * 100_000 * n, b"Content-Type: text/html"),
    "200,000 quotes inside each other": lambda n: mail(b"<blockquote>x" * 50_000 * n, b"Content-Type: text/html"),
    "200,000 tables inside each other": lambda n: mail(b"<table><tr><td>" * 50_000 * n, b"Content-Type: text/html"),
    "3 million angle brackets": lambda n: mail(b"<" * 750_000 * n, b"Content-Type: text/html"),
    "400,000 open pre": lambda n: mail(b"<pre " * 100_000 * n + b"</pre", b"Content-Type: text/html"),
    "5 million empty lines": lambda n: mail(b"\n" * 1_250_000 * n),
    "2 million quoted lines": lambda n: mail(b"> \n" * 500_000 * n),
    "500,000 flowed lines": lambda n: mail(b"a \n" * 125_000 * n, b"Content-Type: text/plain; format=flowed"),
    "5 MB of no charset": lambda n: mail(bytes(range(128, 256)) * 10_000 * n),
    "3 million pluses of UTF-7": lambda n: mail(b"+" * 750_000 * n, b"Content-Type: text/plain; charset=utf-7"),
    "300,000 shifts of ISO-2022-JP": lambda n: mail(b"\x1b$B!!\x1b(B" * 75_000 * n),
    "an endless bounce": lambda n: mail(
        b"could not be delivered " + b"a@" * 50_000 * n,
        head=HEAD.replace(b"joerg@", b"mailer-daemon@").replace(b"Offer", b"failure notice"),
    ),
    "a bounce of 16,000 newlines": lambda n: mail(
        b"could not be delivered" + b"\n" * 4_000 * n + b"x",
        head=HEAD.replace(b"joerg@", b"mailer-daemon@").replace(b"Offer", b"failure notice"),
    ),
    "a bounce of 64 KB of brackets": lambda n: mail(
        b"could not be delivered\n" + b"<\n" * 8_000 * n + b"x",
        head=HEAD.replace(b"joerg@", b"mailer-daemon@").replace(b"Offer", b"failure notice"),
    ),
    "40 KB of quoted-printable spaces": lambda n: mail(
        b"a \n" + b" " * 10_000 * n + b"x", b"Content-Transfer-Encoding: quoted-printable"
    ),
    "32 KB of escaped quotes and a semicolon": lambda n: mail(b"x", b'Cc: "' + b'\\"' * 4_000 * n + b"; a@b.example"),
    "32 KB of spaces in a name": lambda n: mail(b"x", b"Cc: a" + b" " * 8_000 * n + b"= a@b.example"),
    "32 KB of escaped quotes in a parameter": lambda n: mail(
        b"x", b'Content-Type: text/plain (; name="' + b'\\"' * 4_000 * n
    ),
    "a million boundary lines that end with CR": lambda n: mail(
        b"--x y\r" * 50_000 * n + b"\n", b"Content-Type: multipart/mixed; boundary=x"
    ),
    "2,000 characters of a line before a quote": lambda n: mail(b"\n".join([b"1" * 2_000, b"> q"] * 400 * n)),
    "100,000 brackets of references": lambda n: mail(b"x", b"References: " + b"<" * 25_000 * n),
    "100,000 comments in a date": lambda n: mail(b"x", b"Date: " + b"(" * 25_000 * n, head=b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_is_read_in_linear_time(name: str) -> None:
    """However a mail is made, the CPU time of reading it grows no faster than its size, and its content is bounded."""
    mails = {size: HOSTILE[name](size) for size in (1, 4)}
    assert growth(lambda size: content(mails[size])) < MOST
    raw = mails[4]
    found = content(raw)
    assert is_bounded(found)
    if "Date" not in name and b"joerg@client.example" in raw:
        assert found.participants[0].address == "joerg@client.example"


def test_encoded_words_take_linear_time() -> None:
    """Neighbours in one charset are joined once, however many there are."""
    texts = {size: "=?utf-8?q?aaaaaaaa?= " * 10_000 * size for size in (1, 4)}
    assert growth(lambda size: decode_words(texts[size], Diagnostics())) < MOST


@pytest.mark.parametrize("number", ["9" * 5_000, "x" + "f" * 5_000, "0" * 5_000 + "65"])
def test_number_of_thousands_of_digits_is_no_character(number: str) -> None:
    """A character reference that no character can have is shown as the replacement character."""
    html = f"<p>before &#{number}; after</p>".encode()
    found = parse_mail(mail(html, b"Content-Type: text/html"), account=ACCOUNT, internal_date=RECEIVED, careful=True)
    assert found.content.text == "before \ufffd after"


def test_caches_hold_no_long_values() -> None:
    """What a hostile mail says in 100 KB is read, and forgotten."""
    caches: list[Any] = [parameters._parse, charsets.codec_of]
    for cache in caches:
        cache.cache_clear()

    def held(of: bytes) -> list[int]:
        content(mail(b"Hello", b"Cc: " + of + b" <a@b.example>", b'Content-Type: text/plain; charset="' + of + b'"'))
        return [cache.cache_info().currsize for cache in caches]

    before = held(b"x")
    assert held(b"x" * 100_000) == before
    assert held(b"y") == [size + 1 for size in before]


def test_cut_mail_is_marked_and_useful() -> None:
    """The first of too many parts are kept, and the mail is marked as truncated."""
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
    """Return bytes with some pieces replaced."""
    for place, length, new in edits:
        at = int(place * len(raw))
        raw = raw[:at] + new + raw[at + length :]
    return raw


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), EDITS)
def test_damaged_mail_never_raises(seed: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    """Damaged mail is parsed. Its content is bounded, and survives a round trip through JSON."""
    found = parsed(edited(seed, edits)).content
    assert is_bounded(found)
    assert Content.model_validate_json(found.model_dump_json()) == found


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_mail(raw: bytes) -> None:
    """Bytes that are not mail at all are parsed, too."""
    assert is_bounded(parsed(raw).content)
