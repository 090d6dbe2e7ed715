"""Stores what no stage could handle: with its body, so that it can be replayed, and with its row quarantined."""

from __future__ import annotations

import hashlib
import re

from schemas.messages import Event, MailFetched, MailParsed, publication_of
from services.amqp import Bus, DeadLetterDelivery, replays_of
from services.matcher.completion import complete
from services.matcher.linking.changes import Orphans
from services.matcher.linking.relinking import relink
from services.matcher.linking.summaries import SummaryKeeper
from services.store import DeadLetter, Store, copy_ref, dead_ref, now

_ID = "ce-id"
_CONTENT_TYPE = "content-type"
_COPY = re.compile(r"([0-9a-f]{24})\.[0-9a-f]{12}\.\d{10}\.\d{10}(?=/)")
"""The row in the id of a message about a copy: ``<row>/<attempt>``."""


async def store_dead_letter(letter: DeadLetterDelivery, *, store: Store, bus: Bus) -> None:
    """Store a dead letter, quarantine its row, and complete its backfill if it was the last one. Doing it twice changes nothing."""
    identifier = letter.headers.get(_ID) or hashlib.sha256(letter.body).hexdigest()
    copy = _COPY.match(identifier)
    replays = replays_of(letter.headers)
    # One key per replay: a replay removes the dead letter afterwards, when the message may have died again already.
    key = f"{letter.queue}/{identifier}" + (f"/replay-{replays}" if replays else "")
    stored = DeadLetter(
        id=key,
        queue=letter.queue,
        reason=letter.reason,
        error=letter.error,
        headers=dict(letter.headers),
        content_type=letter.headers.get(_CONTENT_TYPE, ""),
        body=letter.body,
        account=copy[1] if copy else getattr(letter.message, "account", None),
        row=copy[0] if copy else None,
        at=now(),
    )
    await _keep_blobs(letter.message, key, store)
    await store.dead_letters.add(stored)
    if stored.row:
        await store.matcher_ledger.quarantine(stored.row, letter.reason, publication_of(identifier))
        row = await store.ledger.get(stored.row)
        if row is not None and row.epoch:
            for event in (await complete([(row.account, row.epoch)], store=store)).values():
                await bus.publish(event)
        await _remove_effects(letter.message, store)
        await store.dead_letters.remove(await store.dead_letters.settled(stored.row))


async def sweep_dead_letters(*, store: Store) -> int:
    """Remove dead letters that need no decision: a later attempt was handled, or the copy left the mailbox. Returns how many."""
    return await store.dead_letters.remove(await store.dead_letters.settled())


async def _remove_effects(message: Event | None, store: Store) -> None:
    """Remove what failed attempts stored for a copy that no one else holds: nothing else would remove it, and no one may see it."""
    if isinstance(message, MailParsed):
        summaries = SummaryKeeper(store)
        await relink([message.content.key], store=store, summaries=summaries, orphans=Orphans.REMOVE)
        await summaries.flush()


async def _keep_blobs(message: Event | None, key: str, store: Store) -> None:
    """Let the blobs that a message refers to outlive it."""
    if isinstance(message, MailFetched) and message.blob:
        await store.blob_refs.add_ref([message.blob], dead_ref(key))
        await store.blob_refs.drop_refs([copy_ref(message.source.id)])
    elif isinstance(message, MailParsed):
        await store.blob_refs.add_ref(message.blobs, dead_ref(key))
        await store.blob_refs.release([message.content.key])
