"""The uids of a folder, asked for in windows: an answer over 1 MB fails in the client, and uids may be strewn very thinly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple, Protocol

SPAN = 100_000
"""Uids of one SEARCH at first: an answer of at most 0.7 MB."""
SPARSE = SPAN // 20
"""Fewer answers than this, and the next span is wider."""
WIDER = 8


class Searching(Protocol):
    """Whoever can ask for the uids of the open folder."""

    async def uids(self, first: int, last: int) -> list[int]:
        """Return those in a range (both ends included), ascending."""


class UidWindow(NamedTuple):
    """A stretch of a folder."""

    low: int
    high: int
    """Both ends included."""
    uids: list[int]
    """Those that are on the server, ascending."""


async def uid_windows(session: Searching, last: int, *, first: int = 1) -> AsyncIterator[UidWindow]:
    """Iterate over the open folder from ``last`` down to ``first``, without gap or overlap."""
    high, span = last, SPAN
    while high >= first:
        low = max(first, high - span + 1)
        found = await session.uids(low, high)
        yield UidWindow(low, high, found)
        high = low - 1
        if len(found) < SPARSE:
            span *= WIDER


async def all_uids(session: Searching, last: int, *, first: int = 1) -> set[int]:
    """Return every uid of the open folder from ``first`` up to ``last``."""
    return {uid async for window in uid_windows(session, last, first=first) for uid in window.uids}
