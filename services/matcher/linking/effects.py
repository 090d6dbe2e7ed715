"""Stores what was decided about a batch, in an order in which a redelivery repairs a crash at any point.

This is the way of arrival: it only adds what the copies of the batch contribute. What has to be taken away, or concerns the
copies of others, is returned for relinking (see the package's docstring for why there are two ways).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from schemas.emails import Attestation, Link, Match
from schemas.ledger import RowState
from schemas.mail import Role
from schemas.records import RecordRef
from services.matcher.linking.decisions import Decisions
from services.matcher.linking.relinking import affected_by_threads, relink
from services.matcher.linking.summaries import SummaryKeeper
from services.store import LinkAddition, Store


class Applied(NamedTuple):
    """What storing a batch resulted in."""

    gone: frozenset[str]
    """Rows whose copy is gone, that no longer exist, or that a later message decides."""
    changed: dict[str, RowState | None]
    """The states of rows in which another process stored a final state, or took one back."""
    recheck: frozenset[str]
    """Emails to relink, because adding takes nothing away and adds nothing for other copies.

    Those that were on records for reasons that no longer hold, those that others hold and that have a new reason, those
    that lack their blobs, and those whose copy is flagged as deleted.
    """


class Compared(NamedTuple):
    """How emails that were stored before differ from what their links said."""

    gaining: frozenset[str]
    """Emails whose links lack a reason."""
    stale: frozenset[str]
    """Emails whose links have a reason too many."""
    joined: dict[str, set[str]]
    """The users who hold, or sent, an email now and did not before, by email: what it says about a thread changes for them."""


async def apply(decided: Decisions, *, store: Store, summaries: SummaryKeeper) -> Applied:
    """Store emails, links, what their threads make of them, and last the final states of the rows.

    Every step is an upsert. A redelivery skips a step only if a row shows that it was done.
    """
    new = await store.emails.save_many(list(decided.attached.values()), by_thread=decided.by_thread)
    old = frozenset(decided.attached) - new
    held, found = await asyncio.gather(store.ledger.with_copy(old), _compare(decided, old, store))
    # An email that has an attached row was stored before, and its thread was updated (rows come last). If this batch adds
    # something to it, anyone else who finds that in its links assumes that its thread is up to date: until it is, that is
    # pending work.
    added = _message_ids(decided, (found.gaining | found.joined.keys()) & held)
    records = {link.record for link in decided.links if link.shared}
    work = [await store.pending_work.enqueue(records=records, message_ids=added)] if records or added else []
    await store.links.save_many(decided.links)
    lost, _ = await asyncio.gather(
        store.blob_refs.lacking(
            [decided.attached[key] for key in new],
            [(row.email, name) for row in decided.rows for name in (row.head, row.body) if row.email and name],
        ),
        _update_threads(decided, new | (old - held) | found.gaining, found.joined, store=store, summaries=summaries),
    )
    # Not earlier: a process that recomputes summaries now must find the links, and the threads must be up to date.
    summaries.take(records, work)
    gone, changed = await store.matcher_ledger.finish(
        [row for row in decided.rows if row.email is None or row.email not in lost]
    )
    if lost:  # Their blobs were deleted while they waited in the queue: they are fetched and parsed again.
        await store.matcher_ledger.replan_rows([row.id for row in decided.rows if row.email in lost])
    # Their owners marked them for deletion while they were on their way.
    hidden = await store.ledger.flagged_deleted(row.id for row in decided.rows if row.email is not None)
    return Applied(frozenset(gone), changed, found.stale | (found.gaining & held) | lost | hidden)


async def _compare(decided: Decisions, old: frozenset[str], store: Store) -> Compared:
    """Return how the links of emails differ from what was decided.

    A Bcc is a reason of one copy: the Bccs of other copies say nothing about the copies of the batch.
    """
    links = [link for several in (await store.links.of_emails(old)).values() for link in several]
    wanted = [one for one in decided.links if one.email in old]
    stored_reasons, wanted_reasons = _reasons(links), _reasons(wanted)
    stale = {
        email
        for email, _, reason in stored_reasons - wanted_reasons
        if not (isinstance(reason, Match) and reason.role is Role.BCC)
    }
    stored_owners = {
        (link.email, link.record, owner, sent)
        for link in links
        for sent, owners in ((False, link.owners), (True, link.sent_by))
        for owner in owners
    }
    joined: dict[str, set[str]] = {}
    for one in wanted:
        if not {(one.email, one.record, one.owner, sent) for sent in (False, one.sent)} <= stored_owners:
            joined.setdefault(one.email, set()).add(one.owner)
    gaining = frozenset(email for email, _, _ in wanted_reasons - stored_reasons)
    return Compared(gaining, frozenset(stale), joined)


def _reasons(links: Iterable[Link | LinkAddition]) -> set[tuple[str, RecordRef, Match | Attestation]]:
    matches: set[tuple[str, RecordRef, Match | Attestation]] = {
        (link.email, link.record, match) for link in links for match in link.matches
    }
    return matches | {(link.email, link.record, attestation) for link in links for attestation in link.attestations}


def _message_ids(decided: Decisions, keys: Iterable[str]) -> list[str]:
    return [name for key in keys if (name := decided.attached[key].message_id)]


async def _update_threads(
    decided: Decisions, fresh: frozenset[str], joined: dict[str, set[str]], *, store: Store, summaries: SummaryKeeper
) -> None:
    """Update the threads of emails that are on a record newly, or for other reasons, or for other holders than before."""
    late = joined.keys() - fresh
    owners = {owner for key in late for owner in joined[key]}
    related = await affected_by_threads(_message_ids(decided, fresh), store)
    related += await affected_by_threads(_message_ids(decided, late), store, owners=owners)
    if others := [key for key in dict.fromkeys(related) if key not in decided.attached]:
        await relink(others, store=store, summaries=summaries)
