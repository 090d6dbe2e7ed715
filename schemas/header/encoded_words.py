"""Base64, quoted-printable and encoded words (RFC 2047), with what mailers make of them: spaces inside, no end, wrong padding."""

from __future__ import annotations

import binascii
import re

WORD = re.compile(
    r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?"
    r"([^?]{0,16384}+(?:(?<!=)\?(?!=)[^?]{0,200}+){0,8}+)"
    r"(?:\?=|\Z)"
)
"""Charset (a language tag, RFC 2231 section 5, is dropped), encoding, text; a question mark in the text is forgiven.

Possessive repetitions keep it linear on hostile input.
"""
_SOFT_SPACE = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_PADDING = re.compile(rb"=+")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


def decode_base64(data: bytes) -> tuple[bytes, bool]:
    """Return the decoded bytes, and whether the encoding was sound. Wrong padding and foreign characters are forgiven.

    Chunks that were encoded one by one, each with its padding, are joined.
    """
    if b"=" in data.rstrip()[:-2]:
        chunks = list(filter(None, _PADDING.split(b"".join(data.split()))))
        if len(chunks) > 1 and all(len(one) % 4 != 1 and _NOT_BASE64.search(one) is None for one in chunks):
            return b"".join(binascii.a2b_base64(one + b"=" * (-len(one) % 4)) for one in chunks), False
    try:
        return binascii.a2b_base64(data), True
    except binascii.Error:
        sound = _NOT_BASE64.sub(b"", data)
        sound = sound[: len(sound) - (len(sound) % 4 == 1)]
        return binascii.a2b_base64(sound + b"=" * (-len(sound) % 4)), False


def word_bytes(word: re.Match[str]) -> tuple[bytes, bool]:
    """Return the bytes that a match of ``WORD`` stands for, and whether its encoding was sound."""
    data = word[3].encode("utf-8", "replace")
    return decode_base64(data) if word[2] in "bB" else (binascii.a2b_qp(data, header=True), True)


def decode_quoted_printable(data: bytes) -> bytes:
    """Return the decoded bytes; white space at line ends is transport padding (RFC 2045 section 6.7 rule 3)."""
    if b" \r\n" in data or b"\t\r\n" in data or b" \n" in data or b"\t\n" in data:
        data = _SOFT_SPACE.sub(b"", data)
    return binascii.a2b_qp(data)
