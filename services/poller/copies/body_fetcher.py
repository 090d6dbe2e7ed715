"""Fetches bodies of relevant mail in batches bounded by bytes, and publishes them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from schemas.accounts import Folder
from schemas.ledger import Row, RowState
from schemas.messages import Copy, Lane, MailFetched
from services.amqp.delivery.trace_context import TraceContext
from services.mailbox.imap import ImapSession, uid_set
from services.poller.copies.publish_tracker import Outgoing, PublishTracker

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing

BATCH = 100
"""Messages per FETCH."""
BATCH_BYTES = 4 * 1024 * 1024
"""Per FETCH, by RFC822.SIZE, which is a hint. Several batches may be in memory at the same time."""
INLINE = 256 * 1024
"""Larger mail is published as a reference to the blob store."""
STREAMED = 4 * 1024 * 1024
"""Larger mail is fetched in pieces, of which one is in memory."""


class Streamed(NamedTuple):
    """A large mail that was stored as a blob while it was fetched."""

    name: str
    size: int


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Split rows into batches for one FETCH each: one folder, bounded in number and bytes. A very large mail is alone."""
    for _, of_folder in groupby(rows, key=lambda row: (row.folder, row.uidvalidity)):
        batch: list[Row] = []
        total = 0
        for row in of_folder:
            if batch and (len(batch) == BATCH or total + row.size > BATCH_BYTES):
                yield batch
                batch, total = [], 0
            batch.append(row)
            total += row.size
        if batch:
            yield batch


class BodyFetcher(PublishTracker):
    """Fetches the bodies of rows and publishes them."""

    async def deliver(self, session: ImapSession, rows: Sequence[Row], lane: Lane) -> int:
        """Fetch and publish the bodies of one batch, except rows that are claimed already. Return how many were published."""
        folder = self._context.folder_of(rows[0])
        mine = self.claim(rows)
        try:
            return await self.publish(await self.fetch(session, folder, mine, lane)) if mine else 0
        finally:
            self.release(mine)

    async def fetch(self, session: ImapSession, folder: Folder, rows: Sequence[Row], lane: Lane) -> list[Outgoing]:
        """Return the messages of a batch. Rows whose mail is gone, withheld or too large get that state."""
        began = time.time_ns()
        mails: list[Outgoing] = []
        blobs: dict[str, str] = {}
        """By row id, for mail that is published by reference."""
        small = [row for row in rows if row.size <= STREAMED]
        async with session.opened(folder):
            found = await session.bodies([row.uid for row in small]) if small else {}
            if absent := [row.uid for row in small if row.uid not in found]:
                # The session may not know mail that arrived after the folder was opened. SEARCH makes the server look.
                there = await session.existing(uid_set(absent))
                found |= await session.bodies(sorted(there)) if there else {}
            missing = [row for row in small if row.uid not in found]
            for row in rows:
                if row.size > STREAMED:
                    streamed = await self._stream(session, row)
                    if streamed is None:
                        missing.append(row)
                    elif streamed.size > self._context.max_bytes:
                        await self._context.store.poller_ledger.finish(
                            self._context.lease, [row.id], RowState.SKIPPED, "too-large"
                        )
                    else:
                        blobs[row.id] = streamed.name
                        mails.append(Outgoing(_message(row, lane, streamed.size, streamed.name), b""))
            if missing:
                await self._finish_missing(session, missing)
        large = [row for row in small if len(found.get(row.uid, b"")) > INLINE]
        names = await self._context.store.blobs.put_many([(found[row.uid], None) for row in large])
        blobs |= zip((row.id for row in large), names, strict=True)
        lacking = await self._context.store.blob_refs.hold(self._context.lease, blobs)  # their rows stay planned
        for row in small:
            if (raw := found.get(row.uid)) is not None:
                blob = blobs.get(row.id)
                mails.append(Outgoing(_message(row, lane, len(raw), blob), b"" if blob else raw))
        mails = [mail for mail in mails if mail.message.source.id not in lacking]
        if (tracing := self._context.tracing) is None:
            return mails
        return [mail._replace(context=_traced(mail.message, began, tracing)) for mail in mails]

    async def _stream(self, session: ImapSession, row: Row) -> Streamed | None:
        """Store a very large mail as a blob, piece by piece, without a reference to it yet. Return None if nothing came."""
        limit, received = self._context.max_bytes, 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal received
            async for piece in session.parts(row.uid):
                received += len(piece)
                if received > limit:  # more than RFC822.SIZE said
                    return
                yield piece

        name, _ = await self._context.store.blobs.put_stream(pieces(), None)
        return Streamed(name, received) if received else None

    async def _finish_missing(self, session: ImapSession, rows: Sequence[Row]) -> None:
        """Give rows whose body did not come their state: gone, or withheld (Microsoft lists deleted mail)."""
        there = await session.existing(uid_set(row.uid for row in rows))
        gone = [row.id for row in rows if row.uid not in there]
        if gone:
            await self._context.store.poller_ledger.gone(self._context.lease, gone)
        withheld = [row.id for row in rows if row.uid in there]
        if withheld:
            await self._context.store.poller_ledger.finish(self._context.lease, withheld, RowState.SKIPPED, "withheld")
            self._context.log.warning("the server withholds bodies", rows=len(withheld))


def _message(row: Row, lane: Lane, size: int, blob: str | None) -> MailFetched:
    return MailFetched(
        id=f"{row.id}/{row.attempts + 1}",
        source=Copy(account=row.account, folder=row.folder, uidvalidity=row.uidvalidity, uid=row.uid),
        lane=lane,
        epoch=row.epoch,
        internal_date=row.internal_date,
        noticed_at=row.noticed_at,
        size=size,
        blob=blob,
    )


def _traced(message: MailFetched, began: int, tracing: Tracing) -> TraceContext:
    """Start a mail's trace: live mail when the server announced it, a backfill with the FETCH at ``began``."""
    source, live = message.source, message.lane is Lane.LIVE
    return tracing.record(
        "fetch",
        started=min(began, int(message.noticed_at.timestamp() * 1e9)) if live else began,
        moments={"FETCH": began},
        attributes={
            "leadmail.account": source.account,
            "leadmail.folder": source.folder,
            "leadmail.uidvalidity": source.uidvalidity,
            "leadmail.uid": source.uid,
            "leadmail.copy": source.id,
            "leadmail.lane": message.lane.value,
            "leadmail.size": message.size,
        },
        kind="client",
    )
