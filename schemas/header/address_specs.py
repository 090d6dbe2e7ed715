"""Single addresses (addr-specs, RFC 5322 section 3.4.1) with what does not belong to them taken off."""

from __future__ import annotations

import re
from collections.abc import Iterator

from schemas.addresses import normal_address_or_none

_COMMENT = re.compile(r"\([^()]*+\)")
_ROUTE = re.compile(r"\s*+@[^:<>]*+:")
_SEPARATORS = re.compile(r"[\s,;]+")
_BEHIND = ".'\""
"""What no domain ends with."""
_INVISIBLE = re.compile("[\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_UNFIT = re.compile("[\ud800-\uf8ff]")
"""Bytes that are no UTF-8, and private use characters, which stand for encoded words."""


def addresses_between_brackets(text: str) -> Iterator[str]:
    """Yield the addresses between angle brackets: one, if all is well."""
    if "(" in text:
        text = _COMMENT.sub("", text)
    if (route := _ROUTE.match(text)) is not None:
        text = text[route.end() :]
    for mark in "@.":
        text = mark.join(map(str.strip, text.split(mark)))
    words = _SEPARATORS.split(text.strip())
    if len(words) == 1 or text.count("@") > 1:
        yield from filter(None, (address_or_none(word) for word in words if "@" in word))


def address_or_none(text: str) -> str | None:
    """Return the normal form of what may be an address, with what does not belong to it taken off."""
    if not text.isascii():
        if _UNFIT.search(text):
            return None
        text = _INVISIBLE.sub("", text)
    text = text.strip("<>()[]{},;:")
    if text[:7].lower() == "mailto:":
        text = text[7:].partition("?")[0]
    local, _, domain = text.rpartition("@")
    if local[:1] == '"' and local[-1:] == '"':
        local = local[1:-1]
    elif local[:1] in ("'", '"') and domain[-1:] == local[:1]:
        local = local[1:]
    return normal_address_or_none(f"{local}@{domain.rstrip(_BEHIND)}")
