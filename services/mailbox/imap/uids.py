"""Read the uids of a folder in windows: an answer over 1 MB fails in the client, and uids may be very sparse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

from schemas.ledger import Folder

HIGHEST_UID = 4_294_967_295
"""The highest uid that there can be. A range ends with it: ``*`` is the highest uid in use, and may lie below the range's start."""
SPAN = 100_000
"""Uids of the first SEARCH: an answer of at most 0.7 MB."""
WIDER = 8


def same_uids(folder: Folder, uidvalidity: int, uidnext: int) -> bool:
    """Return whether the uids that are known of a folder hold: it has the same uidvalidity, or never had mail.

    Courier gives a folder that never had mail a new uidvalidity whenever it is looked at.
    """
    return uidvalidity == folder.uidvalidity or uidnext == folder.live_next == 1


MANY = 100_000
"""Messages that one answer may name; and uids of one question about flags in a folder that has more."""
MOST_SPANS = 5
"""While more messages than this many times the usual width are left, no window is wider."""
PARTS = 32
"""Questions at most."""


def split_range(uids: str, top: int) -> list[str]:
    """Return a range of uids in parts; any other set as it is. ``top`` is the folder's next uid: few are above it."""
    first, _, last = uids.partition(":")
    if not (first.isdigit() and last.isdigit()):
        return [uids]
    width = max(MANY, (top - int(first)) // PARTS + 1)
    starts = [*range(int(first), min(top, int(last)) + 1, width)] or [int(first)]
    ends = [start - 1 for start in starts[1:]] + [int(last)]
    return [f"{start}:{end}" for start, end in zip(starts, ends, strict=True)]


class UidSource(Protocol):
    """Returns uids of the open folder: a session."""

    exists: int | None
    """How many messages it has, as far as it was said."""

    async def uids(self, first: int, last: int) -> list[int]:
        """Return the uids in a range (both ends included), ascending."""

    async def uid_of(self, number: int) -> int | None:
        """Return the uid of a message by its number, from 1 on; None if the server does not say."""


class UidSpan:
    """How many uids the next question covers: more where there are few, and never so many that the answer could be too long."""

    def __init__(self, usual: int, exists: int | None) -> None:
        """``usual`` is where it starts. ``exists`` is how many messages the folder has; None if that is unknown."""
        self.width = usual
        self._usual = usual
        self._left = exists or 0
        self._narrowed = False
        """Whether the next window would be wider if fewer messages were left."""
        self._sought = False
        """Whether the width is what the server's numbers say."""
        self._bound()

    def found(self, count: int) -> None:
        """Note how many uids an answer had. With less than a twentieth of the usual width, the next window is wider."""
        self._left -= count
        if self._sought:
            self.width, self._sought = self._usual, False
        elif count < self._usual // 20:
            self.width *= WIDER
        elif count > self._usual:
            self.width = max(self._usual, self.width // WIDER)
        self._bound()

    async def seek(self, source: UidSource, high: int) -> None:
        """Reach over a gap in the uids at once: ask for the uid of a message further down, where a window should be wider.

        The window below ``high`` then ends there. It has about as many messages as usual, and is asked for as a whole: a wrong
        number leaves out nothing.
        """
        if not self._narrowed:
            return
        number = max(1, self._left - self._usual + 1)
        uid = await source.uid_of(number)
        if uid is not None and uid > high:
            self._left = number - 1  # the others are above: this is a part of the folder, or mail has gone
            self._bound()
        elif uid is not None:
            self.width, self._narrowed, self._sought = high - uid + 1, False, True

    def _bound(self) -> None:
        most = MOST_SPANS * self._usual
        self._narrowed = self._left > most and self.width > most
        if self._narrowed:
            self.width = most


class UidWindow(NamedTuple):
    """A range of uids."""

    low: int
    high: int
    """Both ends included."""
    uids: list[int]
    """Those on the server, ascending."""


async def uid_windows(source: UidSource, last: int, *, first: int = 1) -> AsyncIterator[UidWindow]:
    """Yield the open folder from ``last`` down to ``first`` in windows, without gap or overlap."""
    high, span = last, UidSpan(SPAN, source.exists)
    while high >= first:
        await span.seek(source, high)
        low = max(first, high - span.width + 1)
        found = await source.uids(low, high)
        yield UidWindow(low, high, found)
        high = low - 1
        span.found(len(found))


async def all_uids(source: UidSource, last: int, *, first: int = 1) -> set[int]:
    """Return every uid of the open folder from ``first`` up to ``last``."""
    return {uid async for window in uid_windows(source, last, first=first) for uid in window.uids}
