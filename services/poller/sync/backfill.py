"""Bringing in the mail that was there: opens the epoch, walks all folders newest first, seals it. Resumes from its cursors.

While the bodies of one batch are being published, the next window is already on its way from the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.accounts import Epoch, Folder, FolderState
from schemas.identity import copy_id
from schemas.ledger import Row, RowState
from schemas.messages import Lane, SyncCompleted
from services.mailbox.imap import Fetched, ImapSession, RefusedError, plan_folders
from services.poller.sync import relevance, removals
from services.poller.sync.account_context import AccountContext
from services.poller.sync.body_fetcher import BodyFetcher, batches
from services.poller.sync.folder_scan import FolderScan, Window
from services.poller.sync.ledger_repair import verify_folder
from services.store import FolderPatch

PUBLISHING = 3
"""Batches of bodies that are in memory at the same time: one being fetched, two on their way to the broker."""
_UTMOST = datetime.max.replace(tzinfo=UTC)


async def open_epoch(context: AccountContext, session: ImapSession) -> Epoch:
    """Open the account's next backfill: note where each folder ends now; what comes after is live."""
    listed, _ = await session.list_folders()
    planned: dict[str, Folder] = {}
    expected = 0
    for folder in plan_folders(context.account, listed, gmail=session.gmail):
        planned[folder.id] = folder
        if folder.selected:
            old = context.folders.get(folder.id)
            try:
                selected = await session.examine(folder.raw_name)
            except RefusedError:
                planned[folder.id] = folder.model_copy(update={"selected": False, "reason": "refused"})
                continue
            expected += selected.exists
            planned[folder.id] = folder.model_copy(
                update={
                    "uidvalidity": selected.uidvalidity,
                    "uidnext": selected.uidnext,
                    "cursor": selected.uidnext,
                    "live_next": selected.uidnext,
                    # Flags that were changed and that nobody has looked at yet are behind it: what is known is not raised.
                    "highestmodseq": old.highestmodseq
                    if old is not None and old.uidvalidity == selected.uidvalidity and old.highestmodseq is not None
                    else selected.highestmodseq,
                }
            )
    epoch = await context.store.epochs.open(context.lease, planned.values(), expected=expected)
    before = context.folders
    context.folders = {
        number: folder.model_copy(update={"epoch": epoch.number}) for number, folder in {**before, **planned}.items()
    }
    for number, folder in planned.items():
        if not folder.selected and (old := before.get(number)) is not None and old.selected:
            await removals.drop_folder(context, number)  # its owner took it out
    context.log.info("backfill opened", epoch=epoch.number, folders=len(context.selected), expected=expected)
    return epoch


class _Read(NamedTuple):
    """A window with what the server and the ledger say of it."""

    folder: Folder
    """As it was then."""
    window: Window
    messages: list[Fetched]
    known: dict[int, RowState]
    at: datetime


class Backfill:
    """One run over what is left of an epoch."""

    def __init__(self, context: AccountContext, fetcher: BodyFetcher, session: ImapSession, epoch: Epoch) -> None:
        self._context = context
        self._fetcher = fetcher
        self._session = session
        self._epoch = epoch
        self._scans = {folder.id: FolderScan(folder) for folder in context.selected if folder.cursor > 1}
        self._newest = dict.fromkeys(self._scans, _UTMOST)
        """By folder: no mail that is left can be newer than this (uids grow with time, roughly)."""
        self._slots = asyncio.Semaphore(PUBLISHING)

    async def run(self) -> None:
        """Enumerate, verify, seal; return when the bodies are published too."""
        async with asyncio.TaskGroup() as tasks:
            reading = self._read_next(tasks)
            while reading is not None:
                read = await reading
                reading = self._read_next(tasks)
                for rows in batches(await self._take(read)):
                    await self._slots.acquire()
                    tasks.create_task(self._deliver(rows))
            for folder in self._context.selected:
                rows = await verify_folder(self._context, self._session, folder, epoch=self._epoch.number)
                for batch in batches(rows):
                    await self._slots.acquire()
                    tasks.create_task(self._deliver(batch))
            await self._context.store.epochs.seal(self._context.lease, self._epoch.number)
            self._context.log.info("backfill sealed", epoch=self._epoch.number)
        await self._fetcher.settle()
        await complete(self._context, self._epoch.number)

    def _read_next(self, tasks: asyncio.TaskGroup) -> asyncio.Task[_Read] | None:
        """Start reading the window that holds the newest mail of all; None when every folder is through."""
        left = [number for number, scan in self._scans.items() if not scan.done]
        if not left:
            return None
        return tasks.create_task(self._read(self._scans[max(left, key=self._newest.__getitem__)]))

    async def _read(self, scan: FolderScan) -> _Read:
        folder, account = scan.folder, self._context.account.id
        async with self._session.opened(folder):
            window = await scan.next(self._session)
            rows = await self._context.store.ledger.uids(
                account, folder.id, folder.uidvalidity, window.low, window.high
            )
            known = {row.uid: row.state for row in rows}
            # What was not relevant is looked at again: a backfill that was asked for should mend what it can.
            wanted = [uid for uid in window.uids if known.get(uid, RowState.UNMATCHED) is RowState.UNMATCHED]
            messages = await self._session.headers(wanted) if wanted else []
            gone = sorted(known.keys() - set(window.uids))
            if gone:
                await removals.confirm_gone(self._context, self._session, folder, gone)
        dates = [message.internal_date for message in messages if message.internal_date]
        if dates:
            self._newest[folder.id] = min(dates)
        return _Read(folder, window, messages, known, datetime.now(UTC))

    async def _take(self, read: _Read) -> list[Row]:
        """Write a window; returns the rows whose bodies are wanted."""
        folder = read.folder
        decisions, version = await relevance.decide(
            self._context,
            folder,
            read.messages,
            epoch=self._epoch.number,
            noticed_at=read.at,
        )
        state = FolderState.ENUMERATED if read.window.low == 1 else None
        patch = FolderPatch(folder.id, folder.uidvalidity, cursor=read.window.low, state=state)
        present = frozenset(copy_id(folder.account, folder.id, folder.uidvalidity, uid) for uid in read.known)
        rows = await relevance.write_rows(self._context, decisions, version, patch=patch, present=present)
        self._context.remember(folder, cursor=read.window.low, **({"state": state} if state else {}))
        return rows

    async def _deliver(self, rows: Sequence[Row]) -> None:
        try:
            await self._fetcher.deliver(self._session, rows, Lane.BACKFILL)
        finally:
            self._slots.release()


async def complete(context: AccountContext, epoch: int) -> None:
    """Complete a sealed epoch if nothing of it is unfinished, and say so; whoever does it last says it."""
    if await context.store.epochs.complete_if_done(context.account.id, epoch):
        await context.bus.publish(
            SyncCompleted(id=f"{context.account.id}.{epoch}.completed", account=context.account.id, epoch=epoch)
        )
