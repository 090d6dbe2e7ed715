"""What a mail service allows: bytes a day per mailbox, log-ins and commands a minute and connections per server.

All pollers share the counters.

Background work may use the larger part only, so that new mail has its share at the end of the day, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import time

from schemas.accounts import Account
from services.mailbox.imap import CommandObserver, DeadlineSocket
from services.mailbox.providers import Provider
from services.poller.connections.errors import BudgetSpentError
from services.poller.connections.host_slots import AllHostSlots, HostSlots
from services.store import Store

BULK_SHARE = 0.8
"""The share of a budget that background work may use."""
_CHUNKS = 50
"""Chunks that a budget is taken in: few questions to the database, and little is lost with a poller."""
MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's settings. 0 means no limit."""

    mailbox_bytes: int = 0
    """Per mailbox and ``span``. 0 means what the directory of mail services says, which may be no limit."""
    host_logins: int = 0
    """Per minute."""
    host_commands: int = 0
    """Per minute."""
    host_connections: int = 0
    """At a time."""
    span: float = 86_400.0

    def of(self, provider: Provider | None) -> Limits:
        """Return the limits at a service."""
        allowed = provider.mailbox_bytes if provider else 0
        return replace(self, mailbox_bytes=self.mailbox_bytes or allowed)


@dataclass(slots=True)
class Allowance:
    """One budget as this process sees it: a chunk in hand, and the shared counter behind it."""

    store: Store
    name: str
    what: str
    limit: int
    span: float
    clock: Callable[[], float] = time
    left: int = 0
    """Of the chunk; negative if more was used than was known before."""
    bucket: int = 0

    async def require(self, *, bulk: bool, amount: int = 0) -> None:
        """Make sure that something is left, and use ``amount`` of it.

        Raises:
            BudgetSpentError: nothing is left in this span.
        """
        if not self.limit:
            return
        now = self.clock()
        bucket = int(now // self.span)
        if bucket != self.bucket:
            self.bucket, self.left = bucket, 0
        if self.left <= 0:
            end = (bucket + 1) * self.span
            chunk = max(1, self.limit // _CHUNKS) - self.left
            limit = max(1, int(self.limit * BULK_SHARE)) if bulk else self.limit
            until = datetime.fromtimestamp(end + self.span, UTC)
            self.left += await self.store.budgets.take(f"{self.name}.{bucket}", chunk, limit=limit, until=until)
            if self.left <= 0:
                raise BudgetSpentError(self.what, end - now)
        self.left -= amount

    def use(self, amount: int) -> None:
        """Note what was used without asking first, such as the bytes of an answer."""
        if self.limit:
            self.left -= amount


@dataclass(slots=True)
class AccountBudget:
    """The budgets that the work on one account meets."""

    logins: Allowance
    commands: Allowance
    octets: Allowance
    connections: HostSlots

    async def login(self) -> None:
        """Use one log-in. Raises BudgetSpentError."""
        await self.logins.require(bulk=False, amount=1)

    async def command(self, *, bulk: bool) -> None:
        """Use one command, if the mailbox has bytes left. Raises BudgetSpentError."""
        await self.octets.require(bulk=bulk)
        await self.commands.require(bulk=bulk, amount=1)


@dataclass(slots=True)
class ServiceBudgets:
    """The budgets of a process. Those of a server are shared by its accounts."""

    store: Store
    limits: Limits
    lease_seconds: float = 30.0
    """After so long without a word from a poller, its connections count no more."""
    _hosts: dict[tuple[str, str], Allowance] = field(default_factory=dict)
    connections: AllHostSlots = field(init=False)
    _endless: Allowance = field(init=False)
    """Of mailboxes without a limit, which need none of their own."""

    def __post_init__(self) -> None:
        self.connections = AllHostSlots(self.store, self.lease_seconds)
        self._endless = Allowance(self.store, "", "bytes", 0, self.limits.span)

    def of(self, account: Account, provider: Provider | None) -> AccountBudget:
        """Return the budgets of an account."""
        limits = self.limits.of(provider)
        host = account.incoming.host
        octets = self._endless
        if limits.mailbox_bytes:
            octets = Allowance(self.store, f"bytes.{account.id}", "bytes", limits.mailbox_bytes, limits.span)
        return AccountBudget(
            self._of_host(host, "log-ins", limits.host_logins),
            self._of_host(host, "commands", limits.host_commands),
            octets,
            self.connections.of(host, limits.host_connections),
        )

    def _of_host(self, host: str, what: str, limit: int) -> Allowance:
        if (known := self._hosts.get((host, what))) is None:
            known = self._hosts[host, what] = Allowance(self.store, f"{what}.{host}", what, limit, MINUTE)
        return known


class MeteredTraffic:
    """Notes the bytes of a connection, and passes on what its observer wants to know."""

    def __init__(
        self, observer: CommandObserver, stream: DeadlineSocket, octets: Allowance, closed: Callable[[], None]
    ) -> None:
        """``closed`` is called at the end of the connection."""
        self._observer = observer
        self._stream = stream
        self._octets = octets
        self._noted = 0
        self._closed = closed

    def command(self, name: str, seconds: float) -> None:
        """Note a command that ended."""
        before, self._noted = self._noted, self._stream.received
        self._octets.use(self._noted - before)
        self._observer.command(name, seconds)

    def closed(self) -> None:
        """Note the end of the connection."""
        self._observer.closed()
        self._closed()
