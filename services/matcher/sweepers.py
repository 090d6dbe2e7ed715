"""What is done again and again, so that nothing that was lost stays lost. Cheap when there is nothing to do.

One setting, ``LEADMAIL_SWEEP_SECONDS``, decides how long the work of a process that died waits: a duty comes round that often,
whoever died while it was its turn keeps the turn no longer than that, and what it owed is overdue after twice that time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

import structlog

from services.matcher.dead_letters import sweep_letters
from services.matcher.linking.relinking import follow_colleagues, follow_threads, relink
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.mailbox_changed import sweep_gone, sweep_unlinked
from services.runtime.periodic import periodic
from services.runtime.tasks import cancel_and_wait
from services.store import Store, now

Duty = Callable[[], Awaitable[object]]


async def sweep_debts(*, store: Store, summaries: SummaryKeeper, overdue: timedelta) -> int:
    """Do what a process that died still owed. Returns how many debts were paid; one that cannot be does not hold up the others.

    Args:
        store: where they are.
        summaries: told of the records whose links change by it.
        overdue: after how long the one who owes is taken for dead. Paying a debt twice does no harm.
    """
    paid, failures = 0, list[Exception]()
    for debt in await store.pending_work.overdue(now() - overdue):
        try:
            behind = await follow_threads(debt.message_ids, store)
            await relink([*debt.emails, *behind], store=store, summaries=summaries)
            await follow_colleagues(debt.addresses, store=store, summaries=summaries)
            await store.summaries.recompute(debt.records)
            await store.pending_work.done([debt.id])
            paid += 1
        except Exception as error:  # noqa: BLE001 - raised when the others are paid
            failures.append(error)
    if failures:
        raise failures[0]
    return paid


def duties(*, store: Store, summaries: SummaryKeeper, overdue: timedelta) -> Mapping[str, Duty]:
    """Return what brings up to date what changes left behind, by name. None waits for another: each has a turn of its own."""
    return {
        "debts": partial(sweep_debts, store=store, summaries=summaries, overdue=overdue),
        "policies": store.sharing.resume,
        "gone-copies": partial(sweep_gone, store=store, summaries=summaries),
        "unlinked-emails": partial(sweep_unlinked, store=store, summaries=summaries),
        "dead-letters": partial(sweep_letters, store=store),
        "blobs": store.blob_sweep.run,
    }


def in_turn(
    name: str,
    work: Duty,
    *,
    store: Store,
    holder: str,
    span: timedelta,
    log: structlog.typing.FilteringBoundLogger,
) -> Duty:
    """Return the work as something that one process at a time does, however many replicas want to.

    The turn is prolonged while the work goes on, however long that takes: one that died loses it after ``span``.
    """
    take = partial(store.singleton_lease.take, name, holder, span)
    seconds = span.total_seconds() / 3

    async def work_in_turn() -> None:
        if await take():
            prolonging = asyncio.create_task(periodic(f"turn {name}", take, seconds=seconds, log=log, at_once=False))
            try:
                await work()
            finally:
                await cancel_and_wait(prolonging)
                await store.singleton_lease.give_back(name, holder)

    return work_in_turn
