"""How many connections to one mail server may be open at once. All pollers share the number; see ``HostConnections``.

New mail comes first. Background work gives way to it, and where its connections alone use up the number, an account does both on
one connection. Where there are more accounts than connections, they take turns.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from services.mailbox.connection import Code, MailServerError
from services.poller.connections.errors import BudgetSpentError
from services.store import HostUse, Open, Purpose, Store

TURN = 60.0
"""Seconds that an account keeps its connection while others wait for one."""
WAIT = 5.0
"""Seconds until a connection is asked for again."""


@dataclass(slots=True)
class HostSlots:
    """The connections of this process to one server."""

    store: Store
    host: str
    limit: int
    """0 means any number."""
    poller: str
    seconds: float
    changed: asyncio.Event
    """Is set when a connection was closed."""
    open: dict[Purpose, int] = field(default_factory=lambda: {"live": 0, "bulk": 0})
    waiting: bool = False
    """Whether new mail of some account waits for a connection."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self, purpose: Purpose) -> Callable[[], None]:
        """Count a connection that is going to be opened. Returns what to call, once, when it is closed.

        Raises:
            BudgetSpentError: there is none at the moment.
            MailServerError: there is none for background work, because new mail alone takes all of them.
        """
        if not self.limit:
            return _nothing
        async with self._lock:
            use = self._note(
                await self.store.host_connections.take(
                    self.host, self.poller, self._mine(), purpose, limit=self.limit, seconds=self.seconds
                )
            )
            if use.granted:
                self.open[purpose] += 1
        if use.granted:
            return lambda: self._closed(purpose)
        if purpose == "bulk" and use.live >= self.limit:
            raise MailServerError(Code.TOO_MANY_CONNECTIONS, "new mail takes all connections that the server gets")
        raise BudgetSpentError("connections", WAIT)

    def check(self, purpose: Purpose, age: float) -> None:
        """Let a connection that was opened ``age`` seconds ago go on.

        Raises:
            BudgetSpentError: it has to be closed, for new mail that waits.
        """
        if self.waiting and (purpose == "bulk" or age > TURN):
            raise BudgetSpentError("connections", WAIT)

    async def renew(self) -> None:
        """Tell the other pollers how many are open."""
        async with self._lock:
            mine = self._mine()
            self._note(await self.store.host_connections.renew(self.host, self.poller, mine, seconds=self.seconds))

    def _closed(self, purpose: Purpose) -> None:
        self.open[purpose] -= 1
        self.changed.set()

    def _mine(self) -> Open:
        return Open(self.open["live"], self.open["bulk"])

    def _note(self, use: HostUse) -> HostUse:
        self.waiting = use.waiting
        return use


class AllHostSlots:
    """The connections of this process, by server."""

    def __init__(self, store: Store, seconds: float) -> None:
        """``seconds``: after so long without a renewal, those of this process no longer count."""
        self._store = store
        self._seconds = seconds
        self._poller = uuid.uuid4().hex
        self._hosts: dict[str, HostSlots] = {}
        self.changed = asyncio.Event()
        """Is set when ``renew`` should be called before its time."""
        self._unlimited = self._new("", 0)

    def of(self, host: str, limit: int) -> HostSlots:
        """Return those of a server."""
        if not limit:
            return self._unlimited
        if (slots := self._hosts.get(host)) is None:
            slots = self._hosts[host] = self._new(host, limit)
        return slots

    def _new(self, host: str, limit: int) -> HostSlots:
        return HostSlots(self._store, host, limit, self._poller, self._seconds, self.changed)

    async def renew(self) -> None:
        """Tell the other pollers how many are open."""
        for slots in list(self._hosts.values()):
            await slots.renew()


def _nothing() -> None:
    """Where nothing is counted."""
