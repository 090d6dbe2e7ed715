"""Encoded words (RFC 2047), with what mailers make of them: split characters, spaces inside, no end, no space between."""

from __future__ import annotations

from schemas.header import WORD, word_bytes
from services.parser.mime import charsets
from services.parser.mime.diagnostics import Diagnostics


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
        data, sound = word_bytes(word)
        if not sound:
            diagnostics.defect("encoded-word")
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
