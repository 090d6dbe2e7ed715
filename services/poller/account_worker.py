"""One leased account: a connection that follows the mailbox, and one for bulk work (backfill, bodies for late contacts)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from schemas.accounts import Account, FolderState
from schemas.messages import AccountAttention
from services.amqp.delivery.bus import Bus
from services.mailbox.connection import Code, MailServerError, SealError
from services.mailbox.imap import ConnectionLostError, ImapSession, RefusedError, UidValidityChangedError
from services.poller.connections.backoff import ConnectionBackoff
from services.poller.connections.connection_slots import ConnectionSlots
from services.poller.connections.connector import Connector
from services.poller.connections.errors import BlockedError, deciding_error, is_connection_limit
from services.poller.sync.account_context import AccountContext
from services.poller.sync.background_sync import BackgroundSync
from services.poller.sync.body_fetcher import BodyFetcher
from services.poller.sync.mailbox_watcher import MailboxWatcher
from services.poller.sync.reconcile import until_due
from services.runtime.failures import describe, is_bug, trace
from services.runtime.tasks import run_isolated
from services.store import FolderChangedError, LeaseLostError

LINGER = 30.0
"""Seconds that the bulk connection stays after its work, in case there is more."""
BREATH = 0.2
"""Seconds between two turns of bulk work on the only connection: work that cannot be done at the moment must not spin."""
REAP_EVERY = 30.0
CHANGED = (RefusedError, UidValidityChangedError, FolderChangedError)
"""A folder is gone, or another one by now: whoever watches finds out."""
EXPECTED = (*CHANGED, ConnectionLostError, MailServerError, SealError)
"""What happens on the way to other people's servers; anything else is logged as an error, and tried again all the same."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The settings that concern one account's work, in seconds."""

    poll: float = 60.0
    idle: float = 300.0
    reaper: float = 900.0
    reconcile: float = 21_600.0
    connections: int = 2


class AccountWorker:
    """Runs until it is cancelled, the lease is lost, or the account is blocked."""

    def __init__(
        self, context: AccountContext, connector: Connector, timing: Timing, backfills: asyncio.Semaphore
    ) -> None:
        """``backfills`` bounds how many of this process's accounts do bulk work at the same time."""
        self._context = context
        self._connector = connector
        self._timing = timing
        self._bulks = backfills
        self._fetcher = BodyFetcher(context)
        provider = connector.provider(context.account)
        self._idles = provider is None or "poll" not in provider.quirks
        limit = min(timing.connections, provider.connections if provider else timing.connections)
        self._trouble = ConnectionBackoff()
        self._turns = ConnectionSlots(self._connect, self._trouble, limit)
        self._known = asyncio.Event()
        """The folders are known: there is something to watch."""
        self._bulk = BackgroundSync(context, self._fetcher, opened=self._opened)
        self._wake_live = asyncio.Event()

    async def finish(self) -> None:
        """Note what became of mail that was on its way when the work ended; call it before the account is given back."""
        await self._fetcher.finish()

    def waiting(self) -> None:
        """Be told that rows are planned."""
        self._bulk.wake.set()

    def changed(self, account: Account) -> None:
        """Be told what the account is like now; the servers and credentials are those that it started with."""
        if account.epoch < self._context.account.epoch:
            return  # read before we opened a backfill
        asked = account.resync_requested and not self._context.account.resync_requested
        self._context.account = account
        if asked:
            self._bulk.wake.set()

    def _opened(self) -> None:
        self._known.set()
        self._wake_live.set()

    async def run(self) -> None:
        """Work on the account.

        Raises:
            LeaseLostError: another poller has it.
        """
        stored = await self._context.store.folders.of(self._context.account.id)
        self._context.folders = {folder.id: folder for folder in stored if folder.state is not FolderState.GONE}
        if self._context.folders and self._context.account.epoch:
            self._known.set()
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    for part in (self._do_bulk, self._watch, self._reap, self._compare):
                        tasks.create_task(self._again(part))
            except BaseExceptionGroup as group:
                cause = deciding_error(group)
                if isinstance(cause, BlockedError):
                    await self._block(cause.code)
                    return
                if self._turns.single or not is_connection_limit(cause):
                    raise cause from None
                self._context.log.info("the server bears one connection only")
                self._turns.limit_to_one()
            finally:
                self._turns.close()

    async def _block(self, code: Code) -> None:
        tried = self._context.account.credentials
        incident = await self._context.store.accounts.block(self._context.lease, code.value, tried=tried)
        if incident is None:
            return  # its owner was quicker: it goes on with what it was given
        self._context.log.warning("account blocked", reason=code.value, incident=incident)
        await tell_owner(self._context.bus, self._context.account.id, code.value, incident)

    async def _again(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do a part of the work again and again, with pauses while it fails."""
        while True:
            try:
                await run_isolated(part())
            except Exception as error:  # noqa: BLE001 - one bad mailbox must not stop the others
                cause = deciding_error(error)
                if isinstance(cause, LeaseLostError | BlockedError) or (
                    is_connection_limit(cause) and not self._turns.single
                ):
                    raise cause from None
                if isinstance(cause, MailServerError) and self._trouble.needs_owner(cause):
                    raise BlockedError(cause.code) from None
                if isinstance(cause, CHANGED):
                    self._wake_live.set()
                pause = self._trouble.pause(cause)
                self._context.metrics.trouble(
                    cause.code if isinstance(cause, MailServerError) else type(cause).__name__
                )
                if isinstance(cause, EXPECTED):
                    self._context.log.info("connection trouble", error=str(cause)[:200], pause=round(pause, 1))
                else:
                    details = {"trace": trace(cause)} if is_bug(cause) else {}
                    # Not log.exception: the text of an error may quote mail.
                    self._context.log.error("account trouble", error=describe(cause), pause=round(pause, 1), **details)  # noqa: TRY400
                await asyncio.sleep(pause)

    async def _connect(self) -> ImapSession:
        return await self._connector.connect(self._context.account)

    async def _watch(self) -> None:
        await self._known.wait()
        async with self._turns.session() as session:
            await MailboxWatcher(
                self._context,
                self._fetcher,
                session,
                poll_seconds=self._timing.poll,
                idle_seconds=self._timing.idle,
                wake=self._wake_live,
                # The one connection that there may be goes to bulk work as soon as there is some.
                leave=self._turns.wanted if self._turns.single else None,
                idles=self._idles,
            ).run()

    async def _do_bulk(self) -> None:
        """Wait for bulk work, then do all there is on one connection."""
        if not await self._bulk.pending():
            await self._bulk.wake.wait()
            if not await self._bulk.pending():
                self._bulk.wake.clear()
                return
        self._turns.wanted.set()
        if self._turns.single:
            self._wake_live.set()
        async with self._turns.session() as session:
            self._turns.wanted.clear()
            await session.prepare()
            while True:
                async with self._bulks:
                    await self._bulk.work_off(session)
                if self._turns.single:
                    break
                try:
                    async with asyncio.timeout(LINGER):
                        await self._bulk.wake.wait()
                except TimeoutError:
                    return
        await asyncio.sleep(BREATH)

    async def _reap(self) -> None:
        """Publish again what has had no final state for long."""
        await asyncio.sleep(min(REAP_EVERY, self._timing.reaper))
        stale = timedelta(seconds=self._timing.reaper)
        count = await self._context.store.ledger.replan_stale(self._context.lease, older_than=stale)
        if count:
            self._context.log.warning("rows without final state are fetched again", count=count)
            self._bulk.wake.set()

    async def _compare(self) -> None:
        """Have the ledger compared with the server now and then: whatever was missed does not stay missed."""
        await self._known.wait()
        await asyncio.sleep(until_due(self._context.selected, self._timing.reconcile))
        self._bulk.compare()
        await self._bulk.compared.wait()


async def tell_owner(bus: Bus, account: str, reason: str, incident: int) -> None:
    """Announce that an account needs its owner: once an incident, the message's id says which."""
    await bus.publish(
        AccountAttention(id=f"{account}.attention.{incident}", account=account, reason=reason, incident=incident)
    )
