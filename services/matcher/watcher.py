"""Watches the CRM's leads and contacts; what happens to them becomes `RecordChanged`."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

import structlog

from schemas.messages import RecordChanged
from services.amqp.delivery.bus import Bus
from services.runtime.failures import describe, is_bug, trace
from services.store import RecordChangeBatch, Store

_TURN = "watch-crm"
SPAN = timedelta(seconds=15)
"""How long a watcher that died keeps the turn."""


async def watch(
    *, store: Store, bus: Bus, holder: str, log: structlog.typing.FilteringBoundLogger, span: timedelta = SPAN
) -> None:
    """Watch for ever, while it is this process's turn.

    The resume token is saved after the events are on the queue: a crash in between announces them again. A turn that
    two believe to have does no harm for the same reason. A database that is away, or ends the stream, is asked again
    after a third of the turn.
    """
    pause = span.total_seconds() / 3
    try:
        while True:
            try:
                if await store.singleton_lease.take(_TURN, holder, span):
                    log.info("watching the CRM")
                    await _follow(store, bus, holder, span)
            except Exception as error:  # noqa: BLE001 - without the watcher no new contact would ever find its mail
                details = {"trace": trace(error)} if is_bug(error) else {}
                # Not log.exception: the text of an error may quote what a record holds.
                log.error("watching the CRM failed", error=describe(error), **details)  # noqa: TRY400
            await asyncio.sleep(pause)
    finally:
        await store.singleton_lease.give_back(_TURN, holder)


async def _follow(store: Store, bus: Bus, holder: str, span: timedelta) -> None:
    """Announce changes until the turn is somebody else's."""
    async with aclosing(store.records.watch(idle=min(1.0, span.total_seconds() / 3))) as changes:
        async for noticed in changes:
            await _announce(noticed, bus)
            if noticed.token is not None:
                await store.records.save_resume_token(noticed.token)
            if not await store.singleton_lease.take(_TURN, holder, span):
                return


async def _announce(noticed: RecordChangeBatch, bus: Bus) -> None:
    """Publish a burst of changes, each record once: its present state is read when the event is handled."""
    merged = {change.ref: change.at for change in noticed.changes}
    events = [
        RecordChanged(id=f"{ref}@{at.timestamp():.3f}", kind=ref.kind, record=ref.id, at=at)
        for ref, at in merged.items()
    ]
    for refusal in await bus.publish_many([(event, None) for event in events]):
        if refusal is not None:
            raise refusal
