"""How many accounts do background work at the same time, without those whose server is silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.mailbox.imap import ImapSession

SILENT = 2.0
"""Seconds that one command may take before its account no longer counts."""


class BackgroundSlots:
    """Bounds the memory of background work; an account that waits for its server keeps no other from working."""

    def __init__(self, count: int, *, silent: float = SILENT) -> None:
        self._free = asyncio.Semaphore(count)
        self._silent = silent

    @asynccontextmanager
    async def hold(self, session: ImapSession) -> AsyncIterator[None]:
        """Hold a slot for the block, or until a command on ``session`` takes too long."""
        await self._free.acquire()
        watching = asyncio.create_task(self._give_back_when_silent(session))
        try:
            yield
        finally:
            if watching.done():
                watching.result()
            else:
                watching.cancel()
                self._free.release()

    async def _give_back_when_silent(self, session: ImapSession) -> None:
        while session.waited < self._silent:  # noqa: ASYNC110 - there is no event for what does not happen
            await asyncio.sleep(self._silent / 5)
        self._free.release()
