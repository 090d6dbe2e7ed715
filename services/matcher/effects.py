"""Storing what was decided about a batch, in an order in which a crash at any point is healed by the redelivery."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from schemas.mail import Role
from services.matcher.decisions import Decisions
from services.matcher.relinking import follow_threads, relink
from services.matcher.summaries import SummaryKeeper
from services.store import Store


class Applied(NamedTuple):
    """What storing a batch came to."""

    gone: frozenset[str]
    """Rows whose copy is gone, or that are no longer there."""
    doubtful: frozenset[str]
    """Emails to be looked at again as they are stored now. Adding one's own takes nothing away, and adds nothing of other copies:

    those that were on records for reasons that do not hold any more, those that others hold and that are there for a new
    reason, and those that lack their blobs.
    """


async def apply(decided: Decisions, *, store: Store, summaries: SummaryKeeper) -> Applied:
    """Store emails, links, what follows for their threads, and last the rows' final states.

    Every step is an upsert; none of them is skipped by a redelivery unless a row tells that it was done.
    """
    new = await store.emails.save_many(list(decided.attached.values()), by_thread=decided.by_thread)
    old = frozenset(decided.attached) - new
    held, (gaining, stale) = await asyncio.gather(store.ledger.held(old), _compared(decided, old, store))
    # An email that has an attached row was here before, and its thread has followed (rows come last). If something is added to
    # it now, whoever else finds that in its links takes it that the thread has followed, too: a debt, until it has.
    added = [name for key in gaining & held if (name := decided.attached[key].message_id)]
    records = {link.record for link in decided.links if link.shared}
    debts = [await store.debts.add(records=records, message_ids=added)] if records or added else []
    await store.links.save_many(decided.links)
    lost, _ = await asyncio.gather(
        store.blobs.lacking([decided.attached[key] for key in new]),
        _threads(decided, new | (old - held) | gaining, store=store, summaries=summaries),
    )
    # Not before: who brings summaries up to date at this moment must find the links, and the threads must have followed.
    summaries.take(records, debts)
    gone = await store.ledger.final([row for row in decided.rows if row.email is None or row.email not in lost])
    if lost:  # their blobs went while they waited in the queue: fetched and parsed again
        await store.ledger.replan_rows([row.id for row in decided.rows if row.email in lost])
    return Applied(frozenset(gone), stale | (gaining & held) | lost)


async def _compared(decided: Decisions, old: frozenset[str], store: Store) -> tuple[frozenset[str], frozenset[str]]:
    """Return those of the emails whose links do not tell every reason yet, and those whose links tell others.

    A Bcc is a reason of one copy; those of other copies say nothing about ours.
    """
    links = await store.links.of_emails(old)
    there = {
        (link.email, link.record, match) for several in links.values() for link in several for match in link.matches
    }
    wanted = {(one.email, one.record, match) for one in decided.links if one.email in old for match in one.matches}
    stale = frozenset(email for email, _, match in there - wanted if match.role is not Role.BCC)
    return frozenset(email for email, _, _ in wanted - there), stale


async def _threads(decided: Decisions, fresh: frozenset[str], *, store: Store, summaries: SummaryKeeper) -> None:
    """Let the threads of emails follow that were not on a record before, or not for the same reasons."""
    ids = [content.message_id for key in fresh if (content := decided.attached[key]).message_id]
    related = await follow_threads(ids, store)
    if others := [key for key in related if key not in decided.attached]:
        await relink(others, store=store, summaries=summaries)
