"""Completes backfills that have no unfinished copy left."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.messages import SyncCompleted
from services.amqp import Bus
from services.store import Store


async def complete(epochs: Iterable[tuple[str, int]], *, store: Store) -> dict[tuple[str, int], SyncCompleted]:
    """Complete the backfills (account, number) that are done. Returns the events of those that this call completed."""
    return {
        (account, number): SyncCompleted.of(account, number)
        for account, number in epochs
        if await store.epochs.complete_if_done(account, number)
    }


async def sweep_epochs(*, store: Store, bus: Bus) -> None:
    """Complete backfills whose last event was lost."""
    for event in (await complete(await store.epochs.sealed(), store=store)).values():
        await bus.publish(event)
