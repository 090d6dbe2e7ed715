"""Fetches bodies of relevant mail in batches bounded by bytes, and publishes them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from schemas.ledger import ALONE, MISSING, SHORT, WITHHELD, Folder, Row, RowState
from schemas.messages import Copy, Lane, MailFetched
from services.amqp import TraceContext
from services.mailbox.imap import ImapSession, uid_set
from services.poller.copies.completeness import BEGINNING, END, lacking
from services.poller.copies.doubts import ask_other, doubt
from services.poller.copies.publish_tracker import Outgoing, PublishTracker
from services.poller.copies.removals import APART

if TYPE_CHECKING:
    from services.amqp import Tracing

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
    lacking: int
    """How many of the announced bytes did not come."""


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
        """Return the messages of a batch. Rows whose mail is too large end; those whose mail did not come are doubted."""
        began = time.time_ns()
        mails: list[Outgoing] = []
        blobs: dict[str, str] = {}
        """By row id, for mail that is published by reference."""
        small = [row for row in rows if row.size <= STREAMED]
        async with session.opened(folder):
            found = await self._bodies(session, small)
            if absent := [row for row in small if row.uid not in found]:
                # The session may not know mail that arrived after the folder was opened. SEARCH makes the server look.
                there = await session.existing(uid_set(row.uid for row in absent))
                found |= await self._bodies(session, [row for row in absent if row.uid in there])
            missing = [row for row in small if row.uid not in found]
            short = await self._complete(session, small, found)
            for row in rows:
                if row.size > STREAMED:
                    streamed = await self._stream(session, row)
                    if not streamed.size:
                        missing.append(row)
                    elif streamed.size > self._context.max_bytes:
                        await self._context.store.poller_ledger.finish(
                            self._context.lease, [row.id], RowState.SKIPPED, "too-large"
                        )
                    else:
                        short |= {row.id: streamed.lacking} if streamed.lacking else {}
                        blobs[row.id] = streamed.name
                        mails.append(Outgoing(_message(row, lane, streamed.size, streamed.name), b""))
            if missing:
                await self._doubt_missing(session, missing)
        refused = await self._shortened(short)
        large = [row for row in small if len(found.get(row.uid, b"")) > INLINE and row.id not in refused]
        names = await self._context.store.blobs.put_many([(found[row.uid], None) for row in large])
        blobs |= zip((row.id for row in large), names, strict=True)
        blobs = {row: name for row, name in blobs.items() if row not in refused}
        unheld = await self._context.store.blob_refs.hold(self._context.lease, blobs)  # their rows stay planned
        for row in small:
            if (raw := found.get(row.uid)) is not None:
                blob = blobs.get(row.id)
                mails.append(Outgoing(_message(row, lane, len(raw), blob), b"" if blob else raw))
        mails = [mail for mail in mails if mail.message.source.id not in unheld | refused]
        if (tracing := self._context.tracing) is None:
            return mails
        return [mail._replace(context=_traced(mail.message, began, tracing)) for mail in mails]

    async def _bodies(self, session: ImapSession, rows: Sequence[Row]) -> dict[int, bytes]:
        """Return mails by uid. Those that may break the connection are asked for last, and alone in the end."""
        found: dict[int, bytes] = {}
        by_uid = {row.uid: row for row in rows}
        known = [row for row in rows if row.doubt in ALONE]
        innocent = [row.uid for row in rows if row.doubt not in ALONE]
        groups = self._context.suspects.split(rows[0].folder, innocent) if innocent else []
        for group in [*groups, *([row.uid] for row in known)]:
            if by_uid[group[0]] in known:
                await ask_other(self._context, session, by_uid[group[0]])
            async with self._asking(session, [by_uid[uid] for uid in group]):
                found |= await session.bodies(group)
        return found

    def _asking(self, session: ImapSession, rows: Sequence[Row]) -> AbstractAsyncContextManager[None]:
        """Ask for mails within the block. A single one that breaks the connection is doubted."""

        async def alone(reason: str) -> None:
            await doubt(self._context, [rows[0].id], reason)

        uids = [row.uid for row in rows]
        return self._context.suspects.asking(session, rows[0].folder, uids, alone=alone)

    async def _complete(self, session: ImapSession, rows: Sequence[Row], found: dict[int, bytes]) -> dict[str, int]:
        """Ask for the rest of mails that came in part. Return how many bytes they still lack, by row id."""
        short: dict[str, int] = {}
        for row in rows:
            raw = found.get(row.uid)
            if raw is not None and lacking(raw, raw, len(raw), row.size):
                async with self._asking(session, [row]):
                    rest = [piece async for piece in session.parts(row.uid, row.size, offset=len(raw))]
                raw = found[row.uid] = b"".join((raw, *rest))
                if count := lacking(raw, raw, len(raw), row.size):
                    short[row.id] = count
        return short

    async def _shortened(self, short: Mapping[str, int]) -> frozenset[str]:
        """Doubt mails that the server delivers in part. Return those that are not taken like that yet."""
        if not short:
            return frozenset()
        taken = await doubt(self._context, list(short), SHORT)
        await self._context.store.ledger_doubts.shortened(self._context.lease, {row: short[row] for row in taken})
        return frozenset(short) - taken

    async def _stream(self, session: ImapSession, row: Row) -> Streamed:
        """Store a very large mail as a blob, piece by piece, without a reference to it yet."""
        limit, received = self._context.max_bytes, 0
        head = tail = b""

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal received, head, tail
            async for piece in session.parts(row.uid, row.size):
                received += len(piece)
                head, tail = head or piece[:BEGINNING], (tail + piece)[-END:]
                if received > limit:  # more than RFC822.SIZE said
                    return
                yield piece

        if row.doubt in ALONE:
            await ask_other(self._context, session, row)
        async with self._asking(session, [row]):
            name, _ = await self._context.store.blobs.put_stream(pieces(), None)
        return Streamed(name, received, lacking(head, tail, received, row.size))

    async def _doubt_missing(self, session: ImapSession, rows: Sequence[Row]) -> None:
        """Doubt rows whose body did not come: the mail is gone, or withheld (Microsoft lists deleted mail)."""
        there = await session.existing(uid_set(row.uid for row in rows))
        if gone := [row.id for row in rows if row.uid not in there]:
            await doubt(self._context, gone, MISSING, apart=APART)
        if withheld := [row.id for row in rows if row.uid in there]:
            await doubt(self._context, withheld, WITHHELD)


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
