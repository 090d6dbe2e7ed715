"""The last answer to a costly question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Asks anew so rarely that it takes a share of the time at most, however many people look: counting a large ledger takes long."""

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
        """Return an answer; who comes while one is on its way waits for that."""
        async with self._asking:
            began = self._clock()
            if self._answer is None or began >= self._good_until:
                self._answer = await self._ask()
                ended = self._clock()
                self._good_until = ended + (ended - began) * (1 / self._share - 1)
            return self._answer
