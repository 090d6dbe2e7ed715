"""Tell what a line of a server is. Pure and tolerant: servers differ in case, spaces and line ends."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TypeVar

_UNTAGGED = re.compile(rb"\*[ \t]*+(?:(\d{1,20}+)[ \t]*+)?([A-Za-z][A-Za-z0-9.-]*+)[ \t]*+(.*)", re.DOTALL)
_TAGGED = re.compile(rb"([A-Za-z0-9.]{1,40}+)[ \t]++(OK|NO|BAD)(?![A-Za-z0-9])[ \t]*+(.*)", re.DOTALL | re.IGNORECASE)
_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}\Z")
_LONGEST_MARK = 24
_CODE = re.compile(rb"\[([A-Za-z0-9-]{1,40}+)(?:[ \t]++([^\]]*+))?\]")
_ESEARCH = re.compile(rb"(?<![A-Za-z])ALL[ \t]++([\d:,]++)", re.IGNORECASE)
STATUSES = frozenset({"OK", "NO", "BAD", "BYE", "PREAUTH"})
"""Responses that carry words for people."""


_IMPLIED = ("NAMESPACE", "ENABLE", "IDLE", "LIST-EXTENDED", "LIST-STATUS", "ESEARCH", "UIDPLUS")
"""What IMAP4rev2 includes (RFC 9051 appendix E), whether or not the server names it."""


T = TypeVar("T", str, bytes)
_SHARED = 64
"""The longest list of capabilities that is kept, and how many are."""


class Line(NamedTuple):
    """A line without its end, and without the spaces around its parts."""

    kind: str
    """In capitals: ``FETCH``, ``OK``; ``+`` for a request to continue; empty for an empty line."""
    data: bytes
    """What follows; of a response with a number, the number comes first, as imaplib has it."""
    tag: bytes = b""
    """In capitals; empty for untagged responses."""


def parse_line(line: bytes) -> Line | None:
    """Return what a line is; None if it is no line of IMAP."""
    line = line.strip(b" \t")
    if not line:
        return Line("", b"")
    if line[:1] == b"+":
        return Line("+", line[1:].lstrip())
    if match := _UNTAGGED.match(line):
        number, kind, data = match.groups()
        return Line(kind.decode("ascii").upper(), b" ".join(part for part in (number, data) if part))
    if match := _TAGGED.match(line):
        return Line(match[2].decode("ascii").upper(), match[3], match[1].upper())
    return None


def literal_size(data: bytes) -> tuple[bytes, int] | None:
    """Return the text of a response that ends with a literal's length, as ``… {n}`` whatever the form, and that length."""
    match = _LITERAL.search(data[-_LONGEST_MARK:]) if data[-1:] == b"}" else None
    if match is None:
        return None
    size = int(match[1])
    return data[: len(data) - len(match[0])] + b"{%d}" % size, size


def response_code(data: bytes) -> tuple[str, bytes] | None:
    """Return a response code in capitals and its argument: ``[UIDNEXT 5] text`` is UIDNEXT and 5."""
    match = _CODE.match(data)
    return (match[1].decode("ascii").upper(), match[2] or b"") if match else None


def esearch_uids(data: bytes) -> bytes:
    """Return the set of an ESEARCH answer (RFC 4731); empty if nothing was found."""
    match = _ESEARCH.search(data)
    return match[1] if match else b""


def with_implied(capabilities: Iterable[str]) -> tuple[str, ...]:
    """Return capabilities, each once, with what a server that has only IMAP4rev2 includes without naming it."""
    found = dict.fromkeys(capabilities)
    if "IMAP4REV2" in found and "IMAP4REV1" not in found:
        found |= dict.fromkeys(_IMPLIED)
    return shared(tuple(found))


def shared(words: tuple[T, ...]) -> tuple[T, ...]:
    """Return an equal tuple. Connections have the same one: thousands of them are offered the same."""
    return _kept(words) if len(words) <= _SHARED else words


@lru_cache(maxsize=_SHARED)
def _kept(words: tuple[T, ...]) -> tuple[T, ...]:
    return words
