"""Which mail concerns a record, from its headers alone, and the ledger rows that say so; with both of its races closed.

The other sides: whoever adds an address moves the version and then sweeps unmatched rows by mark; the matcher, having stored
an email, sweeps them by the mark of its Message-ID. We look, write the rows, and look again: one of the two sees the other.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from schemas.accounts import Folder
from schemas.identity import copy_id
from schemas.ledger import Row, RowState
from services.mailbox.imap import Fetched
from services.poller.sync import headers, removals
from services.poller.sync.account_context import AccountContext
from services.poller.sync.headers import HeaderFacts
from services.store import FolderPatch, TwinQuery

GMAIL_DRAFT = "\\Draft"
"""A label: All Mail holds drafts too."""
RECENT = "\\Recent"
"""A flag of the session, not of the mail (RFC 3501 section 2.3.2)."""


class RelevanceDecision(NamedTuple):
    """A message, what its header says and the row made of it."""

    facts: HeaderFacts
    row: Row


def flags_of(message: Fetched) -> tuple[str, ...]:
    """Return the flags that a copy keeps."""
    return tuple(flag for flag in message.flags or () if flag != RECENT)


async def decide(
    context: AccountContext, folder: Folder, messages: Sequence[Fetched], *, epoch: int | None, noticed_at: datetime
) -> tuple[list[RelevanceDecision], int]:
    """Decide on each message of a window; nothing is written yet.

    Args:
        context: the account.
        folder: where they lie.
        messages: with headers.
        epoch: the backfill that they belong to; None for live mail.
        noticed_at: when we learned of them.

    Returns:
        One line a message, and the version of the address index that it was decisions by.
    """
    facts = [headers.read(message.header or b"") for message in messages]
    header_marks = [context.marker.of_header(message.header or b"") for message in messages]
    queries = [
        TwinQuery(fact.message_id or "", mark, message.size or 0)
        for fact, mark, message in zip(facts, header_marks, messages, strict=True)
    ]
    version = await context.store.records.version()
    relevant, held = await asyncio.gather(
        _relevant(context, facts),
        # Mail that was moved, or has new uids, is held already: its body need not come again.
        context.store.ledger.twins(context.account.id, [query for query in queries if query.message_id]),
    )
    decisions = []
    for message, fact, query, wanted in zip(messages, facts, queries, relevant, strict=True):
        twin = held.get(query)
        state, reason = RowState.UNMATCHED, None
        if twin is not None:
            state = RowState.ATTACHED
        elif wanted:
            state, reason = (
                (RowState.PLANNED, None) if query.size <= context.max_bytes else (RowState.SKIPPED, "too-large")
            )
        row = Row.model_construct(
            id=copy_id(context.account.id, folder.id, folder.uidvalidity, message.uid),
            account=context.account.id,
            folder=folder.id,
            uidvalidity=folder.uidvalidity,
            uid=message.uid,
            epoch=epoch,
            state=state,
            reason=reason,
            size=query.size,
            internal_date=message.internal_date or noticed_at,
            flags=flags_of(message),
            labels=message.labels,
            marks=context.marker.of_row(fact, context.account.own_addresses),
            header=query.header,
            email=twin.email if twin else None,
            bcc=twin.bcc if twin else (),
            noticed_at=noticed_at,
            updated_at=noticed_at,
        )
        decisions.append(RelevanceDecision(fact, row))
    return decisions, version


async def write_rows(
    context: AccountContext,
    decisions: Sequence[RelevanceDecision],
    version: int,
    *,
    patch: FolderPatch | None,
    present: frozenset[str] = frozenset(),
) -> list[Row]:
    """Write a window's rows with its cursor, then look again. Returns the rows whose bodies are to be fetched.

    Args:
        context: the account.
        decisions: see ``decide``.
        version: see ``decide``.
        patch: the folder's new cursor, written with the rows.
        present: ids of rows known to be in the ledger already, as ``unmatched``: only their state may change.
    """
    new = [line for line in decisions if line.row.id not in present]
    there = await context.store.ledger.add_window(context.lease, [line.row for line in new], folder=patch)
    for state, count in Counter(line.row.state for line in new if line.row.id not in there).items():
        context.metrics.rows(state, count)
    twins = [line.row for line in new if line.row.email and line.row.id not in there]
    if twins:
        # The copy that they are twins of may have gone meanwhile, and the links with it: have them worked out again.
        keys = list(dict.fromkeys(row.email for row in twins if row.email))
        await removals.announce(context, keys, [row.id for row in twins])
    planned = [line.row for line in new if line.row.state is RowState.PLANNED and line.row.id not in there]
    again = [line for line in decisions if line.row.id in present and line.row.state is RowState.PLANNED]
    again += await _missed(context, [line for line in decisions if line.row.state is RowState.UNMATCHED], version)
    if again:
        await context.store.ledger.replan(context.lease, [line.row.id for line in again])
    # Rows that were set back are found by the worker, as those that the matcher sets back are.
    return planned


async def _missed(context: AccountContext, unmatched: list[RelevanceDecision], version: int) -> list[RelevanceDecision]:
    """Return what became relevant between the look-up and the writing of the rows."""
    if not unmatched:
        return []
    facts = [line.facts for line in unmatched]
    if await context.store.records.version() != version:
        relevant = await _relevant(context, facts)
    else:
        ids = {identifier for fact in facts for identifier in fact.references}
        known = await context.store.emails.known_ids(ids)
        relevant = [not known.isdisjoint(fact.references) for fact in facts]
    return [
        line for line, wanted in zip(unmatched, relevant, strict=True) if wanted and line.row.size <= context.max_bytes
    ]


async def _relevant(context: AccountContext, facts: Sequence[HeaderFacts]) -> list[bool]:
    own = context.account.own_addresses
    people = {address for fact in facts for address in fact.participants} - own
    ids = {identifier for fact in facts for identifier in fact.references}
    known, threads = await asyncio.gather(context.store.records.known(people), context.store.emails.known_ids(ids))
    addresses = known.keys() - own
    return [not addresses.isdisjoint(fact.participants) or not threads.isdisjoint(fact.references) for fact in facts]
