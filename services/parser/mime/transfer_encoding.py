"""Content-Transfer-Encoding (RFC 2045 section 6), as mail really has it."""

from __future__ import annotations

import binascii
import re
import string

from schemas.header import decode_base64, decode_quoted_printable
from services.parser.mime.diagnostics import Diagnostics

_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", re.MULTILINE)
_WORDS = re.compile(rb"(?:^[^\S\r\n]*(?:[\w.,:;!?'-]{1,40}[ \t]{1,2}){4}[^\n]{0,200}\n?){2}", re.MULTILINE)
"""Lines of words: text that is labelled base64, and is not."""
_OF_BASE64 = string.ascii_letters.encode() + string.digits.encode() + b"+/=" + string.whitespace.encode()
_FOREIGN_LINE = re.compile(rb"^[A-Za-z0-9+/= \t]*+[^A-Za-z0-9+/=\s][^\n]*", re.MULTILINE)
_WHOLE_LINE = re.compile(rb"^[A-Za-z0-9+/]{60,}+=*+\s*+$", re.MULTILINE)
_FOOTER = 4_000
"""Bytes behind base64 that may be words, such as a mailing list's footer."""
_FOREIGN = 2
"""Characters of a line of words that base64 has not; one may be a damage."""

IDENTITY = frozenset({"", "7bit", "8bit", "binary", "7-bit", "8-bit", "8bits", "7bits"})
"""With the spellings that are found in mail."""
_BASE64 = frozenset({"base64", "base-64", "x-base64"})
_QUOTED_PRINTABLE = frozenset({"quoted-printable", "quotedprintable", "quoted_printable", "quoted-printible"})
_UUENCODE = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})


def decode_uuencoded(data: bytes) -> tuple[bytes, bool]:
    """Return the decoded bytes of the first uuencoded file, and whether the encoding was sound."""
    begin = _UU_BEGIN.search(data)
    if begin is None:
        return data, False
    chunks: list[bytes] = []
    for line in data[begin.end() :].splitlines():
        if line in (b"end", b"`", b""):
            break
        try:
            chunks.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders append characters or pad short: what the length byte promises is there all the same.
            count = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                chunks.append(binascii.a2b_uu(line[:count]))
            except binascii.Error:
                return b"".join(chunks), False
    return b"".join(chunks), True


def _without_footer(data: bytes) -> bytes:
    """Return base64 without the words that stand behind it: their letters would be decoded, too."""
    if not data[-_FOOTER:].translate(None, _OF_BASE64):
        return data
    for line in _FOREIGN_LINE.finditer(data, max(0, len(data) - _FOOTER)):
        words = line[0].translate(None, _OF_BASE64)
        if len(words) >= _FOREIGN and data[: line.start()].strip() and _WHOLE_LINE.search(data, line.end()) is None:
            return data[: line.start()]
    return data


def decode(data: bytes, encoding: str, diagnostics: Diagnostics) -> bytes:
    """Return the content of a leaf part; ``encoding`` is the header's first word in lower case."""
    if encoding in IDENTITY:
        return data
    sound = True
    if encoding in _BASE64:
        encoded = _without_footer(data)
        decoded, sound = decode_base64(encoded)
        sound = sound and encoded is data
        data = data if not sound and _WORDS.search(encoded) is not None else decoded
    elif encoding in _QUOTED_PRINTABLE:
        data = decode_quoted_printable(data)
    elif encoding in _UUENCODE:
        data, sound = decode_uuencoded(data)
    else:
        diagnostics.defect("encoding", encoding)
    if not sound:
        diagnostics.defect("encoding", encoding)
    return data
