"""Storing what was decided about a batch, in an order in which a crash at any point is healed by the redelivery."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from schemas.emails import Attestation, Link, Match
from schemas.mail import Role
from schemas.records import RecordRef
from services.matcher.linking.decisions import Decisions
from services.matcher.linking.relinking import follow_threads, relink
from services.matcher.linking.summaries import SummaryKeeper
from services.store import LinkAddition, Store


class Applied(NamedTuple):
    """What storing a batch came to."""

    gone: frozenset[str]
    """Rows whose copy is gone, or that are no longer there."""
    doubtful: frozenset[str]
    """Emails to be looked at again as they are stored now. Adding one's own takes nothing away, and adds nothing of other copies:

    those that were on records for reasons that do not hold any more, those that others hold and that are there for a new
    reason, and those that lack their blobs.
    """


class Compared(NamedTuple):
    """How emails that were stored before differ from what their links said of them."""

    gaining: frozenset[str]
    """Their links do not tell every reason yet."""
    stale: frozenset[str]
    """Their links tell others."""
    joined: dict[str, set[str]]
    """Who holds them now and did not before, by email: what they say of a thread, they say to them, too."""


async def apply(decided: Decisions, *, store: Store, summaries: SummaryKeeper) -> Applied:
    """Store emails, links, what follows for their threads, and last the rows' final states.

    Every step is an upsert; none of them is skipped by a redelivery unless a row tells that it was done.
    """
    new = await store.emails.save_many(list(decided.attached.values()), by_thread=decided.by_thread)
    old = frozenset(decided.attached) - new
    held, found = await asyncio.gather(store.ledger.held(old), _compared(decided, old, store))
    # An email that has an attached row was here before, and its thread has followed (rows come last). If something is added to
    # it now, whoever else finds that in its links takes it that the thread has followed, too: a debt, until it has.
    added = _ids(decided, (found.gaining | found.joined.keys()) & held)
    records = {link.record for link in decided.links if link.shared}
    debts = [await store.pending_work.enqueue(records=records, message_ids=added)] if records or added else []
    await store.links.save_many(decided.links)
    lost, _ = await asyncio.gather(
        store.blobs.lacking([decided.attached[key] for key in new]),
        _threads(decided, new | (old - held) | found.gaining, found.joined, store=store, summaries=summaries),
    )
    # Not before: who brings summaries up to date at this moment must find the links, and the threads must have followed.
    summaries.take(records, debts)
    gone = await store.ledger.final([row for row in decided.rows if row.email is None or row.email not in lost])
    if lost:  # their blobs went while they waited in the queue: fetched and parsed again
        await store.ledger.replan_rows([row.id for row in decided.rows if row.email in lost])
    return Applied(frozenset(gone), found.stale | (found.gaining & held) | lost)


async def _compared(decided: Decisions, old: frozenset[str], store: Store) -> Compared:
    """Return how the emails' links differ from what was decided.

    A Bcc is a reason of one copy; those of other copies say nothing about ours.
    """
    links = [link for several in (await store.links.of_emails(old)).values() for link in several]
    wanted = [one for one in decided.links if one.email in old]
    there_why, wanted_why = _reasons(links), _reasons(wanted)
    stale = {email for email, _, why in there_why - wanted_why if not (isinstance(why, Match) and why.role is Role.BCC)}
    there = {(link.email, link.record, owner) for link in links for owner in link.owners}
    joined: dict[str, set[str]] = {}
    for email, _, owner in {(one.email, one.record, one.owner) for one in wanted} - there:
        joined.setdefault(email, set()).add(owner)
    return Compared(frozenset(email for email, _, _ in wanted_why - there_why), frozenset(stale), joined)


def _reasons(links: Iterable[Link | LinkAddition]) -> set[tuple[str, RecordRef, Match | Attestation]]:
    matches: set[tuple[str, RecordRef, Match | Attestation]] = {
        (link.email, link.record, match) for link in links for match in link.matches
    }
    return matches | {(link.email, link.record, attestation) for link in links for attestation in link.attestations}


def _ids(decided: Decisions, keys: Iterable[str]) -> list[str]:
    return [name for key in keys if (name := decided.attached[key].message_id)]


async def _threads(
    decided: Decisions, fresh: frozenset[str], joined: dict[str, set[str]], *, store: Store, summaries: SummaryKeeper
) -> None:
    """Let the threads of emails follow that were not on a record before, or not for the same reasons, or not for the same holders."""
    late = joined.keys() - fresh
    owners = {owner for key in late for owner in joined[key]}
    related = await follow_threads(_ids(decided, fresh), store)
    related += await follow_threads(_ids(decided, late), store, owners=owners)
    if others := [key for key in dict.fromkeys(related) if key not in decided.attached]:
        await relink(others, store=store, summaries=summaries)
