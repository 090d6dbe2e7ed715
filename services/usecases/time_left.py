"""How long backfills will still take, estimated from their progress over the last minute."""

from __future__ import annotations

from collections import deque

WINDOW, MINIMUM = 60.0, 5.0
"""Seconds: how far back the estimate looks, and how much progress it needs at least."""


class TimeLeftEstimator:
    """Estimates the time left from the progress of accounts."""

    def __init__(self) -> None:
        self._progress: dict[str, deque[tuple[float, int]]] = {}
        self._total: dict[str, int] = {}

    def note(self, account: str, done: int, total: int, at: float) -> None:
        """Note the progress of an account; ``at`` is a time of a monotonic clock."""
        progress = self._progress.setdefault(account, deque())
        if progress and done < progress[-1][1]:
            progress.clear()  # A new backfill, or rows that were replanned: the past says nothing about the future.
        progress.append((at, done))
        while at - progress[0][0] > WINDOW:
            progress.popleft()
        self._total[account] = total

    def seconds_left(self, account: str) -> float | None:
        """Return the seconds until every copy has a final state at the present rate; None if unknown or done."""
        progress = self._progress.get(account)
        if not progress:
            return None
        (start, first), (now, last) = progress[0], progress[-1]
        missing = self._total[account] - last
        if now - start < MINIMUM or last == first or missing <= 0:
            return None
        return missing * (now - start) / (last - first)
