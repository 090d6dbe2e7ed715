"""Leases and workers, when one changes while the other is being requested."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

import pytest
import structlog
from bson import Timestamp
from prometheus_client import CollectorRegistry

from schemas.accounts import Account, AccountState, Lease
from services.poller.account_worker import AccountWorker
from services.poller.connections.starts import Starts
from services.poller.copies.metrics import PollerMetrics
from services.poller.supervisor import REVIEW_ROUNDS, Supervisor
from services.runtime.tasks import cancel_and_wait
from services.store import Heartbeats, Store
from tests.factories import account as account_of

LOG = structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(50))


class Worker:
    """A worker that runs until it is cancelled."""

    may_start: asyncio.Event | None = None
    """Set when it may go on with its start."""

    def __init__(self, starts: Starts) -> None:
        self.starts = starts
        self.ended = False

    async def run(self) -> None:
        """Start when it is its turn, and wait."""
        try:
            async with self.starts:
                if self.may_start is not None:
                    await self.may_start.wait()
            await asyncio.Event().wait()
        finally:
            self.ended = True

    def update_account(self, account: Account) -> None:
        """Note what the account is now."""
        self.account = account

    async def finish(self) -> None:
        """Do nothing: no notes are left."""


class Leases:
    """Leases in memory: acquiring always returns the same accounts."""

    def __init__(self) -> None:
        self.token = 0
        self.wanted = 1
        self.free = ["a" * 24]
        self.lost: list[Lease] = []
        self.during: Any = None
        self.changed: dict[str, Timestamp] = {}
        self.released: list[set[str]] = []
        self.next_end: float | None = None
        self.asked = 0

    async def heartbeat(self, _poller: str) -> Heartbeats:
        """Report this poller, and another if one is given that is about to be dead."""
        return Heartbeats(1, self.next_end)

    async def share(self, _pollers: int) -> int:
        """Return everything."""
        return len(self.free)

    async def acquire(self, poller: str, _share: int, *, at_most: int) -> list[Lease]:
        """Hand out the accounts whenever they are requested."""
        assert at_most
        self.asked += 1
        if not self.wanted:
            return []
        self.wanted -= 1
        self.token += 1
        return [Lease(account=account, holder=poller, token=self.token) for account in self.free]

    async def renew(self, _leases: list[Lease]) -> list[Lease]:
        """Return the lost leases; something else happens meanwhile."""
        if self.during is not None:
            await self.during()
        return self.lost

    async def fresh(self) -> bool:
        """Return nothing: no account was just connected."""
        return False

    async def changes(self) -> dict[str, Timestamp]:
        """Return what users changed."""
        return self.changed

    async def leave(self, _poller: str) -> None:
        """Nothing to do."""

    async def release(self, leases: Sequence[Lease]) -> None:
        """Note who was released, call by call."""
        if leases:
            self.released.append({lease.account for lease in leases})


class Accounts:
    """One account, which its owner may pause."""

    def __init__(self) -> None:
        self.state = AccountState.ACTIVE
        self.reads: list[set[str]] = []

    async def of_ids(self, accounts: Iterable[str]) -> dict[str, Account]:
        """Return them."""
        return {account: account_of("ann@firm.example", id=account, state=self.state) for account in accounts}

    async def of_holder(self, _poller: str, accounts: Collection[str]) -> dict[str, Account]:
        """Return those that are asked for."""
        self.reads.append(set(accounts))
        return await self.of_ids(accounts)


class Ledger:
    """A ledger in which nothing waits."""

    async def waiting(self, _accounts: object) -> set[str]:
        """Return nothing."""
        return set()


class MarkKeys:
    """Announcements, which are not looked at."""

    async def announce(self, _poller: str) -> None:
        """Do nothing."""

    async def leave(self, _poller: str) -> None:
        """Do nothing."""


class StubStore:
    """The part of the store that the supervisor uses."""

    def __init__(self) -> None:
        self.leases = Leases()
        self.accounts = Accounts()
        self.ledger = Ledger()
        self.mark_keys = MarkKeys()


def supervised(stub: StubStore, *, lease_seconds: float = 3) -> tuple[Supervisor, list[Worker]]:
    """Return a supervisor on a stub, and the workers that it creates."""
    workers, starts = list[Worker](), Starts(1)

    def make(_account: Account, _lease: Lease) -> AccountWorker:
        workers.append(Worker(starts))
        return cast("AccountWorker", workers[-1])

    return Supervisor(
        cast("Store", stub),
        make,
        starts,
        name="p1",
        lease_seconds=lease_seconds,
        metrics=PollerMetrics(CollectorRegistry()),
        log=LOG,
    ), workers


async def test_a_lease_that_is_lost_while_its_account_is_dropped_is_no_error() -> None:
    """The owner pauses the account at the moment when its lease is found lost: the heartbeat continues."""
    stub = StubStore()
    supervisor, workers = supervised(stub)
    await supervisor.take_share()
    await asyncio.sleep(0)

    async def paused() -> None:
        stub.accounts.state = AccountState.PAUSED
        await supervisor.follow_accounts()

    stub.leases.during, stub.leases.lost = paused, [Lease(account="a" * 24, holder="p1", token=1)]
    await supervisor.keep_leases()
    assert supervisor.account_count == 0
    assert workers[0].ended


async def test_an_account_whose_lease_expired_has_one_worker() -> None:
    """A process paused past its lease takes its own account again: the worker of the old lease ends first."""
    stub = StubStore()
    supervisor, workers = supervised(stub)
    await supervisor.take_share()
    await asyncio.sleep(0)
    stub.leases.wanted = 1
    await supervisor.take_share()
    assert [worker.ended for worker in workers] == [True, False]
    assert supervisor.account_count == 1
    await supervisor.stop()


async def test_few_accounts_are_read_in_a_round_and_every_change_is_followed() -> None:
    """Changed accounts are read in the next round; each of the others, whose change an older version does not mark, in its turn."""
    stub = StubStore()
    stub.leases.free = [f"{number:024x}" for number in range(2 * REVIEW_ROUNDS)]
    supervisor, _ = supervised(stub)
    await supervisor.take_share()
    stub.accounts.reads.clear()
    changed = stub.leases.free[-1]
    for moment in (1, 1, 2):
        stub.leases.changed = {changed: Timestamp(moment, 1), "f" * 24: Timestamp(moment, 1)}
        await supervisor.follow_accounts()
    assert [changed in read for read in stub.accounts.reads] == [True, False, True]
    for _ in range(REVIEW_ROUNDS - 3):
        await supervisor.follow_accounts()
    assert max(map(len, stub.accounts.reads)) == 3
    assert set[str]().union(*stub.accounts.reads) == set(stub.leases.free)
    await supervisor.stop()


async def test_a_worker_that_ended_is_dropped_in_the_next_round() -> None:
    """Its account is read though nothing of it changed, and released."""
    stub = StubStore()
    stub.leases.free = [f"{number:024x}" for number in range(2 * REVIEW_ROUNDS)]
    supervisor, workers = supervised(stub)
    await supervisor.take_share()
    await asyncio.sleep(0)
    last = stub.leases.free[-1]
    supervisor.leased[last].task.cancel()
    await asyncio.sleep(0.01)
    assert workers[-1].ended
    await supervisor.follow_accounts()
    assert last not in supervisor.leased
    assert supervisor.account_count == len(stub.leases.free) - 1
    await supervisor.stop()


async def test_leases_are_renewed_while_many_are_taken() -> None:
    """Taking thousands of accounts, or saying which keys it has, may take longer than a lease: what the poller has is renewed."""
    stub = StubStore()
    taking, renewals = asyncio.Event(), 0

    async def acquire(poller: str, _share: int, *, at_most: int) -> list[Lease]:
        await taking.wait()
        return []

    async def count() -> None:
        nonlocal renewals
        renewals += 1
        if renewals == 5:
            taking.set()

    async def announce(_poller: str) -> None:
        await taking.wait()

    stub.leases.acquire, stub.leases.during = acquire, count  # type: ignore[method-assign]
    stub.mark_keys.announce = announce  # type: ignore[method-assign]
    supervisor, _ = supervised(stub, lease_seconds=0.03)
    loops = [asyncio.create_task(loop) for loop in supervisor.loops()]
    async with asyncio.timeout(60):
        await taking.wait()
    await cancel_and_wait(*loops)
    await supervisor.stop()


async def test_no_more_accounts_are_taken_while_the_last_ones_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the leases are renewed meanwhile. The next ones follow at once when all of them had their turn."""
    may_start, renewals = asyncio.Event(), 0
    monkeypatch.setattr("services.poller.supervisor.LEASE_BATCH", 3)
    monkeypatch.setattr(Worker, "may_start", may_start)
    stub = StubStore()
    stub.leases.free = [f"{number:024x}" for number in range(3)]

    async def count() -> None:
        nonlocal renewals
        renewals += 1

    stub.leases.during = count
    supervisor, workers = supervised(stub, lease_seconds=0.3)
    monkeypatch.setattr("services.poller.supervisor.LATE", 1e9)
    loops = [asyncio.create_task(loop) for loop in supervisor.loops()]
    async with asyncio.timeout(60):
        while not workers or renewals < 5:  # noqa: ASYNC110 - the loops have nothing else to wait for
            await asyncio.sleep(0.01)
        assert (stub.leases.asked, len(workers)) == (1, 3)
        may_start.set()
        while stub.leases.asked < 2:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    await cancel_and_wait(*loops)
    await supervisor.stop()


