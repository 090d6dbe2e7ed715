"""Transfer encodings and charsets that are not what they say, and files in a text."""

from __future__ import annotations

import base64
from typing import Any

from services.parser.mime import limits
from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import mail

_WORDS = "Grüße aus Köln, der Preis für größere Mengen ist höher."
_SOUND = base64.b64encode(b"Hello\r\n")


def _encoded(encoding: bytes, body: bytes) -> bytes:
    return mail(body, b"Content-Transfer-Encoding: " + encoding)


_ENCODINGS: dict[str, tuple[bytes, bytes, dict[str, Any]]] = {
    "base64 in one line of 100 KB": (
        b"base64",
        base64.b64encode(b"Hello " * 12_500),
        {"text": ("Hello " * 12_500).strip()},
    ),
    "base64 of one character a line": (b"base64", b"\r\n".join(bytes([each]) for each in _SOUND), {}),
    "base64 without padding": (b"base64", _SOUND.rstrip(b"="), {"defects": ["encoding:base64"]}),
    "base64 with too much padding": (b"base64", _SOUND + b"====", {}),
    "base64 in padded chunks": (b"base64", b"SGU=\r\nbGxv\r\n", {"defects": ["encoding:base64"]}),
    "base64 with garbage": (b"base64", b"!SG!Vs!bG!8=", {}),
    "base64 with text behind": (b"base64", _SOUND + b"\r\n-- \r\nsent by a list\r\n", {"defects": ["encoding:base64"]}),
    "base64 with nul": (b"base64", b"SGVs\0bG8=", {}),
    "base64 of one character": (b"base64", b"S", {"text": "", "defects": ["encoding:base64"]}),
    "base64 of nothing": (b"base64", b"", {"text": ""}),
    "base64 only padding": (b"base64", b"=" * 1_000, {"text": ""}),
    "base64 of the url alphabet": (b"base64", b"SGVsbG8_-w==", {"text": "Hello0"}),
    "base64 that is text": (b"base64", b"Hello", {"text": "ée", "defects": ["charset:undeclared", "encoding:base64"]}),
    "base64 of base64": (b"base64", base64.b64encode(_SOUND), {"text": "SGVsbG8NCg=="}),
    "capitals": (b"BASE64", _SOUND, {}),
    "quotes": (b'"base64"', _SOUND, {}),
    "a parameter": (b"base64; x=y", _SOUND, {}),
    "misspelt": (b"bas64", b"Hello", {"defects": ["encoding:bas64"]}),
    "two encodings": (b"base64, quoted-printable", b"Hello", {"defects": ["encoding:base64quoted-printable"]}),
    "html": (b"<script>", b"Hello", {"defects": ["encoding:script"]}),
    "10 KB of name": (b"x" * 10_000, b"Hello", {"defects": ["encoding:" + "x" * 40]}),
    "quoted-printable that is cut": (b"quoted-printable", b"Hello=", {}),
    "quoted-printable with half a code": (b"quoted-printable", b"Hello=4", {"text": "Hello=4"}),
    "quoted-printable with wrong codes": (b"quoted-printable", b"=ZZ=GG", {"text": "=ZZ=GG"}),
    "quoted-printable in small letters": (b"quoted-printable", b"=48=65=6c=6c=6f", {}),
    "quoted-printable with soft breaks only": (b"quoted-printable", b"=\r\n" * 10_000 + b"Hello", {}),
    "quoted-printable with spaces at the ends": (b"quoted-printable", b"Hello   \r\n", {}),
    "quoted-printable with nul": (b"quoted-printable", b"He=00llo", {}),
    "quoted-printable line break": (b"quoted-printable", b"Hello=0D=0A.=0D=0AQUIT", {"text": "Hello\n.\nQUIT"}),
    "quoted-printable of 100 KB of equals signs": (b"quoted-printable", b"=" * 100_000, {"text": "=" * 50_000}),
    "uuencode without end": (b"x-uuencode", b"begin 644 a\r\n%2&5L;&\\\r\n", {}),
    "uuencode without a beginning": (b"x-uuencode", b"Hello", {"defects": ["encoding:x-uuencode"]}),
    "uuencode with lengths that lie": (b"x-uuencode", b"begin 644 a\r\nM2&5L;&\\\r\nend\r\n", {}),
    "yenc": (b"x-yencode", b"Hello", {"defects": ["encoding:x-yencode"]}),
    "binary with nul": (b"binary", b"He\0llo", {}),
    "7 bit with 8 bits": (b"7bit", _WORDS.encode(), {"text": _WORDS, "defects": ["charset:undeclared"]}),
}

