"""Encoded words (RFC 2047), with what mailers make of them: split characters, spaces inside, no end, no space between."""

from __future__ import annotations

import binascii
import re

from services.parser.mime import charsets
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.transfer_encoding import decode_base64

WORD = re.compile(
    r"=\?([^?\s*]{1,40})(?:\*[^?\s]{0,40})?\?([bBqQ])\?"
    r"([^?]{0,16384}+(?:(?<!=)\?(?!=)[^?]{0,200}+){0,8}+)"
    r"(?:\?=|\Z)"
)
"""Charset (a language tag, RFC 2231 section 5, is dropped), encoding, text; a question mark in the text is forgiven.

Possessive repetitions keep it linear on hostile input.
"""


def _bytes(encoding: str, text: str, diagnostics: Diagnostics) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "bB":
        data, sound = decode_base64(data)
        if not sound:
            diagnostics.defect("encoded-word")
        return data
    return binascii.a2b_qp(data, header=True)


def decode_words(text: str, diagnostics: Diagnostics) -> str:
    """Return header text with its encoded words decoded.

    White space between two words is dropped (RFC 2047 section 6.2), and the bytes of neighbours in one charset are joined
    before they are decoded, since mailers split within a character.
    """
    out: list[str] = []
    pending: list[bytes] = []
    label, position = "", 0
    for word in WORD.finditer(text):
        gap = text[position : word.start()]
        data = _bytes(word[2], word[3], diagnostics)
        neighbours = bool(label) and not gap.strip()
        if neighbours and word[1].lower() == label.lower():
            pending.append(data)
        else:
            if label:
                out.append(charsets.decode(b"".join(pending), label, diagnostics))
            if not neighbours:
                out.append(gap)
            pending, label = [data], word[1]
        position = word.end()
    if label:
        out.append(charsets.decode(b"".join(pending), label, diagnostics))
    out.append(text[position:])
    return "".join(out)
