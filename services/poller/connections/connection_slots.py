"""The few connections that a mailbox may have, and whose turn it is on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

from services.poller.connections.connections import ConnectionBackoff
from services.poller.connections.session import ImapSession

STEADY = 60.0
"""Seconds after which a connection counts as one that works: the pauses begin small again."""


class ConnectionSlots:
    """Hands out connections, at most ``limit`` at a time.

    A single one is handed on as it is: a server that bears no more counts a connection for a while after it was closed, and
    would turn the next one away.
    """

    def __init__(self, connect: Callable[[], Awaitable[ImapSession]], trouble: ConnectionBackoff, limit: int) -> None:
        self._connect = connect
        self._trouble = trouble
        self._free = asyncio.Semaphore(limit)
        self._kept: ImapSession | None = None
        self.single = limit == 1
        """Bulk work and watching take turns on one connection."""
        self.wanted = asyncio.Event()
        """Bulk work waits for the one connection that there may be."""

    def only_one(self) -> None:
        """Make do with one connection from now on. Nobody may have one at this moment."""
        self._free, self.single = asyncio.Semaphore(1), True

    def close(self) -> None:
        """Drop the connection that nobody has at the moment."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.discard()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[ImapSession]:
        """Have a connection for the time of the block: dropped at its end, or handed on where it is the only one."""
        async with self._free:
            session, self._kept = self._kept, None
            if session is None or session.closed:
                session = await self._connect()
                self._trouble.connected()
            started = monotonic()
            try:
                yield session
                if self.single and not session.closed:
                    self._kept = session
            finally:
                if session is not self._kept:
                    session.discard()
                if self._kept is not None or monotonic() - started > STEADY:
                    self._trouble.over()