_CHARSETS: dict[str, tuple[str, bytes, dict[str, Any]]] = {
    "utf-8 that is latin-1": ("utf-8", _WORDS.encode("latin-1"), {"defects": ["charset:utf-8"]}),
    "latin-1 that is utf-8": ("iso-8859-1", _WORDS.encode(), {"defects": ["charset:iso-8859-1"]}),
    "ascii that is utf-8": ("us-ascii", _WORDS.encode(), {"defects": ["charset:us-ascii"]}),
    "ascii that is latin-1": ("us-ascii", _WORDS.encode("latin-1"), {"defects": ["charset:us-ascii"]}),
    "ascii that is latin-1 behind a long line": (
        "us-ascii",
        b"a " * 3_000 + _WORDS.encode("latin-1"),
        {"text": "a " * 3_000 + _WORDS, "defects": ["charset:us-ascii"]},
    ),
    "ascii that is latin-1 behind 70 KB": (
        "us-ascii",
        b"a line of it\n" * 5_500 + _WORDS.encode("latin-1"),
        {"text": "a line of it\n" * 5_500 + _WORDS, "defects": ["charset:us-ascii"]},
    ),
    "utf-16 that is ascii": ("utf-16", b"Hello there", {"text": "效汬\u206f桴牥\ufffd", "defects": ["charset:utf-16"]}),
    "utf-16 without a mark": ("utf-16", _WORDS.encode("utf-16-le"), {}),
    "utf-16 of odd length": (
        "utf-16le",
        _WORDS.encode("utf-16-le")[:-1],
        {"text": _WORDS[:-1] + "\ufffd", "defects": ["charset:utf-16le"]},
    ),
    "utf-32": ("utf-32", _WORDS.encode("utf-32"), {}),
    "utf-7": ("utf-7", "Grüße".encode("utf-7"), {"text": "Grüße"}),
    "utf-7 with script": ("utf-7", b"+ADw-script+AD4-", {"text": "<script>"}),
    "utf-7 with a surrogate": ("utf-7", b"+2AA-x", {"text": "\ufffdx"}),
    "gb2312 that is gbk": ("gb2312", "中文測試".encode("gbk"), {"text": "中文測試"}),
    "unknown": ("x-klingon", _WORDS.encode(), {"defects": ["charset:x-klingon"]}),
    "a codec of bytes": ("zlib_codec", _WORDS.encode(), {"defects": ["charset:zlib_codec"]}),
    "rot13": ("rot13", b"Uryyb", {"text": "Uryyb"}),
    "idna": ("idna", b"xn--bcher-kva", {"text": "xn--bcher-kva"}),
    "unicode_escape": ("unicode_escape", b"\\u0041", {"text": "\\u0041"}),
    "one bad byte": (
        "utf-8",
        _WORDS.encode().replace(b",", b"\xff"),
        {"text": _WORDS.replace(",", "ÿ"), "defects": ["charset:utf-8"]},
    ),
    "cut within a letter": ("utf-8", "Grüße ü".encode()[:-1], {"text": "Grüße \ufffd", "defects": ["charset:utf-8"]}),
    "nul between": ("utf-8", b"H\0e\0l\0l\0o\0", {"text": "Hello", "defects": ["charset:utf-8"]}),
    "byte order mark": ("iso-8859-1", b"\xef\xbb\xbf" + _WORDS.encode(), {}),
    "two byte order marks": ("utf-8", b"\xef\xbb\xbf\xef\xbb\xbfHello", {"text": "\ufeffHello"}),
    "overlong": ("utf-8", b"Hello \xc0\xaf\xc0\xaf", {"text": "Hello 유유", "defects": ["charset:utf-8"]}),
    "iso-2022-jp that never shifts back": ("iso-2022-jp", "テスト".encode("iso-2022-jp")[:-3], {"text": "テスト"}),
    "all of ascii": ("utf-8", bytes(range(0x20, 0x7F)), {"text": "".join(map(chr, range(0x20, 0x7F))).strip()}),
    "1 MB": ("utf-8", b"a" * 1_000_000, {"text": "a" * limits.TEXT_BYTES, "truncated": True}),
}


def _in_the_text() -> dict[str, Sample]:
    uu = b"begin 644 a.txt\r\n%2&5L;&\\\r\n`\r\nend\r\n"
    shapes: dict[str, tuple[bytes, dict[str, Any]]] = {
        "uuencode": (b"Hello\r\n" + uu, {"attachments": [("a.txt", 5)]}),
        "uuencode of a path": (b"Hello\r\n" + uu.replace(b"a.txt", b"../../a.txt"), {"attachments": [("a.txt", 5)]}),
        "uuencode that never ends": (
            b"Hello\r\nbegin 644 a.txt\r\n%2&5L;&\\\r\n",
            {"text": "Hello\nbegin 644 a.txt\n%2&5L;&\\"},
        ),
        "uuencode of prose": (b"Hello\r\nbegin 644 times again\r\n", {"text": "Hello\nbegin 644 times again"}),
        "10,000 beginnings": (b"Hello\r\n" + b"begin 644 a\r\n" * 10_000, {"text": "Hello" + "\nbegin 644 a" * 10_000}),
        "yenc that never ends": (
            b"Hello\r\n=ybegin line=128 size=5 name=a.bin\r\nabc\r\n",
            {"text": "Hello\n=ybegin line=128 size=5 name=a.bin\nabc"},
        ),
        "yenc": (
            b"Hello\r\n=ybegin line=128 size=3 name=a.bin\r\nabc\r\n=yend size=3\r\n",
            {"attachments": [("a.bin", 3)]},
        ),
        "yenc of a size that lies": (
            b"Hello\r\n=ybegin line=128 size=999999999 name=a.bin\r\nabc\r\n=yend size=1\r\n",
            {"attachments": [("a.bin", 3)]},
        ),
    }
    return {f"text with {name}": sample(mail(body), **more) for name, (body, more) in shapes.items()}


SAMPLES: dict[str, Sample] = (
    {
        f"encoding: {name}": sample(_encoded(encoding, body), **more)
        for name, (encoding, body, more) in _ENCODINGS.items()
    }
    | {
        f"charset: {name}": sample(
            mail(body, b"Content-Type: text/plain; charset=" + label.encode()), **{"text": _WORDS} | more
        )
        for name, (label, body, more) in _CHARSETS.items()
    }
    | _in_the_text()
)
