"""Notices what changes in one mailbox on one connection: by IDLE and NOTIFY if the server has them, otherwise by polling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

from schemas.ledger import Folder
from services.mailbox.imap import (
    ImapSession,
    MailboxEvents,
    RefusedError,
    Selected,
    primary,
    same_uids,
    wait_for_events,
)
from services.poller.copies import removals
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.sync.command_pace import CommandPace
from services.poller.sync.folder_changes import FolderTracker
from services.poller.sync.folder_snapshot import FolderSnapshot
from services.poller.sync.live_sync import LiveSync, now

SOON = 1.0
"""Seconds until the folders are listed again after an answer that lacked one."""


class MailboxWatcher:
    """Keeps an account up to date with its mailbox."""

    def __init__(
        self,
        context: AccountContext,
        fetcher: BodyFetcher,
        session: ImapSession,
        *,
        poll_seconds: float,
        idle_seconds: float,
        wake: asyncio.Event,
        leave: asyncio.Event | None = None,
        idles: bool = True,
        checked: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Setting ``wake`` triggers a check; with ``leave`` set, too, the watcher ends after that check.

        ``checked`` is called after each check.
        """
        self._context = context
        self._session = session
        self._live = LiveSync(context, fetcher, session)
        self._folders = FolderTracker(context, session)
        self._poll_seconds = poll_seconds
        self._idle_seconds = idle_seconds
        self._wake = wake
        self._idles = idles and "IDLE" in session.capabilities
        self._snapshots: dict[str, FolderSnapshot] = {}
        self._nonexistent: set[str] = set()
        """Ids of folders that did not exist at the last check, though the server may list them."""
        self._unseen: set[str] = set()
        """Ids of folders where mail was announced and none with a new uid was found."""
        self._round = 0
        self._leave = leave
        self._event_pace, self._check_pace = CommandPace(), CommandPace()
        self._checked = checked

    async def run(self) -> None:
        """Watch until the connection is lost, background work needs it, or the task is cancelled."""
        await self._session.prepare()
        notified_of_all = self._idles and await self._session.watch_all()
        while True:
            self._wake.clear()
            async with self._paced(self._check_pace):
                await self.check()
            if self._checked is not None:
                await self._checked()
            if self._leave is not None and self._leave.is_set():
                return
            pause = self._idle_seconds if notified_of_all and self._idles else self._poll_seconds
            end = monotonic() + max(min(SOON, pause) if self._folders.doubtful else pause, self._check_pace.seconds)
            while (left := end - monotonic()) > 0 and not self._wake.is_set():
                async with self._paced(self._event_pace):
                    events = await self._wait(left)
                    if events.everything or events.expunged:
                        end = min(end, monotonic() + self._check_pace.seconds)
                        if end <= monotonic():
                            break
                    await self._process(events)
                await self._pause(min(self._event_pace.seconds, max(0.0, end - monotonic())))

    @asynccontextmanager
    async def _paced(self, pace: CommandPace) -> AsyncIterator[None]:
        """Note what the commands of the block cost, unless they brought mail: a server may report changes for ever that are none."""
        commands, mails = self._session.commands, self._live.taken
        try:
            yield
        finally:
            if self._live.taken > mails:
                pace.refill()
            elif self._round > 1 or pace is self._event_pace:  # the first check compares everything
                pace.spend(self._session.commands - commands)

    async def check(self) -> None:
        """Check every folder. New mail comes first everywhere, so that moved mail is known at its new place before the old copy goes."""
        listed, statuses = await self._session.list_folders()
        await self._folders.add_new(listed)
        changed = []
        self._nonexistent.clear()
        selected = self._context.selected
        self._round += 1
        for index, folder in enumerate(selected):
            # STATUS of the open folder may be stale (RFC 3501 section 6.3.10). Without CONDSTORE it says nothing about
            # flags: check them in one folder per round.
            turn = not self._session.condstore and index == self._round % len(selected)
            if turn or folder.raw_name == self._session.selected:
                changed.append(folder.id)
                continue
            status = statuses.get(folder.raw_name) or await self._status(folder)
            if status is not None and self._differs(folder, status):
                changed.append(folder.id)
        await self._sync(changed)
        await self._folders.drop_missing(listed, self._nonexistent)
        # A folder that is gone and comes back unchanged must be checked again.
        existing = {folder.id for folder in self._context.selected}
        self._snapshots = {
            folder_id: snapshot for folder_id, snapshot in self._snapshots.items() if folder_id in existing
        }

    async def _status(self, folder: Folder) -> dict[str, int] | None:
        try:
            return await self._session.status(folder.raw_name)
        except RefusedError as error:
            if error.throttled:
                raise
            if error.nonexistent:
                self._nonexistent.add(folder.id)
            return None

    def _differs(self, folder: Folder, status: dict[str, int]) -> bool:
        shown = FolderSnapshot.of_status(status)
        if (seen := self._snapshots.get(folder.id)) is not None:
            # The known folder may be older than the snapshot: opening an epoch updates all folders.
            if shown.uidvalidity == folder.uidvalidity:
                return shown != seen
            return not same_uids(folder, shown.uidvalidity, shown.uidnext)
        if folder.checked_at is None:
            return True  # recreated, perhaps by a poller that died before it dropped the stale rows
        known = (folder.uidvalidity, folder.live_next, folder.highestmodseq)
        # A modification sequence covers expunges, too. Without it, a folder is compared once after each start.
        return not self._session.announces_vanished or (shown.uidvalidity, shown.uidnext, shown.highestmodseq) != known

    async def _open(self, folder: Folder) -> tuple[Folder, Selected] | None:
        try:
            return await self._live.open(folder)
        except RefusedError as error:
            if error.throttled:
                raise
            self._context.log.info("folder cannot be opened", folder=folder.id, error=str(error)[:100])
            return None

    async def _sync_new(self, folder: Folder) -> None:
        opened = await self._open(folder)
        if opened is not None:
            folder, selected = opened
            if selected.uidnext > folder.live_next:
                await self._live.new_mail(folder, noticed_at=now(), uidnext=selected.uidnext)

    async def _sync_changes(self, folder: Folder) -> None:
        """Store flags and expunges."""
        opened = await self._open(folder)
        if opened is None:
            return
        folder, selected = opened
        if selected.uidnext > folder.live_next:
            # It arrived after ``_sync_new``. The snapshot below includes it, so no later check would find it.
            await self._live.new_mail(folder, noticed_at=now(), uidnext=selected.uidnext)
            folder = self._context.folders[folder.id]
        seen = self._snapshots.get(folder.id)
        await self._live.flags(folder, selected.highestmodseq)
        grown = seen is not None and selected.exists > seen.messages and selected.uidnext <= seen.uidnext
        if (grown or folder.id in self._unseen or selected.uidnext < folder.live_next) and await self._live.find_unseen(
            folder, selected.exists
        ):
            self._session.selected = None  # what the server reported meanwhile is not in the snapshot below
        self._unseen.discard(folder.id)
        folder = self._context.folders.get(folder.id, folder)
        fresh = seen is None or seen.uidvalidity != selected.uidvalidity
        if not (self._session.announces_vanished and selected.highestmodseq):
            came = selected.uidnext - seen.uidnext if seen else 0
            if seen is None or fresh or selected.exists < seen.messages + came:
                await self._live.find_expunged(folder, selected.exists)
        if fresh and folder.cursor <= 1:
            await removals.drop_superseded(self._context, folder)
        self._snapshots[folder.id] = FolderSnapshot.of_selected(selected)

    async def _wait(self, seconds: float) -> MailboxEvents:
        """Keep the folder open where new mail arrives, and wait for events."""
        events = MailboxEvents(exists=self._session.exists)
        folder = primary(self._context.selected)
        if folder is None or not self._idles:
            await self._pause(seconds)
            return events
        if self._session.selected != folder.raw_name:
            opened = await self._open(folder)
            if opened is None:
                await self._pause(seconds)
                return events
            folder, selected = opened
            events.exists = selected.exists
            shown = FolderSnapshot.of_selected(selected)
            if shown != self._snapshots.get(folder.id):
                events.everything = True  # it changed while another folder was open
                return events
        for line in self._session.unsolicited():  # sent with the answers to other commands: IDLE does not repeat it
            events.add(line)
        if not events:
            try:
                await wait_for_events(self._session, events, seconds=min(seconds, self._idle_seconds), wake=self._wake)
            except RefusedError as error:
                if error.passing:
                    raise
                self._idles = False  # it offers IDLE and refuses it: the next rounds poll
                self._context.log.info("the server refuses to idle", error=str(error)[:100])
        self._session.exists = events.exists
        return events

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _process(self, events: MailboxEvents) -> None:
        """Synchronise what changed in the open folder, then in the others."""
        moment = events.at or now()
        folder = primary(self._context.selected)
        if folder is not None and folder.raw_name == self._session.selected:
            events.others.discard(folder.raw_name)
            if events.new and not await self._live.new_mail(folder, noticed_at=moment):
                self._unseen.add(folder.id)
            if events.flags:
                await self._live.flags(self._context.folders[folder.id])
            if events.new or events.flags:
                self._snapshots.pop(folder.id, None)
        await self._sync([other.id for other in self._context.selected if other.raw_name in events.others])

    async def _sync(self, folders: list[str]) -> None:
        """Synchronise the new mail of some folders, then their flags and expunges."""
        for step in (self._sync_new, self._sync_changes):
            for folder_id in folders:
                if folder_id in self._context.folders:
                    await step(self._context.folders[folder_id])
