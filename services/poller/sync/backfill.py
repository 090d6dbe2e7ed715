"""Imports existing mail: opens an epoch, walks all folders newest first, seals it. Resumes from the stored cursors.

Fetches the next window while the bodies of the last one are being published.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import NamedTuple

from schemas.identity import copy_id
from schemas.ledger import Epoch, Folder, Row, RowState
from schemas.messages import Lane, SyncCompleted
from services.mailbox.imap import ContradictionError, Fetched, ImapSession, RefusedError, plan_folders
from services.poller.copies import relevance, removals
from services.poller.copies.account_context import REFUSED, AccountContext
from services.poller.copies.body_fetcher import BodyFetcher, batches
from services.poller.copies.folder_scan import FolderScan, Window
from services.poller.copies.header_reader import needs_folder, read_headers
from services.poller.copies.ledger_repair import read_headers_of
from services.poller.sync.comparison import verify_folder
from services.poller.sync.folder_changes import FolderTracker
from services.store import FolderPatch

PUBLISHING = 3
"""Batches of bodies in memory at the same time: one being fetched, two being published."""
REFUSALS = 2
"""A folder is left out of a backfill when the server has refused this many times in a row to open it."""
LISTS = 5
"""How often the folders are asked for at most at the end of a backfill."""
_UTMOST = datetime.max.replace(tzinfo=UTC)


async def open_epoch(context: AccountContext, session: ImapSession) -> Epoch:
    """Open the account's next epoch and note where each folder ends. Later mail is live."""
    listed, _ = await session.list_folders()
    planned: dict[str, Folder] = {}
    doubtful: RefusedError | None = None
    expected = 0
    for folder in plan_folders(context.account, listed, gmail=session.gmail):
        planned[folder.id] = folder
        if folder.selected:
            old = context.folders.get(folder.id)
            try:
                selected = await session.examine(folder.raw_name)
                if selected.exists:  # UIDNEXT may be too low
                    highest = max(await session.present("*"), default=0)
                    selected = selected._replace(uidnext=max(selected.uidnext, highest + 1))
            except RefusedError as error:
                if error.passing or folder.raw_name.upper() == b"INBOX":
                    raise
                context.refused[folder.id] = context.refused.get(folder.id, 0) + 1
                # Dovecot 2.3 lists deleted parents of folders as if they were there.
                if context.refused[folder.id] < REFUSALS and not (
                    error.nonexistent and (old is None or not old.selected)
                ):
                    doubtful = error
                reason = "no-mail" if error.nonexistent else REFUSED
                planned[folder.id] = folder.model_copy(update={"selected": False, "reason": reason})
                continue
            expected += selected.exists
            planned[folder.id] = folder.model_copy(
                update={
                    "uidvalidity": selected.uidvalidity,
                    "uidnext": selected.uidnext,
                    "cursor": selected.uidnext,
                    "live_next": selected.uidnext,
                    # Keep the known value: flags that changed since are not yet synchronised.
                    "highestmodseq": old.highestmodseq
                    if old is not None and old.uidvalidity == selected.uidvalidity and old.highestmodseq is not None
                    else selected.highestmodseq,
                }
            )
    if doubtful is not None:
        raise doubtful
    context.refused.clear()
    epoch = await context.store.epochs.start(context.lease, planned.values(), expected=expected)
    before = context.folders
    context.folders = {
        folder_id: folder.model_copy(update={"epoch": epoch.number})
        for folder_id, folder in {**before, **planned}.items()
    }
    for folder_id, folder in planned.items():
        old = before.get(folder_id)
        if not folder.selected and folder.reason != REFUSED and old is not None and old.selected:
            await removals.drop_folder(context, folder_id)  # the owner excluded it
    await context.store.matcher_ledger.replan_former(context.account.id)
    await context.store.ledger_doubts.try_again(context.lease, epoch=epoch.number)
    context.log.info("backfill opened", epoch=epoch.number, folders=len(context.selected), expected=expected)
    return epoch


class _Read(NamedTuple):
    """A window with what the server and the ledger have in it."""

    folder: Folder
    """As known when the window was read."""
    window: Window
    messages: list[Fetched]
    known: dict[int, RowState]
    at: datetime


