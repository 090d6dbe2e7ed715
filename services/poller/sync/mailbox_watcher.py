"""Notices what changes in one mailbox on one connection: by IDLE and NOTIFY if the server has them, otherwise in rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from services.mailbox.imap import (
    IdleUnansweredError,
    ImapSession,
    MailboxEvents,
    RefusedError,
    Wakeup,
    primary,
    wait_for_events,
)
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.sync.command_pace import EVENT_RATE, WATCH_RATE, CommandPace, PacedBlock
from services.poller.sync.folder_check import FolderCheck
from services.poller.sync.folder_rounds import NO_IDS, FolderRounds
from services.poller.sync.folder_snapshot import FolderSnapshot
from services.poller.sync.folder_sync import FolderSync
from services.poller.sync.live_sync import LiveSync, now

SOON, AT_ONCE = 1.0, 0.05
"""Seconds until the next check after an answer that lacked a folder, and while folders are left that were never asked about."""


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
        wake: Wakeup,
        leave: Wakeup | None = None,
        idles: bool = True,
        checked: Callable[[], Awaitable[None]] | None = None,
        rounds: FolderRounds | None = None,
    ) -> None:
        """Setting ``wake`` triggers a check; with ``leave`` set, too, the watcher ends after that check.

        ``checked`` is called after each check. ``rounds`` is what a former watcher of the mailbox knew.
        """
        self._context = context
        self._session = session
        self.rounds = rounds or FolderRounds(poll_seconds)
        self.sync = FolderSync(context, session, LiveSync(context, fetcher, session), self.rounds)
        self.folders = FolderCheck(context, session, self.sync, self.rounds)
        self._poll_seconds = poll_seconds
        self._idle_seconds = idle_seconds
        self._wake = wake
        self._idles = idles and "IDLE" in session.capabilities and self.rounds.idle_works
        self._leave = leave
        self._event_pace, self._pace = CommandPace(EVENT_RATE), CommandPace(WATCH_RATE)
        self._checked = checked

    async def run(self) -> None:
        """Watch until the connection is lost, background work needs it, or the task is cancelled."""
        await self._session.prepare()
        notified_of_all = self._idles and await self._session.watch_all()
        self.rounds.poll = self._idle_seconds if notified_of_all else self._poll_seconds
        try:
            await self._run(alone=self._idles and not notified_of_all)
        finally:
            self.rounds.announced.clear()

    async def _run(self, *, alone: bool) -> None:
        starting: frozenset[str] | None = None
        everything = True
        while True:
            paces = (self._pace,) if starting == NO_IDS else ()
            self._wake.clear()
            with self._paced(*paces):
                await self.check(everything=everything)
            unknown = frozenset(folder.id for folder in self.rounds.unknown(self._context.selected))
            starting = (unknown if starting is None else starting & unknown) or NO_IDS
            if self._checked is not None:
                await self._checked()
            if self._leave is not None and self._leave.is_set():
                return
            if alone and self._idles:
                self.rounds.announced.set()
            everything = False
            end = monotonic() + (AT_ONCE if starting else self._pause_seconds)
            while (left := end - monotonic()) > 0 and not self._wake.is_set():
                with self._paced(self._event_pace, self._pace):
                    events = await self._wait(left)
                    if events is None or events.everything or events.expunged:
                        everything = everything or events is not None
                        end = min(end, monotonic() + self._pace.seconds)
                        if end <= monotonic():
                            break
                    if events is not None:
                        await self._process(events)
                await self._pause(min(self._event_pace.seconds, max(0.0, end - monotonic())))
            everything = everything or (self._wake.is_set() and not self.rounds.hints)
            if self._leave is None:  # else background work waits for the connection
                await asyncio.sleep(self._pace.seconds)  # what idles on Sent may ask for checks without end

    @property
    def _pause_seconds(self) -> float:
        """Seconds until the next round."""
        pause = min(SOON, self.rounds.poll) if self.folders.tracker.doubtful else self.rounds.poll
        return max(pause, self._pace.seconds)

    def _paced(self, *paces: CommandPace) -> PacedBlock:
        return PacedBlock(paces, self._session, self.sync.live)

    async def check(self, *, everything: bool = True) -> None:
        """Check every folder (of many, the busiest), or take one round: the folders whose turn it is."""
        await self.folders.check(everything=everything, room=self._pace.room, idles=self._idles)

    async def _wait(self, seconds: float) -> MailboxEvents | None:
        """Keep the folder open where new mail arrives, and wait for events. Returns None if it changed while another was open."""
        events = MailboxEvents(exists=self._session.exists)
        folder = primary(self._context.selected)
        if folder is None or not self._idles:
            await self._pause(seconds)
            return events
        if self._session.selected != folder.raw_name:
            opened = await self.sync.open(folder)
            if opened is None:
                await self._pause(seconds)
                return events
            folder, selected = opened
            events.exists = selected.exists
            if FolderSnapshot.of_selected(selected) != self.rounds.turns[folder.id].snapshot:
                self.rounds.hints |= {folder.id}
                return None
        for line in self._session.unsolicited():  # sent with the answers to other commands: IDLE does not repeat it
            events.add(line)
        if not events:
            try:
                await wait_for_events(self._session, events, seconds=min(seconds, self._idle_seconds), wake=self._wake)
                self.rounds.idled(answered=True)
            except IdleUnansweredError:
                self.rounds.idled(answered=False)
                raise
            except RefusedError as error:
                if error.passing:
                    raise
                self._idles = False  # it offers IDLE and refuses it: the next rounds poll
                self.rounds.poll = self._poll_seconds
                self.rounds.announced.clear()
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
            events.others -= {folder.raw_name}
            if events.new and not await self.sync.live.new_mail(folder, noticed_at=moment):
                self.sync.unseen |= {folder.id}
            if events.flags:
                await self.sync.announced_flags(self._context.folders[folder.id])
            if events.new or events.flags:
                self.rounds.changed(folder.id)
                self.rounds.turns[folder.id].snapshot = None
        await self.sync.all([other.id for other in self._context.selected if other.raw_name in events.others])