async def test_a_lease_lasts_from_when_its_renewal_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow answer does not make it last longer."""
    stub, now = StubStore(), 0.0
    monkeypatch.setattr("services.poller.supervisor.monotonic", lambda: now)
    supervisor, _ = supervised(stub, lease_seconds=30)

    async def answers_late() -> None:
        nonlocal now
        now += 16

    stub.leases.during = answers_late
    await supervisor.keep_leases()
    await supervisor.take_share()
    assert stub.leases.asked == 0
    await supervisor.stop()


async def test_a_poller_that_renews_late_takes_no_more() -> None:
    """It would lose what it has, to take what the others can have. Once it is in time again, it takes its share."""
    stub = StubStore()
    supervisor, workers = supervised(stub, lease_seconds=0)
    await supervisor.take_share()
    assert (stub.leases.asked, len(workers)) == (0, 0)
    supervisor, workers = supervised(stub, lease_seconds=600)
    await supervisor.take_share()
    assert (stub.leases.asked, len(workers)) == (1, 1)
    await supervisor.stop()


async def test_accounts_are_released_together_and_none_waits_for_the_slowest() -> None:
    """A poller that stops asks the database once for most of its accounts, and once more for one that takes its time."""
    stub = StubStore()
    stub.leases.free = [f"{number:024x}" for number in range(300)]
    supervisor, workers = supervised(stub)
    await supervisor.take_share()
    slow = asyncio.Event()

    async def finish() -> None:
        await slow.wait()

    workers[7].finish = finish  # type: ignore[method-assign]
    stopping = asyncio.create_task(supervisor.stop())
    async with asyncio.timeout(60):
        while sum(map(len, stub.leases.released)) < 299:  # noqa: ASYNC110 - until then nothing ends
            await asyncio.sleep(0.01)
        calls = len(stub.leases.released)
        slow.set()
        await stopping
    assert calls < 30
    assert len(stub.leases.released) == calls + 1
    assert set().union(*stub.leases.released) == set(stub.leases.free)


async def test_the_accounts_of_a_poller_that_dies_are_asked_for_when_its_leases_end() -> None:
    """The next round comes then, not a third of a lease after the last one."""
    stub = StubStore()
    supervisor, _ = supervised(stub, lease_seconds=7200)
    stub.leases.next_end = 0.01
    loops = [asyncio.create_task(loop) for loop in supervisor.loops()]
    async with asyncio.timeout(60):
        while stub.leases.asked < 3:  # noqa: ASYNC110 - the loop has nothing else to wait for
            await asyncio.sleep(0.01)
    await cancel_and_wait(*loops)
    await supervisor.stop()
