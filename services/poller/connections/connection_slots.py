"""Share the few connections that a mailbox may have among the tasks that need one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

from services.mailbox.connection import MailServerError
from services.mailbox.imap import ImapSession, Wakeup
from services.poller.connections.backoff import ConnectionBackoff
from services.store import Purpose

STEADY = 60.0
"""Seconds after which a connection counts as working: pauses start small again."""


class ConnectionSlots:
    """Hands out connections, at most ``limit`` at a time.

    A single connection is kept open and handed on: a server that allows no more counts a closed connection for a while, and
    would refuse the next one.
    """

    def __init__(
        self, connect: Callable[[Purpose], Awaitable[ImapSession]], backoff: ConnectionBackoff, limit: int
    ) -> None:
        self._connect = connect
        self._backoff = backoff
        self._free = asyncio.Semaphore(limit)
        self._connecting = asyncio.Lock()
        self._kept: ImapSession | None = None
        self.single = limit == 1
        """Whether background work and watching take turns on one connection."""
        self.wanted = Wakeup()
        """Set while background work waits for the only connection."""

    def limit_to_one(self) -> None:
        """Use one connection from now on. Call it only while no connection is in use."""
        self._free, self.single = asyncio.Semaphore(1), True

    def close(self) -> None:
        """Drop the connection that is kept for the next task."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.discard()

    def purpose(self, *, bulk: bool) -> Purpose:
        """What a connection counts as that is for background work, or not: the only one is for new mail, too."""
        return "bulk" if bulk and not self.single else "live"

    async def _new(self, purpose: Purpose) -> ImapSession:
        """Connect, one task at a time: of an account that is refused, each attempt counts, and servers lock accounts after some."""
        async with self._connecting:
            await self._backoff.ready()
            try:
                session = await self._connect(purpose)
            except MailServerError as error:
                self._backoff.failed(error)
                raise
            self._backoff.connected()
            return session

    @asynccontextmanager
    async def session(self, *, bulk: bool = False) -> AsyncIterator[ImapSession]:
        """Yield a connection, for background work (``bulk``) or for new mail.

        It is dropped at the end of the block, or kept for the next task where it is the only one.
        """
        async with self._free:
            session, self._kept = self._kept, None
            if session is None or session.closed:
                session = await self._new(self.purpose(bulk=bulk))
            started = monotonic()
            try:
                yield session
                if self.single and not session.closed:
                    self._kept = session
            finally:
                if session is not self._kept:
                    session.discard()
                if self._kept is not None or monotonic() - started > STEADY:
                    self._backoff.reset()
