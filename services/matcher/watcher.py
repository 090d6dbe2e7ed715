"""Watches the leads and contacts of the CRM and publishes ``RecordChanged`` for each change."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import structlog

from schemas.messages import RecordChanged
from services.amqp import Bus
from services.runtime.failures import facts
from services.store import RecordChangeBatch, Store

_LEASE = "watch-crm"
SPAN = timedelta(seconds=15)
"""How long after a watcher has died another one takes over."""


async def watch(
    *, store: Store, bus: Bus, holder: str, log: structlog.typing.FilteringBoundLogger, span: timedelta = SPAN
) -> None:
    """Watch forever, while this process holds the lease.

    The resume token is saved after the events are on the queue, so a crash in between publishes them again. For the same
    reason it does no harm if two processes believe that they hold the lease. If the database is down, or ends the stream,
    the watcher tries again after a third of the lease.
    """
    pause = span.total_seconds() / 3
    try:
        while True:
            try:
                if await store.singleton_lease.take(_LEASE, holder, span):
                    log.info("watching the CRM")
                    await _follow(store, bus, holder, span)
            except Exception as error:  # noqa: BLE001 - without the watcher no new contact would get its mail
                log.error("watching the CRM failed", **facts(error))  # noqa: TRY400 - see ``facts``
            await asyncio.sleep(pause)
    finally:
        await store.singleton_lease.release(_LEASE, holder)


async def _follow(store: Store, bus: Bus, holder: str, span: timedelta) -> None:
    """Publish changes until another process holds the lease."""
    async with aclosing(store.record_watch.watch(idle=min(1.0, span.total_seconds() / 3))) as changes:
        async for batch in changes:
            await _publish(batch, bus)
            if batch.token is not None:
                await store.record_watch.save_resume_token(batch.token)
            if not await store.singleton_lease.take(_LEASE, holder, span):
                return


async def _publish(batch: RecordChangeBatch, bus: Bus) -> None:
    """Publish a batch of changes, one event per record: the handler reads the present state of the record."""
    merged = {change.ref: change.at for change in batch.changes}
    events = [
        RecordChanged(id=f"{ref}@{at.timestamp():.3f}", kind=ref.kind, record=ref.id, at=at)
        for ref, at in merged.items()
    ]
    for refusal in await bus.publish_many([(event, None) for event in events]):
        if refusal is not None:
            raise refusal
