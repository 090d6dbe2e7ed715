"""Pauses between attempts."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double, with jitter, so that a restarted broker is not stormed."""

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def reset(self) -> None:
        """Begin again with the shortest pause."""
        self._next = self._first

    def next(self) -> float:
        """Return the next pause in seconds."""
        pause = self._next * random.uniform(0.75, 1.25)  # noqa: S311 - jitter is no secret
        self._next = min(self._next * 2, self._longest)
        return pause
