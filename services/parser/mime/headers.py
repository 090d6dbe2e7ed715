"""Header blocks (RFC 5322 section 2.2), and what to do with lines that are none."""

from __future__ import annotations

import re
from codecs import BOM_UTF8

from schemas.header import unfolded
from services.parser.mime import charsets, limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.encoded_words import decode_words

_FIELD = re.compile(rb"([!-9;-~]{1,128}+)[ \t]*+:[ \t]*+([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?")
_ALMOST = re.compile(rb"[A-Za-z][A-Za-z0-9 _-]{0,60}:[ \t]|[Xx]-[^:\n]{1,120}:[^\n]*+(?:\n[ \t][^\n]*+)*+\n?")
"""A field whose name has spaces in it; or of which the name has other characters, with the lines that it is folded over."""
_KNOWN = re.compile(
    rb"(?:from|to|cc|subject|date|message-id|reply-to|mime-version|content-(?:type|transfer-encoding)|received|return-path)[ \t]*+:",
    re.IGNORECASE,
)
_LINE = re.compile(rb"[^\n]*\n?")
_STRAY_LINES = 5
"""Lines in a row that are no fields, and do not end the header if one of the usual fields follows."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Fields = dict[str, list[bytes]]
"""Raw values by lower-case name, in order; still folded."""


def parse_headers(raw: bytes, start: int, end: int, diagnostics: Diagnostics) -> tuple[Fields, int]:
    """Return the header fields of the part in ``raw[start:end]`` and where its body begins.

    A line that is no field is skipped if a field follows it, and up to five of them if one of the usual fields follows. Otherwise
    the body begins there: some mail has no blank line.
    """
    fields: Fields = {}
    start += len(BOM_UTF8) if raw.startswith(BOM_UTF8, start) else 0
    position, count = start, 0
    limit = min(end, start + limits.HEADER_BYTES)
    while position < end:
        found = _FIELD.match(raw, position, limit)
        if found is not None:
            count += 1
            if count <= limits.HEADERS:
                name, value = found.groups()
                fields.setdefault(name.decode("ascii").lower(), []).append(value)
            position = found.end()
            continue
        line = _LINE.match(raw, position, end)
        assert line is not None
        text = line.group()
        if not text.strip(b"\r\n") and not position >= limit < end:
            position = line.end()
            break
        if line.end() >= limit < end:
            diagnostics.cut()
            position = _blank_line(raw, position, end)
            break
        mbox = position == start and text.startswith((b"From ", b">From "))
        if not mbox:
            diagnostics.defect("header-line")
            almost = _ALMOST.match(raw, position, limit)
            if (
                almost is None
                and _FIELD.match(raw, line.end(), limit) is None
                and not _known_field_follows(raw, line.end(), limit)
            ):
                break
            position = max(line.end(), almost.end() if almost else 0)
            continue
        position = line.end()
    if count > limits.HEADERS:
        diagnostics.cut()
    return fields, position


def _known_field_follows(raw: bytes, position: int, limit: int) -> bool:
    """Whether one of the usual fields is among the next lines, before a blank one."""
    for _ in range(_STRAY_LINES - 1):
        if _KNOWN.match(raw, position, limit) is not None:
            return True
        line = _LINE.match(raw, position, limit)
        if line is None or not line.group().strip(b"\r\n"):
            return False
        position = line.end()
    return False


def _blank_line(raw: bytes, position: int, end: int) -> int:
    """Return where the body begins after headers that are too long to be read."""
    ends = [at + len(mark) for mark in (b"\n\r\n", b"\n\n") if (at := raw.find(mark, position - 1, end)) >= 0]
    return min(ends, default=end)


def first(fields: Fields, name: str) -> bytes | None:
    """Return the first raw value of a field, unfolded and of bounded length, or None."""
    values = fields.get(name)
    return unfolded(values[0]) if values else None


def one_line(text: str, length: int) -> str:
    """Return decoded text without control characters and line breaks, white space collapsed, at most ``length`` characters."""
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    return " ".join(text.split())[:length].rstrip()


def decoded(value: bytes, diagnostics: Diagnostics, hint: str | None = None) -> str:
    """Return the text of an unstructured field: UTF-8 (RFC 6532), other 8-bit, and encoded words (RFC 2047)."""
    text = value.decode("ascii") if value.isascii() else raw_text(value, diagnostics, hint)
    return decode_words(text, diagnostics) if "=?" in text else text


def raw_text(value: bytes, diagnostics: Diagnostics, hint: str | None = None) -> str:
    """Return the characters of a raw value; bytes that are no UTF-8 are read in the charset ``hint``, or by evidence."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return charsets.decode(value, hint, diagnostics)
