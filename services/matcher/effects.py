"""Storing what was decided about a batch, in an order in which a crash at any point is healed by the redelivery."""

from __future__ import annotations

import asyncio

from services.matcher.decisions import Decisions
from services.matcher.relinking import follow_threads, relink
from services.matcher.summaries import SummaryKeeper
from services.store import Store


async def apply(decided: Decisions, *, store: Store, summaries: SummaryKeeper) -> frozenset[str]:
    """Store emails, links, what follows for their threads, and last the rows' final states.

    Every step is an upsert; none of them is skipped by a redelivery unless a row tells that it was done. Returns the
    rows whose copy is gone, or that are no longer there.
    """
    new = await store.emails.save_many(list(decided.attached.values()), by_thread=decided.by_thread)
    await asyncio.gather(
        store.links.save_many(decided.links), summaries.owe(link.record for link in decided.links if link.shared)
    )
    lost, _ = await asyncio.gather(
        store.blobs.lacking([decided.attached[key] for key in new]),
        _threads(decided, new, store=store, summaries=summaries),
    )
    gone = await store.ledger.final([row for row in decided.rows if row.email is None or row.email not in lost])
    if lost:  # their blobs went while they waited in the queue: fetched and parsed again
        await store.ledger.replan_rows([row.id for row in decided.rows if row.email in lost])
    return frozenset(gone)


async def _threads(decided: Decisions, new: frozenset[str], *, store: Store, summaries: SummaryKeeper) -> None:
    """Let the threads of emails that were not on a record before follow.

    An email that has an attached row was here before, and its thread has followed: rows come last.
    """
    old = frozenset(decided.attached) - new
    fresh = new | (old - await store.ledger.held(old) if old else old)
    ids = [content.message_id for key in fresh if (content := decided.attached[key]).message_id]
    related = await follow_threads(ids, store)
    if others := [key for key in related if key not in decided.attached]:
        await relink(others, store=store, summaries=summaries)
