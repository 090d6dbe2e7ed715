"""How many accounts ask the database at the same time what there is to do, which is what the start of thousands of them begins with."""

from __future__ import annotations

import asyncio

AT_ONCE = 25
"""Accounts: half of the connections to the database that a process has. All others, and what is urgent, have the rest."""


class Starts:
    """Lets accounts ask in the order in which they come."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._waiting = 0
        self._none_waits = asyncio.Event()
        self._none_waits.set()

    async def __aenter__(self) -> None:
        self._waiting += 1
        self._none_waits.clear()
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._none_waits.set()

    async def __aexit__(self, *_: object) -> None:
        self._places.release()

    async def over(self) -> None:
        """Wait until every account that was started has had its turn: no more are taken before."""
        await asyncio.sleep(0)  # for tasks that were made just now
        await self._none_waits.wait()
