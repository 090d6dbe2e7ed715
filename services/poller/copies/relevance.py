"""Decides from headers alone which mail concerns a record, and writes the ledger rows for it.

Two races are closed here. Code that adds an address raises the version of the address index, then sweeps unmatched rows by
mark. The matcher stores an email, then sweeps by the mark of its Message-ID where the email opens a thread. This module looks up,
writes the rows, and looks up again, so that one of the two always sees the other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from schemas.identity import copy_id
from schemas.ledger import DELETED_FLAG, DRAFT, DRAFT_FLAG, HEADER_UNCLEAR, Folder, Row, RowState, is_undecided
from services.mailbox.imap import Fetched
from services.poller.copies import removals, threads
from services.poller.copies.account_context import AccountContext
from services.poller.copies.header_reader import MessageHeader
from services.poller.copies.headers import HeaderFacts
from services.store import FolderPatch, TwinQuery

RECENT = "\\Recent"
"""A flag of the session, not of the mail (RFC 3501 section 2.3.2)."""
_DECIDING = {flag.casefold(): flag for flag in (DRAFT_FLAG, DELETED_FLAG)}
"""Flags that are compared: servers may write them in any case (RFC 3501 section 9)."""
_GMAIL_DRAFTS = frozenset(("\\draft", "\\drafts"))


class RelevanceDecision(NamedTuple):
    """The header facts of a message, and the row with the resulting state."""

    facts: HeaderFacts
    row: Row


def flags_of(message: Fetched) -> tuple[str, ...]:
    """Return the flags to store for a copy. Gmail's label of drafts counts as the flag, which may be missing."""
    names = [_DECIDING.get(flag.casefold(), flag) for flag in message.flags or () if flag != RECENT]
    if not _GMAIL_DRAFTS.isdisjoint(label.casefold() for label in message.labels):
        names.append(DRAFT_FLAG)
    return tuple(dict.fromkeys(names))


def new_row(folder: Folder, uid: int, noticed_at: datetime, **fields: Any) -> Row:
    """Return the row of a message."""
    return Row(  # validated: that takes half the time of `model_construct`
        id=copy_id(folder.account, folder.id, folder.uidvalidity, uid),
        account=folder.account,
        folder=folder.id,
        uidvalidity=folder.uidvalidity,
        uid=uid,
        noticed_at=noticed_at,
        updated_at=noticed_at,
        **fields,
    )


async def decide(
    context: AccountContext,
    folder: Folder,
    headers: Sequence[MessageHeader],
    *,
    epoch: int | None,
    noticed_at: datetime,
) -> tuple[list[RelevanceDecision], int]:
    """Decide on each message of a window, or of a part of it. Write nothing.

    Returns:
        One decision per message, and the version of the address index that they are based on.
    """
    facts = [header.facts for header in headers]
    queries = [
        TwinQuery(one.facts.message_id or "", one.mark, one.message.size or 0, one.former_marks) for one in headers
    ]
    version = await context.store.record_addresses.version()
    relevant, held = await asyncio.gather(
        _relevant(context, facts),
        # Moved mail and mail with new uids is stored already. Its body is not fetched again.
        context.store.ledger.twins(
            context.account.id, [query for query in queries if query.message_id and query.header]
        ),
    )
    decisions = []
    for header, query, wanted in zip(headers, queries, relevant, strict=True):
        message, twin = header.message, held.get(query)
        state, reason, flags = RowState.UNMATCHED, None, flags_of(message)
        if DRAFT_FLAG in flags:  # its headers are written still, and who sees it is decided when it is sent
            state, reason, twin = RowState.SKIPPED, DRAFT, None
        elif twin is not None:
            state = RowState.ATTACHED
        elif wanted:
            state, reason = (
                (RowState.PLANNED, None) if query.size <= context.max_bytes else (RowState.SKIPPED, "too-large")
            )
        elif not header.facts.whole:  # the body stays where it is, and the owner is shown that there is such mail
            state, reason = RowState.SKIPPED, HEADER_UNCLEAR
            context.metrics.unclear_headers.inc()
        row = new_row(
            folder,
            message.uid,
            noticed_at,
            epoch=epoch,
            state=state,
            reason=reason,
            size=query.size,
            internal_date=message.internal_date or noticed_at,
            flags=flags,
            labels=message.labels,
            marks=header.marks,
            id_mark=header.marker.of_message_id(header.facts),
            mark_key=header.marker.key_id,
            header=query.header,
            # Marked, because its twin may be gone when the row is written, and its links with it: the event may be lost.
            **({**twin._asdict(), "relink": True} if twin else {}),
        )
        decisions.append(RelevanceDecision(header.facts, row))
    return decisions, version


async def write_rows(
    context: AccountContext,
    decisions: Sequence[RelevanceDecision],
    version: int,
    *,
    patch: FolderPatch | None,
    present: frozenset[str] = frozenset(),
) -> list[Row]:
    """Write the rows of a window with the folder's cursor, then look up again. Return the rows whose bodies are wanted.

    ``present`` are ids of rows that are in the ledger already, as ``unmatched``: only their state may change.
    """
    new = [decision for decision in decisions if decision.row.id not in present]
    there = await context.store.poller_ledger.add_window(
        context.lease, [decision.row for decision in new], folder=patch
    )
    for state, count in Counter(decision.row.state for decision in new if decision.row.id not in there).items():
        context.metrics.rows.labels(state).inc(count)
    ids = [decision.row.id_mark for decision in new if decision.row.id_mark and decision.row.id not in there]
    await context.store.message_ids.note(context.lease, ids)
    twins = [decision.row for decision in new if decision.row.email and decision.row.id not in there]
    if twins:
        # Their twin may be gone meanwhile, and its links with it. Have the links computed again.
        keys = list(dict.fromkeys(row.email for row in twins if row.email))
        await removals.announce(context, keys, [row.id for row in twins])
    planned = [
        decision.row for decision in new if decision.row.state is RowState.PLANNED and decision.row.id not in there
    ]
    again = [
        decision for decision in decisions if decision.row.id in present and decision.row.state is RowState.PLANNED
    ]
    again += await _newly_relevant(
        context, [decision for decision in decisions if is_undecided(decision.row.state, decision.row.reason)], version
    )
    if again:
        await context.store.poller_ledger.replan(context.lease, [decision.row.id for decision in again])
    # Background sync finds replanned rows, as it finds those that the matcher replans.
    return planned


async def _newly_relevant(
    context: AccountContext, unmatched: list[RelevanceDecision], version: int
) -> list[RelevanceDecision]:
    """Return the decisions on mail that became relevant between the look-up and the write."""
    if not unmatched:
        return []
    facts = [decision.facts for decision in unmatched]
    moved = await context.store.record_addresses.version() != version
    relevant = await _relevant(context, facts) if moved else await threads.opened(context, facts)
    return [
        decision
        for decision, wanted in zip(unmatched, relevant, strict=True)
        if wanted and decision.row.size <= context.max_bytes
    ]


async def _relevant(context: AccountContext, facts: Sequence[HeaderFacts]) -> list[bool]:
    own = context.account.own_addresses
    people = {address for fact in facts for address in fact.participants} - own
    known = await context.store.record_addresses.known(people)
    addresses = known.keys() - own
    named = [not addresses.isdisjoint(fact.participants) for fact in facts]
    strangers = [fact for fact, is_named in zip(facts, named, strict=True) if not is_named]
    opened = iter(await threads.opened(context, strangers))
    return [is_named or next(opened) for is_named in named]
