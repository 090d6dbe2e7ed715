"""Pauses between attempts, the same for everything that retries."""

from __future__ import annotations

import random


def jittered(seconds: float, spread: float = 0.25) -> float:
    """Return a random duration around ``seconds``, so that replicas do not act in step.

    ``spread`` is the largest deviation as a share of the mean: 1 for anything between 0 and twice the mean.
    """
    return seconds * random.uniform(1 - spread, 1 + spread)  # noqa: S311 - jitter is no secret


class Backoff:
    """Pauses that double up to a limit, with jitter, so that a restarted server is not overrun."""

    def __init__(self, first: float = 0.1, longest: float = 5.0) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def reset(self) -> None:
        """Start again with the shortest pause."""
        self._next = self._first

    def next(self) -> float:
        """Return the next pause in seconds."""
        pause = min(jittered(self._next), self._longest)
        self._next = min(self._next * 2, self._longest)
        return pause
