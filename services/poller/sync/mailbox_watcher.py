"""Following one mailbox on one connection: told by IDLE and NOTIFY where there are such, else by asking now and then."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import NamedTuple

from schemas.accounts import Folder
from services.mailbox.imap import ImapSession, MailboxEvents, RefusedError, Selected, primary, wait_for_events
from services.poller.sync import removals
from services.poller.sync.account_context import AccountContext
from services.poller.sync.body_fetcher import BodyFetcher
from services.poller.sync.folder_changes import FolderTracker
from services.poller.sync.live_sync import LiveSync, now

SOON = 1.0
"""Seconds until a doubtful answer is asked for again."""


class FolderSnapshot(NamedTuple):
    """How a folder looked when everything in it had been taken over."""

    uidvalidity: int
    uidnext: int
    messages: int
    highestmodseq: int


class MailboxWatcher:
    """The live side of an account."""

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
    ) -> None:
        """``wake`` makes it look at once; with ``leave`` set it ends after its next look at every folder (set ``wake`` too)."""
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
        """Folders of which the server said so at the last look, though it may list them."""
        self._round = 0
        self._leave = leave

    async def run(self) -> None:
        """Watch until the connection is lost, is wanted by others, or we are cancelled."""
        await self._session.prepare()
        told_of_all = self._idles and await self._session.watch_all()
        while True:
            self._wake.clear()
            await self.check()
            if self._leave is not None and self._leave.is_set():
                return
            pause = self._idle_seconds if told_of_all else self._poll_seconds
            end = monotonic() + (min(SOON, pause) if self._folders.doubtful else pause)
            while (left := end - monotonic()) > 0 and not self._wake.is_set():
                events = await self._wait(left)
                if events.everything or events.expunged:
                    break
                await self._take(events)

    async def check(self) -> None:
        """Look at every folder; new mail first everywhere, so that what was moved is known at its new place before it goes from its old."""
        listed, statuses = await self._session.list_folders()
        await self._folders.appeared(listed)
        stirred = []
        self._nonexistent.clear()
        selected = self._context.selected
        self._round += 1
        for number, folder in enumerate(selected):
            # STATUS of the open folder may be stale (RFC 3501 section 6.3.10). Without CONDSTORE nothing tells of flags:
            # one folder a round is looked into for them.
            turn = not self._session.condstore and number == self._round % len(selected)
            if turn or folder.raw_name == self._session.selected:
                stirred.append(folder.id)
                continue
            status = statuses.get(folder.raw_name) or await self._status(folder)
            if status is not None and self._differs(folder, status):
                stirred.append(folder.id)
        await self._follow(stirred)
        await self._folders.disappeared(listed, self._nonexistent)
        # One that comes back as it was is to be looked into all the same.
        there = {folder.id for folder in self._context.selected}
        self._snapshots = {number: seen for number, seen in self._snapshots.items() if number in there}

    async def _status(self, folder: Folder) -> dict[str, int] | None:
        try:
            return await self._session.status(folder.raw_name)
        except RefusedError as error:
            if error.nonexistent:
                self._nonexistent.add(folder.id)
            return None

    def _differs(self, folder: Folder, status: dict[str, int]) -> bool:
        shown = FolderSnapshot(
            status.get("uidvalidity", 0),
            status.get("uidnext", 0),
            status.get("messages", 0),
            status.get("highestmodseq", 0),
        )
        if (seen := self._snapshots.get(folder.id)) is not None:
            # What we know of it may be older than what we saw: a backfill that is opened notes all folders.
            return shown != seen or shown.uidvalidity != folder.uidvalidity
        if folder.checked_at is None:
            return True  # begun anew, perhaps by one who died before he dropped what is void
        known = (folder.uidvalidity, folder.live_next, folder.highestmodseq)
        # A modification sequence says of expunges too; without it, a folder is compared once after each start.
        return not self._session.announces_vanished or (shown.uidvalidity, shown.uidnext, shown.highestmodseq) != known

    async def _open(self, folder: Folder) -> tuple[Folder, Selected] | None:
        try:
            return await self._live.open(folder)
        except RefusedError as error:
            self._context.log.info("folder cannot be opened", folder=folder.id, error=str(error)[:100])
            return None

    async def _new(self, folder: Folder) -> None:
        opened = await self._open(folder)
        if opened is not None:
            folder, selected = opened
            if selected.uidnext > folder.live_next:
                await self._live.new_mail(folder, noticed_at=now(), uidnext=selected.uidnext)

    async def _rest(self, folder: Folder) -> None:
        """Take over flags and expunges."""
        opened = await self._open(folder)
        if opened is None:
            return
        folder, selected = opened
        if selected.uidnext > folder.live_next:
            # It came after ``_new`` looked. What is seen below would not differ from it any more, and nobody look again.
            await self._live.new_mail(folder, noticed_at=now(), uidnext=selected.uidnext)
            folder = self._context.folders[folder.id]
        seen = self._snapshots.get(folder.id)
        await self._live.flags(folder, selected.highestmodseq)
        fresh = seen is None or seen.uidvalidity != selected.uidvalidity
        if not (self._session.announces_vanished and selected.highestmodseq):
            came = selected.uidnext - seen.uidnext if seen else 0
            if seen is None or fresh or selected.exists < seen.messages + came:
                await self._live.compare(folder)
        if fresh and folder.cursor <= 1:
            await removals.drop_superseded(self._context, folder)
        self._snapshots[folder.id] = FolderSnapshot(
            selected.uidvalidity, selected.uidnext, selected.exists, selected.highestmodseq or 0
        )

    async def _wait(self, seconds: float) -> MailboxEvents:
        """Keep the folder open in which new mail arrives, and wait."""
        events = MailboxEvents()
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
            shown = FolderSnapshot(selected.uidvalidity, selected.uidnext, selected.exists, selected.highestmodseq or 0)
            if shown != self._snapshots.get(folder.id):
                events.everything = True  # something happened while another folder was open
                return events
        for line in self._session.unsolicited():  # said among the answers to our commands: IDLE will not say it again
            events.add(line)
        if not events:
            await wait_for_events(self._session, events, seconds=min(seconds, self._idle_seconds), wake=self._wake)
        return events

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _take(self, events: MailboxEvents) -> None:
        """Take over what happened in the open folder, then what happened in others."""
        moment = events.at or now()
        folder = primary(self._context.selected)
        if folder is not None and folder.raw_name == self._session.selected:
            events.others.discard(folder.raw_name)
            if events.new:
                await self._live.new_mail(folder, noticed_at=moment)
            if events.flags:
                await self._live.flags(self._context.folders[folder.id])
            if events.new or events.flags:
                self._snapshots.pop(folder.id, None)
        await self._follow([other.id for other in self._context.selected if other.raw_name in events.others])

    async def _follow(self, folders: list[str]) -> None:
        """Take over new mail of some folders, then flags and expunges of them."""
        for step in (self._new, self._rest):
            for number in folders:
                if number in self._context.folders:
                    await step(self._context.folders[number])
