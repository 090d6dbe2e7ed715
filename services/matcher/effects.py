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
    old = frozenset(decided.attached) - new
    # An email that has an attached row was here before, and its thread has followed (rows come last): but for what is added now.
    held = await store.ledger.held(old) if old else old
    gaining = await _gaining(decided, held, store)
    records = {link.record for link in decided.links if link.shared}
    debts = []
    if records or gaining:
        debts.append(await store.debts.add(records=records, message_ids=gaining.values()))
    await store.links.save_many(decided.links)
    fresh = new | (old - held) | gaining.keys()
    lost, _ = await asyncio.gather(
        store.blobs.lacking([decided.attached[key] for key in new]),
        _threads(decided, fresh, store=store, summaries=summaries),
    )
    # Not before: who brings summaries up to date at this moment must find the links, and the threads must have followed.
    summaries.take(records, debts)
    gone = await store.ledger.final([row for row in decided.rows if row.email is None or row.email not in lost])
    if lost:  # their blobs went while they waited in the queue: fetched and parsed again
        await store.ledger.replan_rows([row.id for row in decided.rows if row.email in lost])
    return frozenset(gone)


async def _gaining(decided: Decisions, held: frozenset[str], store: Store) -> dict[str, str]:
    """Return those of the emails that are to be on a record, or there for a reason, that their links do not tell yet.

    By key, with the Message-ID. Whoever else finds the reason in the links takes it that the thread has followed, so that
    it is us who have to see to it.
    """
    if not held:
        return {}
    links = await store.links.of_emails(held)
    there = {
        (link.email, link.record, match) for several in links.values() for link in several for match in link.matches
    }
    added = {
        addition.email
        for addition in decided.links
        if addition.email in held
        and any((addition.email, addition.record, match) not in there for match in addition.matches)
    }
    return {key: name for key in added if (name := decided.attached[key].message_id)}


async def _threads(decided: Decisions, fresh: frozenset[str], *, store: Store, summaries: SummaryKeeper) -> None:
    """Let the threads of emails follow that were not on a record before, or not for the same reasons."""
    ids = [content.message_id for key in fresh if (content := decided.attached[key]).message_id]
    related = await follow_threads(ids, store)
    if others := [key for key in related if key not in decided.attached]:
        await relink(others, store=store, summaries=summaries)
