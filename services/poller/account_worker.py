"""The work on one leased account: background sync and live sync."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from schemas.accounts import Account, Phase
from schemas.ledger import FolderState
from services.mailbox.imap import ImapSession, Wakeup
from services.poller.connections.background_slots import BackgroundSlots
from services.poller.connections.backoff import BlockRule, ConnectionBackoff
from services.poller.connections.connection_slots import ConnectionSlots
from services.poller.connections.connector import Connector
from services.poller.connections.errors import BlockedError, deciding_error, is_connection_limit
from services.poller.connections.starts import Starts
from services.poller.connections.troubles import BACKGROUND, CONNECT, LIVE, TOKENS
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.recovery import Recovery
from services.poller.second_connection import SecondConnection
from services.poller.sync.background_sync import BackgroundSync
from services.poller.sync.folder_rounds import FolderRounds
from services.poller.sync.mailbox_watcher import MailboxWatcher
from services.poller.sync.reconcile import until_due
from services.poller.sync.sent_watcher import SentWatcher
from services.poller.token_timer import TokenTimer
from services.store import Purpose


@dataclass(frozen=True, slots=True)
class Timing:
    """The settings for the work on one account, in seconds."""

    poll: float = 12.0
    idle: float = 300.0
    reconcile: float = 21_600.0
    connections: int = 2
    """Connections at a time."""
    block: BlockRule = field(default_factory=BlockRule)
    blocked_retry: float = 86_400.0
    """Until the login of a blocked account is tried again."""


class AccountWorker:
    """Works until it is cancelled, the lease is lost, or the account is blocked."""

    def __init__(
        self,
        context: AccountContext,
        connector: Connector,
        timing: Timing,
        background_slots: BackgroundSlots,
        starts: Starts,
    ) -> None:
        """``background_slots`` bounds how many accounts of this process do background work at the same time, ``starts`` who begins."""
        self._context = context
        self._starts = starts
        self._connector = connector
        self._timing = timing
        self._fetcher = BodyFetcher(context)
        provider = connector.provider(context.account)
        self._idles = provider is None or "poll" not in provider.quirks
        limit = min(timing.connections, provider.connections if provider else timing.connections)
        backoff = ConnectionBackoff(timing.block)
        self._budget = connector.budgets.of(context.account, provider)
        self._slots = ConnectionSlots(self._connect, backoff, limit)
        self._folders_known = Wakeup()
        self._check_now = Wakeup()
        self._compare_at: float | None = None
        """When the next comparison is due, on the monotonic clock; None if that was not drawn yet."""
        self._background = BackgroundSync(context, self._fetcher, opened=self._epoch_opened)
        self._recovery = Recovery(context, backoff, self._slots, self._check_now)
        self._tokens = TokenTimer(context, connector, backoff, self._recovery)
        self._rounds = FolderRounds(timing.poll)
        self._second = SecondConnection(
            context,
            background=self._background,
            sent=SentWatcher(context, self._rounds, self._check_now, idle_seconds=timing.idle),
            slots=self._slots,
            background_slots=background_slots,
            starts=starts,
            budget=self._budget,
            recovery=self._recovery,
            before_command=self._before_bulk,
            check_now=self._check_now,
        )

    async def finish(self) -> None:
        """Mark the mail that was being published when the worker ended. Call it before the lease is released."""
        await self._fetcher.finish()

    def rows_planned(self) -> None:
        """Take note that rows wait for their bodies."""
        self._background.wake.set()

    async def look_for_marks(self) -> bool:
        """Have rows marked again, a few at a time, if another key made their marks. Returns False if there are none."""
        return not self._folders_known.is_set() or await self._background.look_for_marks()

    def compare_if_due(self) -> None:
        """Have the ledger compared with the server now and then, so that nothing stays missed."""
        if not self._folders_known.is_set() or not self._background.compared.is_set():
            return
        if self._compare_at is None:
            self._compare_at = monotonic() + until_due(self._context.selected, self._timing.reconcile)
        if monotonic() >= self._compare_at:
            self._compare_at = None
            self._background.compare()

    def update_account(self, account: Account) -> None:
        """Take over what the owner changed. The worker keeps the servers and credentials that it started with."""
        if account.epoch < self._context.account.epoch:
            return  # read before this worker opened a backfill
        requested = account.resync_requested and not self._context.account.resync_requested
        self._context.account = account
        if requested:
            self._background.wake.set()

    def _epoch_opened(self) -> None:
        self._folders_known.set()
        self._check_now.set()

    async def run(self) -> None:
        """Work on the account.

        Raises:
            LeaseLostError: another poller has the account.
        """
        async with self._starts:
            stored = await self._context.store.folders.of(self._context.account.id)
        self._context.folders = {folder.id: folder for folder in stored if folder.state is not FolderState.GONE}
        if self._context.folders and self._context.account.epoch:
            self._folders_known.set()
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    run, second = self._recovery.keep_running, self._second
                    background = run(second.run, BACKGROUND, self._background_phase, then=second.rest)
                    tasks.create_task(background, name=BACKGROUND)
                    tasks.create_task(run(self._watch, LIVE, _phase_live), name=LIVE)
                    if self._context.account.grant:
                        tasks.create_task(run(self._tokens.run, TOKENS, _phase_connect), name=TOKENS)
            except BaseExceptionGroup as group:
                cause = deciding_error(group)
                if isinstance(cause, BlockedError):
                    retry = timedelta(seconds=self._timing.blocked_retry)
                    await self._recovery.block(cause.code, retry=retry)
                    return
                if self._slots.single or not is_connection_limit(cause):
                    raise cause from None
                self._context.log.info("the server allows one connection only")
                self._slots.limit_to_one()
            finally:
                self._slots.close()

    def _background_phase(self) -> Phase:
        return self._background.phase

    async def _connect(self, purpose: Purpose) -> ImapSession:
        session = await self._connector.connect(
            self._context.account,
            self._budget,
            purpose=purpose,
            lease=self._context.lease,
            refreshed=self._tokens.note,
        )
        await self._recovery.worked(CONNECT)
        return session

    async def _before_bulk(self, age: float) -> None:
        self._budget.connections.check(self._slots.purpose(bulk=True), age)
        await self._budget.command(bulk=True)

    async def _before_live(self, age: float) -> None:
        self._budget.connections.check(self._slots.purpose(bulk=False), age)
        await self._budget.command(bulk=False)

    async def _checked(self) -> None:
        await self._recovery.worked(LIVE)

    async def _watch(self) -> None:
        await self._folders_known.wait()
        async with self._slots.session() as session:
            session.gate = self._before_live
            await MailboxWatcher(
                self._context,
                self._fetcher,
                session,
                poll_seconds=self._timing.poll,
                idle_seconds=self._timing.idle,
                wake=self._check_now,
                # Background work takes precedence on a single connection.
                leave=self._slots.wanted if self._slots.single else None,
                idles=self._idles,
                checked=self._checked,
                rounds=self._rounds,
            ).run()


def _phase_live() -> Phase:
    return "live"


def _phase_connect() -> Phase:
    return "connect"
