"""Uids and other numbers in answers. What is out of its range makes the answer unusable: MongoDB's integers have 64 bits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from schemas.errors import LeadmailError
from services.mailbox.imap.answers.tokens import Item, responses

UidRanges: TypeAlias = list[tuple[int, int]]
"""Both ends included."""
MAX_UID = 2**32 - 1
"""Of uids, uidvalidity, numbers of messages (RFC 3501 section 9, nz-number)."""
MAX_NUMBER = 2**63 - 1
"""Of sizes and modification sequences (RFC 7162 section 7)."""
MAX_UIDS = 1_000_000
"""Uids in one answer."""
MAX_RANGES = 20_000
"""Ranges of expunged uids in one answer. More become one that covers all of them: each uid is asked for before it counts as gone."""
_DIGITS = 20
_SET = re.compile(rb"(?<![^\s,)])(\d++)(?::(\d++))?(?![^\s,])")
_OTHER = re.compile(rb"[^\d:,\s]")


class AnswerError(LeadmailError):
    """An answer that cannot be used: too large, or with numbers that cannot be."""

    def __init__(self, code: str, detail: str) -> None:
        """``code`` is a stable word; ``detail`` says why in our words."""
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def asked_ranges(uids: str) -> UidRanges | None:
    """Return a sequence-set as ranges; None if it has a ``*``."""
    if "*" in uids:
        return None
    parts = [part.partition(":") for part in uids.split(",")]
    return [(int(first), int(last or first)) for first, _, last in parts]


def bounded(value: bytes, most: int, what: str, *, least: int = 0) -> int:
    """Return a number of an answer.

    Raises:
        AnswerError: it is none, or out of its range.
    """
    number = int(value) if value.isdigit() and len(value) <= _DIGITS else -1
    if not least <= number <= most:
        kind = "uid" if what in ("uid", "uidnext") else "number"
        raise AnswerError(f"{kind}-out-of-range", f"the server sent a {what} that cannot be")
    return number


def uid(value: bytes) -> int:
    """Return a uid (1 to 2^32-1). Raises AnswerError."""
    return bounded(value, MAX_UID, "uid", least=1)


def number(items: Iterable[Item], most: int = MAX_NUMBER, what: str = "number") -> int | None:
    """Return the last value of a response code, or None if there is none (HIGHESTMODSEQ may be NIL).

    Raises:
        AnswerError: it is no number, or out of its range.
    """
    values = [item.strip() for item in items if isinstance(item, bytes)]
    return None if not values or values[-1].upper() in (b"", b"NIL") else bounded(values[-1], most, what)


def searched(items: Iterable[Item], asked: UidRanges | None = None) -> list[int]:
    """Return the uids of SEARCH and ESEARCH answers, ascending, each once; a MODSEQ at the end is left out.

    Args:
        items: the answers.
        asked: the uids that were asked for: others are left out.

    Raises:
        AnswerError: uids that cannot be, or too many.
    """
    low, high = (min(first for first, _ in asked), max(last for _, last in asked)) if asked else (1, MAX_UID)
    found: list[int] = []
    ascending = True
    for line, _ in responses(items):
        uids = line.partition(b"(")[0]
        if _OTHER.search(uids):
            raise AnswerError("unreadable-answer", "the server answered a search with other than uids")
        for match in _SET.finditer(uids):
            first = uid(match[1])
            last = uid(match[2]) if match[2] else first
            first, last = max(min(first, last), low), min(max(first, last), high)
            if first > last:
                continue
            if last - first >= MAX_UIDS - len(found):
                raise AnswerError("too-much-data", f"the server sent more than {MAX_UIDS} uids")
            ascending = ascending and (not found or found[-1] < first)
            found.extend(range(first, last + 1))
    return found if ascending else sorted(set(found))


def uid_ranges(items: Iterable[Item]) -> UidRanges:
    """Return the uids of VANISHED answers (RFC 7162 section 3.2.10) as ranges: one may span four billion.

    Raises:
        AnswerError: uids that cannot be.
    """
    found: UidRanges = []
    for line, _ in responses(items):
        for match in _SET.finditer(line):
            ends = (uid(match[1]), uid(match[2] or match[1]))
            found.append((min(ends), max(ends)))
            if len(found) > MAX_RANGES:
                found = [(min(first for first, _ in found), max(last for _, last in found))]
    return found


def uid_set(uids: Iterable[int]) -> str:
    """Return a sequence-set (RFC 3501 section 9) in which consecutive uids are ranges."""
    spans: list[list[int]] = []
    for uid in sorted(uids):
        if spans and uid == spans[-1][1] + 1:
            spans[-1][1] = uid
        else:
            spans.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in spans)
