"""What S/MIME signs as a whole (RFC 5652 section 5): the content, which anyone can read. The signature is not checked.

Reads BER as far as it is needed, without recursion: tags and lengths that contradict the data end the reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

SMIME = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_DATA = bytes.fromhex("2a864886f70d010701")
_ENVELOPED = frozenset(map(bytes.fromhex, ("2a864886f70d010703", "2a864886f70d0109100117")))
_SEQUENCE, _SET, _OID, _OCTETS, _OCTETS_IN_PARTS, _CONTENT = 0x30, 0x31, 0x06, 0x04, 0x24, 0xA0
_LONG, _INDEFINITE = 0x80, 0x80
_LONGEST_LENGTH = 4
_MOST_PARTS = 100_000


class _Element(NamedTuple):
    tag: int
    start: int
    end: int
    """Of its content; for an indefinite length the end of what contains it."""
    indefinite: bool


def _element(data: bytes, at: int, end: int) -> _Element | None:
    if at + 2 > end or data[at] & 0x1F == 0x1F:  # noqa: PLR2004 - a tag of several bytes
        return None
    length, start = data[at + 1], at + 2
    if length == _INDEFINITE:
        return _Element(data[at], start, end, indefinite=True)
    if length & _LONG:
        size = length & 0x7F
        if size > _LONGEST_LENGTH or start + size > end:
            return None
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    return _Element(data[at], start, start + length, indefinite=False) if start + length <= end else None


def _inside(data: bytes, element: _Element) -> Iterator[_Element]:
    """Yield the elements in one, up to the first of indefinite length, behind which nothing is known."""
    at = element.start
    while (found := _element(data, at, element.end)) is not None and data[at : at + 2] != b"\0\0":
        yield found
        if found.indefinite:
            return
        at = found.end


def _child(data: bytes, parent: _Element | None, *tags: int, oid: bytes = b"") -> _Element | None:
    """Return the first element in another with one of some tags; with ``oid`` only behind this object identifier."""
    seen = not oid
    for found in _inside(data, parent) if parent is not None else ():
        if found.tag == _OID and oid:
            seen = seen or data[found.start : found.end] == oid
        elif found.tag in tags and seen:
            return found
    return None


def is_encrypted(data: bytes) -> bool:
    """Whether data is enveloped, with or without authentication (RFC 5652 section 6, RFC 5083)."""
    oid = _child(data, _element(data, 0, len(data)), _OID)
    return oid is not None and data[oid.start : oid.end] in _ENVELOPED


def signed_content(data: bytes) -> bytes | None:
    """Return what is signed, or None when it is no signed data, holds no content, or is broken."""
    outer = _element(data, 0, len(data))
    signed = _child(data, _child(data, outer, _CONTENT, oid=_SIGNED_DATA), _SEQUENCE)
    held = _child(data, signed, _SEQUENCE)
    content = _child(data, _child(data, held, _CONTENT, oid=_DATA), _OCTETS, _OCTETS_IN_PARTS)
    if content is None:
        return None
    if content.tag == _OCTETS:
        return data[content.start : content.end]
    parts = [data[one.start : one.end] for _, one in zip(range(_MOST_PARTS), _inside(data, content), strict=False)]
    return b"".join(parts) or None
