"""What an account's second connection does: background work, and between that it idles on the Sent folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from services.mailbox.connection import MailServerError
from services.mailbox.imap import ImapSession, Wakeup
from services.poller.connections.background_slots import BackgroundSlots
from services.poller.connections.budgets import AccountBudget
from services.poller.connections.connection_slots import ConnectionSlots
from services.poller.connections.errors import BudgetSpentError
from services.poller.connections.starts import Starts
from services.poller.connections.troubles import BACKGROUND
from services.poller.copies.account_context import AccountContext
from services.poller.recovery import Recovery
from services.poller.sync.background_sync import BackgroundSync
from services.poller.sync.sent_watcher import SentWatcher

LINGER_SECONDS = 30.0
"""How long the connection stays open without anything to do, in case work arrives."""
SHARED_PAUSE_SECONDS = 0.2
"""Pause between two turns of background work on a single connection, so that work that fails at once does not spin."""


class SecondConnection:
    """Takes turns with the watcher of the mailbox where the server allows one connection only."""

    def __init__(
        self,
        context: AccountContext,
        *,
        background: BackgroundSync,
        sent: SentWatcher,
        slots: ConnectionSlots,
        background_slots: BackgroundSlots,
        starts: Starts,
        budget: AccountBudget,
        recovery: Recovery,
        before_command: Callable[[float], Awaitable[None]],
        check_now: Wakeup,
    ) -> None:
        """``before_command`` is given the connection's age; ``check_now`` wakes the watcher of the mailbox."""
        self._context = context
        self._background = background
        self._sent = sent
        self._slots = slots
        self._background_slots = background_slots
        self._starts = starts
        self._budget = budget
        self._recovery = recovery
        self._before_command = before_command
        self._check_now = check_now
        self._idle = False
        """Whether there was nothing to do."""

    @property
    def _fleeting(self) -> bool:
        """Whether the connection is given back as soon as the work is done: others may want it."""
        return self._slots.single or bool(self._budget.connections.limit)

    async def run(self) -> None:
        """Do all there is to do on one connection, and idle on Sent."""
        wake = self._background.wake
        wake.clear()  # what is found to do below may have set it; what comes later sets it again
        async with self._starts:
            pending = await self._background.pending()
        if not pending:
            await self.worked()
            self._idle = self._fleeting or not await self._sent.ready(wake)
            if self._idle:
                return
        self._slots.wanted.set()
        if self._slots.single:
            self._check_now.set()
        try:
            if not pending:
                await self._budget.logins.require(bulk=True)
            async with self._slots.session(bulk=True) as session:
                self._slots.wanted.clear()
                await self._use(session, pending=pending)
        except (MailServerError, BudgetSpentError) as error:
            if pending:
                raise
            self._sent.failed(error)
        await asyncio.sleep(SHARED_PAUSE_SECONDS)

    async def rest(self) -> None:
        """Wait for something to do if there was nothing. Most accounts are here at rest: in ``run``, they would take a task more."""
        if self._idle:
            self._idle = False
            await self._background.wake.wait()

    async def worked(self) -> None:
        """Note that background work does what it can, and what the server does not deliver at the moment."""
        found = await self._context.store.ledger_doubts.unavailable(self._context.account.id)
        if found is None:
            await self._recovery.worked(BACKGROUND)
        else:
            await self._recovery.troubles.waits(BACKGROUND, folder=found[0], next_try=found[1])

    async def _use(self, session: ImapSession, *, pending: bool) -> None:
        wake = self._background.wake
        session.gate = self._before_command
        await session.prepare()
        while not session.closed:
            if pending:
                async with self._background_slots.hold(session):
                    await self._background.run(session)
                await self.worked()
            if self._fleeting:
                return
            await self._sent.run(session, wake)
            if pending and not session.closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_SECONDS):
                        await wake.wait()
            if not wake.is_set():
                return
            pending = True
