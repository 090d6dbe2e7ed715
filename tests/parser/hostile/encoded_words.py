"""Encoded words (RFC 2047) that are cut, nested, endless, or say what must not be said in a header."""

from __future__ import annotations

from typing import Any

from services.parser.mime import limits
from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import mail, with_field

_SUBJECTS: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "line break": (b"=?utf-8?q?a=0D=0ABcc:_x@y.example?=", "a Bcc: x@y.example", {}),
    "bare line feed": (b"=?utf-8?b?YQpi?=", "a b", {}),
    "nul": (b"=?utf-8?q?a=00b?=", "a b", {}),
    "line separator": (b"=?utf-8?q?a=E2=80=A8b?=", "a b", {}),
    "nested": (b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=", "=?utf-8?q?x?=", {}),
    "no end": (b"=?utf-8?q?abc", "abc", {}),
    "no encoding": (b"=?utf-8??abc?=", "=?utf-8??abc?=", {}),
    "unknown encoding": (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?=", {}),
    "no charset": (b"=??q?abc?=", "=??q?abc?=", {}),
    "unknown charset": (b"=?klingon?q?abc?=", "abc", {}),
    "a codec that is no charset": (b"=?rot13?q?abc?=", "abc", {}),
    "base64 as charset": (b"=?base64?q?abc?=", "abc", {}),
    "unicode_escape": (b"=?unicode_escape?q?=5Cx41?=", "\\x41", {}),
    "idna": (b"=?idna?q?xn--bcher-kva?=", "xn--bcher-kva", {}),
    "charset of 5 KB": (b"=?" + b"a" * 5_000 + b"?q?abc?=", "=?" + "a" * (limits.SUBJECT - 2), {"truncated": True}),
    "language": (b"=?utf-8*en?q?abc?=", "abc", {}),
    "wrong padding": (b"=?utf-8?b?YWJj=?=", "abc", {}),
    "no padding": (b"=?utf-8?b?YWI?=", "ab", {"defects": ["encoded-word"]}),
    "garbage in base64": (b"=?utf-8?b?YW!!Jj?=", "abc", {}),
    "question mark inside": (b"=?utf-8?q?a?b?=", "a?b", {}),
    "spaces inside": (b"=?utf-8?q?a b c?=", "a b c", {}),
    "a letter cut in two": (b"=?utf-8?q?F=C3?= =?utf-8?q?=BCr?=", "Für", {}),
    "two charsets": (b"=?utf-8?q?F=C3=BC?= =?iso-8859-1?q?r_K=F6ln?=", "Für Köln", {}),
    "no space between": (b"=?utf-8?q?a?==?utf-8?q?b?=", "ab", {}),
    "overlong utf-8": (b"=?utf-8?q?a=C0=AFb?=", "a유b", {"defects": ["charset:utf-8"]}),
    "surrogates": (b"=?utf-8?q?a=ED=A0=80b?=", "aí €b", {"defects": ["charset:utf-8"]}),
    "utf-7": (b"=?utf-7?q?+ADw-script+AD4-?=", "<script>", {}),
    "utf-7 that is cut": (b"=?utf-7?q?+ADw?=", "<", {}),
    "utf-16": (b"=?utf-16?b?/v8AYQBi?=", "ab", {}),
    "utf-16 with a lone surrogate": (b"=?utf-16be?b?2AAAYQ==?=", "\ufffda", {"defects": ["charset:utf-16be"]}),
    "iso-2022-jp without end": (b"=?iso-2022-jp?b?GyRCJUYlOSVI?=", "テスト", {}),
    "hz": (b"=?hz-gb-2312?q?=7E{VPND=7E}?=", "中文", {}),
    "right-to-left override": (b"=?utf-8?q?invoice=E2=80=AEfdp.exe?=", "invoice\u202efdp.exe", {}),
    "controls": (b"=?utf-8?q?=1B[31mred?=", "[31mred", {}),
    "10,000 words": (b"=?utf-8?q?a?= " * 10_000, "a" * limits.SUBJECT, {"truncated": True}),
    "10,000 words in turn": (
        b"=?utf-8?q?a?= =?iso-8859-1?q?b?= " * 5_000,
        "ab" * (limits.SUBJECT // 2),
        {"truncated": True},
    ),
    "100 KB of base64": (
        b"=?utf-8?b?" + b"YWFh" * 25_000 + b"?=",
        ("=?utf-8?b?" + "YWFh" * 250)[: limits.SUBJECT],
        {"truncated": True},
    ),
    "100 KB of beginnings": (b"=?" * 50_000, "=?" * (limits.SUBJECT // 2), {"truncated": True}),
    "100 KB of question marks": (
        b"=?utf-8?q" + b"?" * 100_000,
        ("=?utf-8?q" + "?" * 1_000)[: limits.SUBJECT],
        {"truncated": True},
    ),
    "100 KB of equals signs": (
        b"=?utf-8?q?" + b"=" * 100_000 + b"?=",
        ("=?utf-8?q?" + "=" * 1_000)[: limits.SUBJECT],
        {"truncated": True},
    ),
}

_WORD_IN_FIELDS = {
    "content-type": b"Content-Type: =?utf-8?q?text/html?=",
    "content-transfer-encoding": b"Content-Transfer-Encoding: =?utf-8?q?base64?=",
    "mime-version": b"MIME-Version: =?utf-8?q?1.0?=",
    "list-id": b"List-Id: =?utf-8?q?x?=",
}

SAMPLES: dict[str, Sample] = {
    f"subject: {name}": sample(with_field(b"Subject", value), subject=subject, **more)
    for name, (value, subject, more) in _SUBJECTS.items()
} | {
    f"field: {name}": sample(
        mail(b"Hello\r\n", value), defects=["encoding:utf-8qbase64"] if name.startswith("content-transfer") else []
    )
    for name, value in _WORD_IN_FIELDS.items()
}
