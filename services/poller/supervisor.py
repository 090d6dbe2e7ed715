"""Which accounts this poller works on: leases its fair share, follows what owners change, drops what it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Any

import structlog

from schemas.accounts import Account, AccountState, Lease
from services.poller.account_worker import AccountWorker
from services.poller.connections.starts import Starts
from services.poller.copies.metrics import PollerMetrics
from services.poller.leased_account import LeasedAccount, login_differs, release_as_they_end
from services.runtime.failures import describe
from services.runtime.periodic import periodic
from services.runtime.tasks import cancel_and_wait
from services.store import LeaseLostError, Store

LEASE_BATCH = 250
"""Accounts that are leased together. The next ones follow when these have started."""
FOLLOW_SECONDS = 1.0
DEATH_MARGIN = 0.1
"""Seconds from the end of a poller's last heartbeat until its accounts are leased."""
REVIEW_ROUNDS = 600
"""In how many rounds every account is read again, changed or not: an older version does not mark what it changes."""
LATE = 1 / 2
"""The share of a lease that may pass since the last renewal before no more accounts are taken."""
MakeWorker = Callable[[Account, Lease], AccountWorker]


class Supervisor:
    """Runs one worker per leased account."""

    def __init__(
        self,
        store: Store,
        make: MakeWorker,
        starts: Starts,
        *,
        name: str,
        lease_seconds: float,
        metrics: PollerMetrics,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """``name`` is unique to this process; a lease that is not renewed ends after ``lease_seconds``.

        ``starts`` is where the workers that ``make`` returns take turns.
        """
        self._store = store
        self._make = make
        self._starts = starts
        self._name = name
        self._lease_seconds = lease_seconds
        self._metrics = metrics
        self._log = log
        self._leased: dict[str, LeasedAccount] = {}
        self._changes: dict[str, object] = {}
        """The changes of the last minute that were followed."""
        self._unreviewed: list[str] = []
        self._ended: set[str] = set()
        """The accounts whose workers ended by themselves."""
        self._renewed = monotonic()
        self._new_accounts = asyncio.Event()
        self._deathwatch: asyncio.TimerHandle | None = None
        metrics.accounts.set_function(lambda: self.account_count)

    @property
    def account_count(self) -> int:
        """How many accounts this poller works on."""
        return len(self._leased)

    @property
    def leased(self) -> Mapping[str, LeasedAccount]:
        """The accounts that this poller works on, by their ids. It follows."""
        return self._leased

    def loops(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """Return the loops to run: three every third of a lease, the second also when there are accounts to take; one every second."""
        beat = self._lease_seconds / 3
        return (
            periodic("leases", self.keep_leases, seconds=beat, log=self._log),
            periodic("share of accounts", self.take_share, seconds=beat, log=self._log, wake=self._new_accounts),
            periodic("keys of marks", self._announce, seconds=beat, log=self._log),
            periodic("accounts", self.follow_accounts, seconds=FOLLOW_SECONDS, log=self._log),
        )

    async def keep_leases(self) -> None:
        """Renew the leases and send a heartbeat. No other work delays it: a poller that is late loses what it works on."""
        await asyncio.gather(self._renew(), self._store.leases.heartbeat(self._name))

    async def _announce(self) -> None:
        await self._store.mark_keys.announce(self._name)

    async def take_share(self) -> None:
        """Release what exceeds the fair share, and lease what is free.

        Where many are free, it leases some, and looks again when they have started: meanwhile other pollers may have come, and
        a start of thousands at once would keep all of them from the database. A poller that is too busy to renew in time takes no
        more: that would cost it those that it has.
        """
        # Before the share is computed: a blocked account counts for no poller, and another would be released for it.
        await self._release([leased for leased in self._leased.values() if leased.task.done()])
        pollers = await self._store.leases.heartbeat(self._name)
        self._wake_at_death(pollers.next_end)
        share = await self._store.leases.share(pollers.alive)
        excess = list(self._leased.values())[share:]
        for leased in excess:
            self._log.info("account released", account=leased.lease.account)
        await self._release(excess)
        if monotonic() - self._renewed > LATE * self._lease_seconds:
            return
        leases = await self._store.leases.acquire(self._name, share, at_most=LEASE_BATCH)
        accounts = await self._store.accounts.of_ids(lease.account for lease in leases)
        for lease in leases:
            if (account := accounts.get(lease.account)) is not None:
                await self._start(lease, account)
        if len(leases) == LEASE_BATCH:
            await self._starts.over()
            self._new_accounts.set()

    def _wake_at_death(self, seconds: float | None) -> None:
        """Take the accounts of a poller that died when its leases end, not at the next round after that."""
        if self._deathwatch is not None:
            self._deathwatch.cancel()
        due = seconds is not None and seconds < self._lease_seconds / 3
        wake, loop = self._new_accounts.set, asyncio.get_running_loop()
        self._deathwatch = loop.call_later((seconds or 0) + DEATH_MARGIN, wake) if due else None

    async def _renew(self) -> None:
        began, leases = monotonic(), [leased.lease for leased in self._leased.values()]
        try:
            lost = await self._store.leases.renew(leases)
            self._renewed = began  # they end a lease after the database was asked, not after it answered
        except Exception:
            # Other pollers take over when the leases end. Their token stops our writes; this stops our reading.
            if monotonic() - self._renewed > self._lease_seconds:
                for leased in list(self._leased.values()):
                    await self._drop(leased, lost=True)
            raise
        for lease in lost:
            current = self._leased.get(lease.account)
            if current is not None and current.lease == lease:  # not dropped and leased again since the question
                self._log.warning("lease lost", account=lease.account)
                await self._drop(current, lost=True)

    async def follow_accounts(self) -> None:
        """Notice accounts that owners connect or change, rows that wait, and workers that ended."""
        if await self._store.leases.fresh():
            self._new_accounts.set()
        if not self._leased:
            return
        changes = await self._store.leases.changes()
        changed = {account for account, at in changes.items() if self._changes.get(account) != at}
        followed = self._leased.keys() & {*changed, *self._ended, *self._next_to_review()}
        accounts = await self._store.accounts.of_holder(self._name, followed)
        for account_id in followed & self._leased.keys():
            leased, account = self._leased[account_id], accounts.get(account_id)
            if account is None:
                self._log.info("account is no longer leased", account=account_id)
            if account is None or account.state is not AccountState.ACTIVE or leased.task.done():
                await self._release([leased])
            elif login_differs(account, leased.account):
                await self._drop(leased)
                # Read again: the worker may have stored something until it ended.
                if (
                    latest := (await self._store.accounts.of_holder(self._name, {account_id})).get(account_id)
                ) is not None:
                    await self._start(leased.lease, latest)
            else:
                leased.account = account
                leased.worker.update_account(account)
        self._changes = changes
        for account_id in await self._store.ledger.waiting(self._leased):
            if account_id in self._leased:
                self._leased[account_id].worker.rows_planned()

    def _next_to_review(self) -> list[str]:
        """Return some accounts to read again."""
        if not self._unreviewed:
            self._unreviewed = list(self._leased)
        count = -(-len(self._leased) // REVIEW_ROUNDS)
        chosen, self._unreviewed = self._unreviewed[:count], self._unreviewed[count:]
        return chosen

    async def stop(self) -> None:
        """Stop every worker and release every account."""
        await self._release(list(self._leased.values()))
        await self._store.leases.leave(self._name)
        await self._store.mark_keys.leave(self._name)

    async def _start(self, lease: Lease, account: Account) -> None:
        if (before := self._leased.get(lease.account)) is not None:
            # Its lease ended while this process was suspended.
            await self._drop(before, lost=True)
        worker = self._make(account, lease)
        task = asyncio.create_task(worker.run(), name=f"account {lease.account}")
        task.add_done_callback(partial(self._note_end, lease.account))
        self._leased[lease.account] = LeasedAccount(lease, account, worker, task)
        self._metrics.taken()
        self._log.info("account leased", account=lease.account, token=lease.token)

    def _note_end(self, account: str, task: asyncio.Task[None]) -> None:
        if (leased := self._leased.get(account)) is not None and leased.task is task:
            self._ended.add(account)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, LeaseLostError):
            self._log.error("worker failed", task=task.get_name(), error=describe(error))

    async def _release(self, several: Sequence[LeasedAccount]) -> None:
        await release_as_they_end(several, end=self._drop, release=self._store.leases.release)

    async def _drop(self, leased: LeasedAccount, *, lost: bool = False) -> None:
        if self._leased.get(leased.lease.account) is leased:
            del self._leased[leased.lease.account]
            self._ended.discard(leased.lease.account)
        await cancel_and_wait(leased.task)
        self._metrics.dropped(leased.lease.account, lost=lost)
