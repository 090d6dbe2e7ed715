"""Folders in answers to LIST, STATUS and NAMESPACE."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, NamedTuple

from services.mailbox.imap.answers.numbers import MAX_NUMBER, MAX_UID, AnswerError, bounded
from services.mailbox.imap.answers.tokens import ESCAPED, Item, responses, text, tokens

MAX_FOLDERS = 20_000
"""Folders of one mailbox."""
MAX_NAME = 4_096
"""Bytes of a folder's raw name. Longer ones are left out."""
_MAX_ATTRIBUTES = 2_048
"""Bytes of a folder's attributes that are looked at."""
_MAX_ITEMS = 32
"""Items of one STATUS answer that are looked at."""
_FOREIGN: tuple[Literal["other-users", "shared"] | None, ...] = (None, "other-users", "shared")
"""The order of a NAMESPACE answer."""
_STATUS_ITEM = re.compile(rb"(?<![A-Za-z])([A-Za-z]++)[ \t]++([^\s()]++)")
_LIST = re.compile(
    rb'[ \t]*+\(([^()]*+)\)[ \t]*+(NIL(?![^\s"])|"(?:[^"\\]|\\.)*+"|[^\s"()](?=[ \t]))[ \t]*+(.*)',
    re.DOTALL | re.IGNORECASE,
)
INBOX = b"INBOX"
UNREADABLE_LINE = "unreadable-line"
"""Marks, among the attributes, what is no folder but a line of the answer that cannot be read, and may have been one."""
_SHOWN = 200
"""Bytes of such a line that are kept."""


class Namespace(NamedTuple):
    """A part of the tree of folders."""

    prefix: bytes
    delimiter: bytes
    foreign: Literal["other-users", "shared"] | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One folder of a LIST answer."""

    raw_name: bytes
    delimiter: str | None
    attributes: frozenset[str]
    """Lower case, with the backslash."""
    foreign: Literal["other-users", "shared"] | None = None
    """Whose it is, if not the user's own (NAMESPACE, RFC 2342)."""


@lru_cache(maxsize=256)
def _attributes(words: bytes) -> frozenset[str]:
    return frozenset(text(word).lower() for word in words[:_MAX_ATTRIBUTES].split())


def listed(items: Iterable[Item]) -> list[Listed]:
    """Return the folders of a LIST answer. Each entry is parsed alone: a malformed one affects no other, and is returned as such.

    INBOX is one folder however it is written (RFC 3501 section 5.1), and has its name in capitals.

    Raises:
        AnswerError: more folders than any mailbox has.
    """
    found: dict[bytes, Listed] = {}
    for line, literals in responses(items):
        match = _LIST.match(line)
        name = tokens(match[3], literals) if match else []
        raw = name[0] if name else None
        if match and isinstance(raw, bytes):
            # An unquoted name may contain what our tokens split at: then the rest of the line is the name.
            raw = canonical(raw if literals or match[3][:1] == b'"' else match[3].rstrip())
        if not match or not isinstance(raw, bytes) or len(raw) > MAX_NAME:
            raw = b"LIST " + line.strip()[:_SHOWN]
            found[raw] = Listed(raw, None, frozenset({UNREADABLE_LINE}))
            continue
        delimiter = None if match[2].upper() == b"NIL" else text(ESCAPED.sub(rb"\1", match[2].strip(b'"'))) or None
        entry = Listed(raw, delimiter, _attributes(match[1]))
        if (before := found.get(raw)) is not None:  # INBOX twice, or LIST-EXTENDED's own repetitions
            entry = replace(before, attributes=before.attributes | entry.attributes)
        found[raw] = entry
        if len(found) > MAX_FOLDERS:
            raise AnswerError("too-much-data", f"the server lists more than {MAX_FOLDERS} folders")
    return list(found.values())


def canonical(raw_name: bytes) -> bytes:
    """Return a folder's raw name as it is used: INBOX in capitals, and any other as it came."""
    return INBOX if raw_name.upper() == INBOX else raw_name


def namespaces(items: Iterable[Item]) -> list[Namespace]:
    """Return the personal, other users' and shared namespaces of a NAMESPACE answer (RFC 2342 section 5)."""
    found: list[Namespace] = []
    for line, literals in responses(items):
        for foreign, several in zip(_FOREIGN, tokens(line, literals), strict=False):
            for one in several if isinstance(several, list) else ():  # NIL: the server has none of the kind
                match one:
                    case [bytes() as prefix, bytes() as delimiter, *_]:
                        found.append(Namespace(prefix, b"" if delimiter.upper() == b"NIL" else delimiter, foreign))
    return found


def in_namespaces(entries: Iterable[Listed], spaces: Iterable[Namespace]) -> list[Listed]:
    """Return folders with whose they are: the longest prefix decides, and INBOX is the user's own (RFC 3501 section 5.1)."""
    longest_first = sorted(spaces, key=lambda space: -len(space.prefix))  # stable: personal before others
    return [_placed(entry, longest_first) for entry in entries]


def _placed(entry: Listed, spaces: Iterable[Namespace]) -> Listed:
    if entry.raw_name.upper() == INBOX:
        return entry
    for space in spaces:
        if entry.raw_name.startswith(space.prefix) or entry.raw_name + space.delimiter == space.prefix:
            return replace(entry, foreign=space.foreign)
    return entry


def statuses(items: Iterable[Item]) -> dict[bytes, dict[str, int]]:
    """Return STATUS answers by raw folder name, items in lower case.

    Raises:
        AnswerError: a number that cannot be, or too many folders.
    """
    found: dict[bytes, dict[str, int]] = {}
    for line, literals in responses(items):
        head, _, values = line.rpartition(b"(")
        name = tokens(head, literals)
        raw = (
            name[0] if name and isinstance(name[0], bytes) and (literals or head.lstrip()[:1] == b'"') else head.strip()
        )
        found[canonical(raw)] = _numbers(values)
        if len(found) > MAX_FOLDERS:
            raise AnswerError("too-much-data", f"the server reports more than {MAX_FOLDERS} folders")
    return found


def _numbers(values: bytes) -> dict[str, int]:
    found: dict[str, int] = {}
    for match, _ in zip(_STATUS_ITEM.finditer(values), range(_MAX_ITEMS), strict=False):
        item, value = match[1].decode("ascii").lower(), match[2]
        if value.upper() != b"NIL":
            found[item] = bounded(value, MAX_NUMBER if item == "highestmodseq" else MAX_UID, item)
    return found
