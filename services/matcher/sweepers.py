"""Repeats what makes up for lost work. Cheap when there is nothing to do.

One setting, ``LEADMAIL_SWEEP_SECONDS``, decides how long the work of a process that has died waits: each sweep runs that
often, a dead process keeps its lease no longer than that, and its pending work is overdue after twice that time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

import structlog

from services.matcher.dead_letters import sweep_dead_letters
from services.matcher.linking.relinking import affected_by_threads, relink, relink_colleagues
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.mailbox_changed import sweep_gone, sweep_unlinked
from services.runtime.periodic import periodic
from services.runtime.tasks import cancel_and_wait
from services.store import Store, now

Sweep = Callable[[], Awaitable[object]]


async def sweep_pending_work(*, store: Store, summaries: SummaryKeeper, overdue: timedelta) -> int:
    """Do the pending work of processes that have died. Returns how many items were done; one that fails does not stop the rest.

    An item of the age ``overdue`` belongs to a dead process. Doing an item twice does no harm.
    """
    done, failures = 0, list[Exception]()
    for item in await store.pending_work.overdue(now() - overdue):
        try:
            await store.matcher_ledger.replan_relevant(item.rows)
            related = await affected_by_threads(item.message_ids, store)
            await relink([*item.emails, *related], store=store, summaries=summaries)
            await relink_colleagues(item.addresses, store=store, summaries=summaries)
            for account, folder in item.folders:
                async for emails in store.ledger.emails_in(account, folder):
                    await relink(emails, store=store, summaries=summaries)
            await store.summaries.recompute(item.records)
            await store.pending_work.done([item.id])
            done += 1
        except Exception as error:  # noqa: BLE001 - raised after the other items are done
            failures.append(error)
    if failures:
        raise failures[0]
    return done


def sweeps(*, store: Store, summaries: SummaryKeeper, overdue: timedelta) -> Mapping[str, Sweep]:
    """Return the sweeps by name. None waits for another: each has its own lease."""
    return {
        "debts": partial(sweep_pending_work, store=store, summaries=summaries, overdue=overdue),
        "policies": store.sharing.resume,
        "gone-copies": partial(sweep_gone, store=store, summaries=summaries),
        "unlinked-emails": partial(sweep_unlinked, store=store, summaries=summaries),
        "dead-letters": partial(sweep_dead_letters, store=store),
        "deleted-emails": store.deleted_emails.expire,
        "blobs": store.blob_sweep.run,
    }


def under_lease(
    name: str,
    sweep: Sweep,
    *,
    store: Store,
    holder: str,
    span: timedelta,
    log: structlog.typing.FilteringBoundLogger,
) -> Sweep:
    """Return the sweep as one that a single process runs at a time, regardless of the number of replicas.

    The lease is renewed while the sweep runs, however long that takes. A process that has died loses it after ``span``.
    """
    take = partial(store.singleton_lease.take, name, holder, span)
    seconds = span.total_seconds() / 3

    async def sweep_under_lease() -> None:
        if await take():
            renewing = asyncio.create_task(periodic(f"lease {name}", take, seconds=seconds, log=log, at_once=False))
            try:
                await sweep()
            finally:
                await cancel_and_wait(renewing)
                await store.singleton_lease.release(name, holder)

    return sweep_under_lease