class Backfill:
    """One run over the rest of an epoch."""

    def __init__(self, context: AccountContext, fetcher: BodyFetcher, session: ImapSession, epoch: Epoch) -> None:
        self._context = context
        self._fetcher = fetcher
        self._session = session
        self._epoch = epoch
        self._scans = {folder.id: FolderScan(folder) for folder in context.selected if folder.cursor > 1}
        self._newest = dict.fromkeys(self._scans, _UTMOST)
        """By folder id, an upper bound for the date of its remaining mail. Uids roughly grow with time."""
        self._slots = asyncio.Semaphore(PUBLISHING)

    async def run(self) -> None:
        """Enumerate, verify and seal the epoch. Return when the bodies are published, too."""
        async with asyncio.TaskGroup() as tasks:
            reading = self._read_next(tasks)
            while reading is not None:
                read = await reading
                reading = self._read_next(tasks)
                for rows in batches(await self._write(read)):
                    await self._slots.acquire()
                    tasks.create_task(self._deliver(rows))
            await self._confirm_folders()
            for folder in self._context.selected:
                rows = await verify_folder(self._context, self._session, folder, epoch=self._epoch.number)
                for batch in batches(rows):
                    await self._slots.acquire()
                    tasks.create_task(self._deliver(batch))
            await self._context.store.epochs.seal(self._context.lease, self._epoch.number)
            self._context.log.info("backfill sealed", epoch=self._epoch.number)
        await self._fetcher.settle()
        await complete(self._context, self._epoch.number)

    async def _confirm_folders(self) -> None:
        """Ask for the folders until an answer adds none: the first one may have lacked some.

        All mail of a folder that is added is live, and gets its rows, as part of this backfill, when the folder is compared.

        Raises:
            ContradictionError: each answer adds folders.
        """
        tracker = FolderTracker(self._context, self._session)
        for _ in range(LISTS):
            before = {folder.id for folder in self._context.selected}
            listed, _ = await self._session.list_folders()
            async with self._session.between_folders():
                await tracker.add_new(listed)
            if {folder.id for folder in self._context.selected} <= before:
                return
        raise ContradictionError("list-contradicted", "the server lists other folders each time it is asked")

    def _read_next(self, tasks: asyncio.TaskGroup) -> asyncio.Task[_Read] | None:
        """Start to read the window with the newest remaining mail. Return None when every folder is done."""
        remaining = [folder_id for folder_id, scan in self._scans.items() if not scan.done]
        if not remaining:
            return None
        return tasks.create_task(self._read(self._scans[max(remaining, key=self._newest.__getitem__)]))

    async def _read(self, scan: FolderScan) -> _Read:
        folder, account = scan.folder, self._context.account.id
        async with self._session.opened(folder):
            window = await scan.next(self._session)
            rows = await self._context.store.ledger.uids(
                account, folder.id, folder.uidvalidity, window.low, window.high
            )
            known = {row.uid: row.state for row in rows}
            # Decide again on mail that was not relevant: a requested backfill repairs what it can.
            decided = {row.uid for row in rows if not row.undecided}
            wanted = [uid for uid in window.uids if uid not in decided]
            messages = await read_headers_of(self._context, self._session, folder, wanted, self._epoch.number)
            gone = sorted(known.keys() - set(window.uids))
            if gone:
                await removals.confirm_gone(self._context, self._session, folder, gone)
        dates = [message.internal_date for message in messages if message.internal_date]
        if dates:
            self._newest[folder.id] = min(dates)
        return _Read(folder, window, messages, known, datetime.now(UTC))

    async def _write(self, read: _Read) -> list[Row]:
        """Write the rows of a window. Return those whose bodies are wanted."""
        folder = read.folder
        patch = FolderPatch(folder.id, folder.uidvalidity, cursor=read.window.low)
        present = frozenset(copy_id(folder.account, folder.id, folder.uidvalidity, uid) for uid in read.known)
        rows: list[Row] = []
        left: Sequence[Fetched] = read.messages
        async with AsyncExitStack() as stack:
            if any(needs_folder(message) for message in left):
                await stack.enter_async_context(self._session.opened(folder))
            while True:
                group, left = await read_headers(self._context, self._session, left)
                decisions, version = await relevance.decide(
                    self._context, folder, group, epoch=self._epoch.number, noticed_at=read.at
                )
                # The cursor moves with the last group: what lies above it has its rows.
                rows += await relevance.write_rows(
                    self._context, decisions, version, patch=None if left else patch, present=present
                )
                if not left:
                    break
        self._context.update_folder(folder, cursor=read.window.low)
        return rows

    async def _deliver(self, rows: Sequence[Row]) -> None:
        try:
            await self._fetcher.deliver(self._session, rows, Lane.BACKFILL)
        finally:
            self._slots.release()


async def complete(context: AccountContext, epoch: int) -> None:
    """Complete a sealed epoch if none of its rows is unfinished, and announce it."""
    if await context.store.epochs.complete_if_done(context.account.id, epoch):
        await context.bus.publish(SyncCompleted.of(context.account.id, epoch))
