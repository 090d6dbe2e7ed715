"""Share the few connections that a mailbox may have among the tasks that need one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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

    def session(self, *, bulk: bool = False) -> LentSession:
        """Lend a connection, for background work (``bulk``) or for new mail, to an ``async with`` block.

        It is dropped at the end of the block, or kept for the next task where it is the only one.
        """
        return LentSession(self, self._free, bulk=bulk)

    async def take(self, *, bulk: bool) -> ImapSession:
        """Return the connection that was kept, or a new one."""
        session, self._kept = self._kept, None
        return await self._new(self.purpose(bulk=bulk)) if session is None or session.closed else session

    def give_back(self, session: ImapSession, *, failed: bool, seconds: float) -> None:
        """Keep a connection that was used for so many seconds, or drop it."""
        if self.single and not failed and not session.closed:
            self._kept = session
        else:
            session.discard()
        if self._kept is not None or seconds > STEADY:
            self._backoff.reset()


class LentSession:
    """A connection for an ``async with`` block. Idle mailboxes wait in it, and a generator would take four times the memory."""

    __slots__ = ("_bulk", "_free", "_session", "_slots", "_started")

    def __init__(self, slots: ConnectionSlots, free: asyncio.Semaphore, *, bulk: bool) -> None:
        self._slots, self._free, self._bulk = slots, free, bulk

    async def __aenter__(self) -> ImapSession:
        await self._free.acquire()
        try:
            self._session = await self._slots.take(bulk=self._bulk)
        except BaseException:
            self._free.release()
            raise
        self._started = monotonic()
        return self._session

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self._slots.give_back(self._session, failed=kind is not None, seconds=monotonic() - self._started)
        finally:
            self._free.release()
