"""What the operator looks at first: the oldest unfinished copy, accounts with their backfills, queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from schemas.accounts import EpochState
from schemas.errors import BusClosedError, NotReadyError
from schemas.ledger import RowState
from services.amqp.rabbitmq.management import alarms
from services.runtime.settings import OverviewSettings
from services.store import AccountStatus, Store
from services.usecases.stages import replicas
from services.wording import span

if TYPE_CHECKING:
    from services.amqp.delivery.bus import Bus

_ANSWER_SECONDS = 3.0

FINAL = {
    RowState.ATTACHED: "on records",
    RowState.UNMATCHED: "about nobody",
    RowState.SKIPPED: "skipped",
    RowState.QUARANTINED: "quarantined",
}
"""RowOutcome states as people read them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    accounts: list[AccountStatus]
    queues: Mapping[str, Any] | None
    """``QueueDepth`` by queue; None when the broker does not answer."""
    dead_letters: int
    pollers: int
    """How many are alive."""
    alarms: Sequence[str] = ()
    """Why the broker takes no messages at present."""

    @property
    def stages(self) -> dict[str, int] | None:
        """How many replicas of each stage there are; None when the broker does not answer."""
        return None if self.queues is None else {"poller": self.pollers, **replicas(self.queues)}

    @property
    def oldest(self) -> datetime | None:
        """When the oldest copy without a final state was noticed."""
        moments = [one.oldest_unfinished for one in self.accounts if one.oldest_unfinished]
        return min(moments) if moments else None


async def look(store: Store, settings: OverviewSettings, bus: Bus | None) -> Seen:
    """Return what there is to see now."""
    return Seen(
        *await asyncio.gather(
            store.status.accounts(),
            _depths(bus),
            store.dead_letters.count(),
            store.checkup.pollers(settings.lease_seconds),
            alarms(settings),
        )
    )


async def _depths(bus: Bus | None) -> Mapping[str, Any] | None:
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return None if bus is None else await bus.queue_depths()
    except (NotReadyError, BusClosedError, TimeoutError, OSError):
        return None


def progress(account: AccountStatus) -> tuple[int, int]:
    """Return how many copies of the account have their final state, of how many; during a backfill of as many as expected."""
    final = sum(account.counts.get(state, 0) for state in FINAL)
    unfinished = sum(
        count for state, count in account.counts.items() if state not in FINAL and state is not RowState.GONE
    )
    expected = account.epoch.expected if account.epoch and account.epoch.state is EpochState.ENUMERATING else 0
    return final, max(expected, final + unfinished)


def goes_on(one: AccountStatus) -> bool:
    """Whether the account's newest backfill is open."""
    return one.epoch is not None and one.epoch.state is not EpochState.COMPLETE


def backfill(one: AccountStatus, left: float | None = None) -> str:
    """Return how far the newest backfill is; ``left``: the seconds that it will still take, where that is known."""
    return _stands(one) + (f", {span(left)} left" if goes_on(one) and left is not None else "")


def _stands(one: AccountStatus) -> str:
    if one.epoch is None:
        return "waiting for a poller" if one.holder is None else "beginning"
    if one.epoch.state is not EpochState.COMPLETE:
        return one.epoch.state.value if one.holder else f"{one.epoch.state.value}, waiting for a poller"
    return "complete, confirmed" if one.epoch.sent_at else "complete"


def left_out(counts: Mapping[tuple[str, RowState, str | None], int]) -> dict[tuple[RowState, str], int]:
    """Return how many messages were skipped or quarantined for each reason, of counts by folder."""
    found: dict[tuple[RowState, str], int] = {}
    for (_, state, reason), count in sorted(counts.items(), key=lambda item: (item[0][1], item[0][2] or "")):
        if state in (RowState.SKIPPED, RowState.QUARANTINED):
            found[state, reason or "-"] = found.get((state, reason or "-"), 0) + count
    return found


class Broker:
    """The connection to a broker that may be down now, or later: it is of most use to look then."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Bus]]) -> None:
        self._connect = connect
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._bus: Bus | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def bus(self) -> Bus | None:
        """Return the connection; None while there is none."""
        async with self._opening:
            if self._bus is None:
                try:
                    self._bus = await self._stack.enter_async_context(self._connect())
                except NotReadyError:
                    return None
            return self._bus
