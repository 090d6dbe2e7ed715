"""Idles on the Sent folder, on the connection that background work does not need, if the server announces one folder at a time.

It notices only. The watcher of the mailbox synchronises what it notices.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

from schemas.ledger import Folder
from services.mailbox.connection import MailServerError
from services.mailbox.imap import (
    ConnectionLostError,
    ContradictionError,
    ImapSession,
    MailboxEvents,
    RefusedError,
    Wakeup,
    primary,
    wait_for_any,
    wait_for_events,
)
from services.poller.connections.errors import BudgetSpentError
from services.poller.copies.account_context import AccountContext
from services.poller.sync.command_pace import SENT_RATE, CommandPace
from services.poller.sync.folder_rounds import FolderRounds
from services.poller.sync.folder_snapshot import FolderSnapshot
from services.runtime.backoff import Backoff, jittered

SETTLE_SECONDS = 30.0
"""How long the only watched folder is INBOX at first: after a start, connections that fetch mail come before this one."""
FIRST_REST, LONGEST_REST = 60.0, 3600.0
"""Seconds without this connection after a failure. The rounds look at the folder, too."""
FAILURES = (ConnectionLostError, ContradictionError, RefusedError, MailServerError, BudgetSpentError)


class SentWatcher:
    """Wakes the watcher of a mailbox when its Sent folder changes."""

    def __init__(self, context: AccountContext, rounds: FolderRounds, wake: Wakeup, *, idle_seconds: float) -> None:
        """``wake`` is the other watcher's."""
        self._context = context
        self._rounds = rounds
        self._wake = wake
        self._idle_seconds = idle_seconds
        self._rest = Backoff(FIRST_REST, LONGEST_REST)
        self._until = 0.0
        self._pace = CommandPace(SENT_RATE)

    @property
    def folder(self) -> Folder | None:
        """The folder to idle on; None if that is of no use now."""
        if not self._rounds.announced.is_set() or monotonic() < self._until:
            return None
        selected = self._context.selected
        return next((folder for folder in selected if folder.role == "sent" and folder is not primary(selected)), None)

    def failed(self, error: Exception) -> None:
        """Note that the connection was refused or lost."""
        self._until = monotonic() + self._rest.next()
        self._context.log.info("the Sent folder is not idled on", error=str(error)[:100])

    async def ready(self, leave: Wakeup) -> bool:
        """Wait until there is a folder to idle on. Returns False if ``leave`` is set before."""
        while not leave.is_set():
            if not self._rounds.announced.is_set():
                await wait_for_any(leave, self._rounds.announced)
            pause = max(jittered(SETTLE_SECONDS), self._until - monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await leave.wait()
            if self.folder is not None:
                break
            if monotonic() >= self._until and self._rounds.announced.is_set():
                await leave.wait()  # the mailbox has no such folder
        return not leave.is_set()

    async def run(self, session: ImapSession, leave: Wakeup) -> None:
        """Idle until ``leave`` is set, there is nothing to idle on any more, or it fails."""
        try:
            await self._run(session, leave)
        except FAILURES as error:
            self.failed(error)
            session.discard()

    async def _run(self, session: ImapSession, leave: Wakeup) -> None:
        started = monotonic()
        while not leave.is_set() and (folder := self.folder) is not None:
            if pause := self._pace.seconds:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await leave.wait()
                continue
            commands = session.commands
            events = MailboxEvents(exists=session.exists)
            if session.selected != folder.raw_name:
                selected = await session.examine(folder.raw_name)
                events.exists = selected.exists
                events.everything = FolderSnapshot.of_selected(selected) != self._rounds.turns[folder.id].snapshot
            for line in session.unsolicited():
                events.add(line)
            if not events:
                await wait_for_events(session, events, seconds=self._idle_seconds, wake=leave)
            session.exists = events.exists
            if events:
                if not events.expunged:  # what was deleted may be in another folder: that is looked for everywhere
                    self._rounds.hints |= {folder.id}
                self._wake.set()
            if monotonic() - started > LONGEST_REST:
                self._rest.reset()
            self._pace.spend(session.commands - commands)
