"""What is done again and again, so that nothing that was lost stays lost. Cheap when there is nothing to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from services.matcher.mailbox_changed import sweep_gone, sweep_unlinked
from services.matcher.relinking import follow_threads, relink
from services.matcher.summaries import SummaryKeeper
from services.store import Store
from services.store.documents import now

OVERDUE = timedelta(minutes=1)
"""After how long the one who owes is taken for dead. Paying a debt twice does no harm."""
_TURN = timedelta(minutes=5)


async def sweep_debts(*, store: Store, summaries: SummaryKeeper, overdue: timedelta = OVERDUE) -> int:
    """Do what a process that died still owed. Returns how many debts were paid."""
    debts = await store.debts.overdue(now() - overdue)
    for debt in debts:
        behind = await follow_threads(debt.message_ids, store)
        await relink([*debt.emails, *behind], store=store, summaries=summaries)
    if debts:
        await store.summaries.recompute({record for debt in debts for record in debt.records})
        await store.debts.paid([debt.id for debt in debts])
    return len(debts)


async def sweep_store(*, store: Store, summaries: SummaryKeeper) -> None:
    """Bring up to date what changes left behind: gone copies, unlinked emails, changed policies, debts, blobs."""
    await sweep_debts(store=store, summaries=summaries)
    await store.sharing.resume()
    await sweep_gone(store=store, summaries=summaries)
    await sweep_unlinked(store=store, summaries=summaries)
    await store.blob_sweep.run()


def in_turn(
    name: str, work: Callable[[], Awaitable[object]], *, store: Store, holder: str
) -> Callable[[], Awaitable[None]]:
    """Return the work as something that one process at a time does, however many replicas want to."""

    async def work_in_turn() -> None:
        if await store.turns.take(name, holder, _TURN):
            try:
                await work()
            finally:
                await store.turns.give_back(name, holder)

    return work_in_turn
