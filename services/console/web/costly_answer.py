"""Caches the result of an expensive query."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class CostlyAnswer(Generic[T]):
    """Repeats a query so rarely that it runs at most a ``share`` of the time, however many users look at the result."""

    def __init__(
        self, ask: Callable[[], Awaitable[T]], *, share: float = 0.1, clock: Callable[[], float] = monotonic
    ) -> None:
        self._ask = ask
        self._share = share
        self._clock = clock
        self._asking = asyncio.Lock()
        self._answer: T | None = None
        self._good_until = 0.0

    async def get(self) -> T:
        """Return the latest result; callers that arrive while the query runs wait for it."""
        async with self._asking:
            started = self._clock()
            if self._answer is None or started >= self._good_until:
                self._answer = await self._ask()
                ended = self._clock()
                self._good_until = ended + (ended - started) * (1 / self._share - 1)
            return self._answer
