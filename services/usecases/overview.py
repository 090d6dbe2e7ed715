"""What an operator looks at first: the oldest unfinished copy, the accounts and their backfills, the queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from schemas.accounts import AccountState
from schemas.errors import BusClosedError, NotReadyError
from schemas.ledger import EpochState, RowState
from services.runtime.settings import OverviewSettings
from services.store import TroubleGroup
from services.usecases.stages import replicas
from services.wording import span

if TYPE_CHECKING:
    from services.amqp import Bus, QueueReader
    from services.store import AccountStatus, Store

_ANSWER_SECONDS = 3.0

NO_QUEUES = "RabbitMQ has no queues of Leadmail yet. Run leadmail setup, or start a stage."
FINAL_LABELS = {
    RowState.ATTACHED: "on records",
    RowState.UNMATCHED: "on no record",
    RowState.SKIPPED: "skipped",
    RowState.QUARANTINED: "quarantined",
}
"""Labels of final states."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the system at one moment."""

    accounts: list[AccountStatus]
    queues: Mapping[str, Any] | None
    """``QueueDepth`` by queue; None if the broker does not answer."""
    dead_letters: int
    pollers: int
    """The number of live pollers."""
    alarms: Sequence[str] = ()
    """Why the broker accepts no messages at the moment."""
    missing_secrets: Sequence[str] = ()
    """Ids of secrets that are needed and that this process does not have, if it has any."""
    has_broker: bool = True
    """Whether this process knows the broker's URL."""
    oldest_queued: datetime | None = None
    """When the oldest mail that is in a queue was noticed, for callers that asked for it (``read_overview_and_queues``)."""

    @property
    def stages(self) -> dict[str, int]:
        """The number of replicas of each stage; of pollers only if the broker does not answer."""
        return {"poller": self.pollers, **({} if self.queues is None else replicas(self.queues))}

    @property
    def stopped(self) -> str:
        """Which stages nobody runs, in words; empty if all run. Then "nothing is unfinished" means nothing."""
        stopped = [stage for stage, count in self.stages.items() if not count]
        return f"no {' and no '.join(stopped)} is running: mail waits" if stopped else ""

    @property
    def oldest(self) -> datetime | None:
        """When the oldest copy without a final state was noticed, of active accounts: those of others wait for their owners."""
        active = (one for one in self.accounts if one.account.state is AccountState.ACTIVE)
        moments = [one.oldest_unfinished for one in active if one.oldest_unfinished]
        return min(moments) if moments else None

    @property
    def troubles(self) -> list[TroubleGroup]:
        """What hinders active accounts, by code."""
        by_code: dict[str, list[datetime]] = {}
        for one in self.accounts:
            if one.account.state is AccountState.ACTIVE and one.account.trouble:
                by_code.setdefault(one.account.trouble.code, []).append(one.account.trouble.since)
        return [TroubleGroup(code, len(since), min(since)) for code, since in sorted(by_code.items())]


async def read_overview(store: Store, settings: OverviewSettings, bus: Bus | QueueReader | None) -> Overview:
    """Return the present state of the system."""
    accounts, queues, dead_letters, pollers, alarms, missing_secrets = await asyncio.gather(
        store.status.accounts(),
        _depths(bus),
        store.dead_letters.count(),
        store.checkup.pollers(settings.lease_seconds),
        _alarms(settings),
        _missing_secrets(store),
    )
    has_broker = bool(settings.rabbitmq_url.get_secret_value())
    return Overview(accounts, queues, dead_letters, pollers, alarms, missing_secrets, has_broker)


async def read_overview_and_queues(store: Store, settings: OverviewSettings, bus: Bus | None) -> Overview:
    """Return the present state of the system with the age of what is in the queues."""
    overview, oldest = await asyncio.gather(read_overview(store, settings, bus), oldest_queued(store))
    return replace(overview, oldest_queued=oldest)


async def oldest_queued(store: Store) -> datetime | None:
    """Return when the oldest mail that is in a queue was noticed. RabbitMQ does not say how old messages of a quorum queue are."""
    waiting = await store.backlog.waiting()
    return min((group.oldest for (_, state), group in waiting.items() if state is RowState.PUBLISHED), default=None)


async def _alarms(settings: OverviewSettings) -> Sequence[str]:
    if not settings.rabbitmq_management_url.get_secret_value():
        return ()
    from services.amqp import broker_alarms  # noqa: PLC0415 - its libraries are slow to load, and not every command has this URL

    return await broker_alarms(settings)


async def _missing_secrets(store: Store) -> Sequence[str]:
    return await store.mark_keys.lacking() if store.mark_keys.keys else ()


async def _depths(bus: Bus | QueueReader | None) -> Mapping[str, Any] | None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return None if bus is None else await bus.queue_depths()
    except (NotReadyError, BusClosedError, TimeoutError, OSError):
        return None


def progress(account: AccountStatus) -> tuple[int, int]:
    """Return how many copies of the account have a final state, and the total; during a backfill, the expected total."""
    final = sum(account.counts.get(state, 0) for state in FINAL_LABELS)
    unfinished = sum(
        count for state, count in account.counts.items() if state not in FINAL_LABELS and state is not RowState.GONE
    )
    expected = account.epoch.expected if account.epoch and account.epoch.state is EpochState.ENUMERATING else 0
    return final, max(expected, final + unfinished)


def is_backfilling(one: AccountStatus) -> bool:
    """Whether the account's newest backfill is open."""
    return one.epoch is not None and one.epoch.state is not EpochState.COMPLETE


def backfill_progress(one: AccountStatus, left: float | None = None) -> str:
    """Return the progress of the newest backfill in words; ``left`` is the number of seconds that it will still take, if known."""
    return _backfill_state(one) + (f", {span(left)} left" if is_backfilling(one) and left is not None else "")


def _backfill_state(one: AccountStatus) -> str:
    if one.epoch is None:
        return "waiting for a poller" if one.holder is None else "starting"
    if one.epoch.state is not EpochState.COMPLETE:
        return one.epoch.state.value if one.holder else f"{one.epoch.state.value}, waiting for a poller"
    return "complete, confirmed" if one.epoch.sent_at else "complete"


class OptionalBus:
    """A connection to a broker that may be down: the overview is most useful then."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Bus]] | None) -> None:
        self._connect = connect
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._bus: Bus | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def bus(self) -> Bus | None:
        """Return the connection, or None while the broker is down or if there is none to connect to."""
        async with self._opening:
            if self._bus is None and self._connect is not None:
                try:
                    self._bus = await self._stack.enter_async_context(self._connect())
                except NotReadyError:
                    return None
            return self._bus
