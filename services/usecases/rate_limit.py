"""How long backfills will still take, from what ``leadmail status --watch`` saw of them before."""

from __future__ import annotations

from collections import deque

SPAN, LEAST = 60.0, 5.0
"""Seconds that are looked back at most; fewer than the least say nothing."""


class Pace:
    """The progress of accounts over the last minute."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}
        self._total: dict[str, int] = {}

    def note(self, account: str, done: int, total: int, at: float) -> None:
        """Note how far an account is at a moment of a monotonic clock."""
        seen = self._seen.setdefault(account, deque())
        if seen and done < seen[-1][1]:
            seen.clear()  # a new backfill, or rows that went back: what was says nothing of what comes
        seen.append((at, done))
        while at - seen[0][0] > SPAN:
            seen.popleft()
        self._total[account] = total

    def left(self, account: str) -> float | None:
        """Return the seconds until everything has its final state at the present pace; None while it is not known, or done."""
        seen = self._seen.get(account)
        if not seen:
            return None
        (began, first), (now, last) = seen[0], seen[-1]
        missing = self._total[account] - last
        if now - began < LEAST or last == first or missing <= 0:
            return None
        return missing * (now - began) / (last - first)
