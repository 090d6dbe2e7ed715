"""Which accounts this poller works on: takes its fair share of leases, follows what owners change, drops at once what it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import structlog

from schemas.accounts import Account, AccountState, Lease
from services.poller.account_worker import AccountWorker
from services.poller.sync.metrics import PollerMetrics
from services.runtime.failures import describe
from services.runtime.tasks import cancel_and_wait
from services.store import LeaseLostError, NotFoundError, Store

AT_ONCE = 50
"""Accounts that are taken before their workers are started."""
MakeWorker = Callable[[Account, Lease], AccountWorker]


@dataclass(slots=True)
class Held:
    """An account in our hands."""

    lease: Lease
    account: Account
    worker: AccountWorker
    task: asyncio.Task[None]


class Supervisor:
    """Runs one worker an account."""

    def __init__(
        self,
        store: Store,
        make: MakeWorker,
        *,
        name: str,
        lease_seconds: float,
        metrics: PollerMetrics,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        """``name`` is this process's, unlike any other's; ``lease_seconds`` how long a lease lives without renewal."""
        self._store = store
        self._make = make
        self._name = name
        self._lease_seconds = lease_seconds
        self._metrics = metrics
        self._log = log
        self._held: dict[str, Held] = {}
        self._renewed = monotonic()
        self.fresh = asyncio.Event()
        """Set when an account was just connected: beat now."""

    @property
    def held(self) -> int:
        """How many accounts are in our hands."""
        return len(self._held)

    async def beat(self) -> None:
        """Say that we live, keep what we hold, take what is free, hand back what is above our share. Call it every third of a lease."""
        await self._renew()
        for held in [held for held in self._held.values() if held.task.done()]:
            await self._drop(
                held, release=True
            )  # a blocked one is nobody's share: another one would be handed back for it
        share = await self._store.leases.share(await self._store.leases.heartbeat(self._name))
        above = list(self._held.values())[share:]
        for held in above:
            self._log.info("account handed back", account=held.lease.account)
        await asyncio.gather(*(self._drop(held, release=True) for held in above))
        while leases := await self._store.leases.acquire(self._name, share, at_most=AT_ONCE):
            for lease in leases:
                await self._start(lease)
            if len(leases) < AT_ONCE:
                break

    async def _renew(self) -> None:
        leases = [held.lease for held in self._held.values()]
        try:
            lost = await self._store.leases.renew(leases)
            self._renewed = monotonic()
        except Exception:
            # Without renewal others take over when the time is up; their token ends our writes, this ends our reading.
            if monotonic() - self._renewed > self._lease_seconds:
                for held in list(self._held.values()):
                    await self._drop(held, release=False, lost=True)
            raise
        for lease in lost:
            ours = self._held.get(lease.account)
            if ours is not None and ours.lease == lease:  # not dropped, and taken again, since we asked
                self._log.warning("lease lost", account=lease.account)
                await self._drop(ours, release=False, lost=True)

    async def follow(self) -> None:
        """Notice what owners connected or changed, rows that wait, and workers that ended. Call it every second."""
        if await self._store.leases.fresh():
            self.fresh.set()
        if not self._held:
            return
        accounts = await self._store.accounts.of_holder(self._name)
        waiting = await self._store.ledger.waiting(self._held)
        for number, held in list(self._held.items()):
            account = accounts.get(number)
            if account is None:
                self._log.info("account taken away", account=number)
            if account is None or account.state is not AccountState.ACTIVE or held.task.done():
                await self._drop(held, release=True)
            elif _other_door(account, held.account):
                await self._drop(held, release=False)
                await self._start(held.lease)
            else:
                held.account = account
                held.worker.changed(account)
                if number in waiting:
                    held.worker.waiting()

    async def stop(self) -> None:
        """Stop every worker and give every account back."""
        await asyncio.gather(*(self._drop(held, release=True) for held in list(self._held.values())))
        await self._store.leases.leave(self._name)

    async def _start(self, lease: Lease) -> None:
        try:
            account = await self._store.accounts.get(lease.account)
        except NotFoundError:
            return
        if (before := self._held.get(lease.account)) is not None:
            await self._drop(
                before, release=False, lost=True
            )  # it ran out in our hands, while this process stood still
        worker = self._make(account, lease)
        task = asyncio.create_task(worker.run(), name=f"account {lease.account}")
        task.add_done_callback(self._ended)
        self._held[lease.account] = Held(lease, account, worker, task)
        self._metrics.taken()
        self._log.info("account taken", account=lease.account, token=lease.token)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, LeaseLostError):
            self._log.error("worker ended", task=task.get_name(), error=describe(error))

    async def _drop(self, held: Held, *, release: bool, lost: bool = False) -> None:
        if self._held.get(held.lease.account) is held:
            del self._held[held.lease.account]
        await cancel_and_wait(held.task)
        self._metrics.dropped(held.lease.account, lost=lost)
        if release:
            await held.worker.finish()
            await self._store.leases.release(held.lease)


def _other_door(now: Account, before: Account) -> bool:
    """Whether the account is to be reached in another way than before: new password, other server."""
    return (now.credentials, now.incoming, now.provider) != (before.credentials, before.incoming, before.provider)
