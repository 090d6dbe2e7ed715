"""How many accounts ask the database at the same time when thousands start."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from schemas.ledger import Folder
from services.poller.account_worker import AccountWorker, Timing
from services.poller.connections.background_slots import BackgroundSlots
from services.poller.connections.starts import Starts
from services.poller.copies.metrics import PollerMetrics
from services.runtime.tasks import cancel_and_wait
from tests.poller.test_ending import DroppingConnector

ACCOUNTS, AT_ONCE = 12, 3


class Database:
    """Answers one question at a time, when a test says so, and counts."""

    def __init__(self) -> None:
        self.asking = self.most = self.asked = 0
        self.answer = asyncio.Semaphore(0)

    async def of(self, _account: str) -> list[Folder]:
        """Return no folders."""
        self.asked, self.asking = self.asked + 1, self.asking + 1
        self.most = max(self.most, self.asking)
        try:
            await self.answer.acquire()
        finally:
            self.asking -= 1
        return []


def worker(database: Database, starts: Starts) -> AccountWorker:
    """Return the worker of an account that has nothing yet."""
    context: Any = SimpleNamespace(
        account=SimpleNamespace(id="a" * 24, epoch=0, resync_requested=True, trouble=None, grant=""),
        lease=None,
        store=SimpleNamespace(folders=database),
        metrics=PollerMetrics(CollectorRegistry()),
        log=structlog.get_logger(),
        folders={},
        selected=[],
    )
    connector: Any = DroppingConnector()
    return AccountWorker(context, connector, Timing(), BackgroundSlots(1), starts)


async def test_few_accounts_ask_at_the_same_time() -> None:
    """Each has its turn, one that ends meanwhile gives its own up, and it is known when all have begun."""
    database, starts = Database(), Starts(AT_ONCE)
    tasks = [asyncio.create_task(worker(database, starts).run()) for _ in range(ACCOUNTS)]
    over = asyncio.create_task(starts.over())
    async with asyncio.timeout(20):
        while database.asking < AT_ONCE:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
        await cancel_and_wait(tasks[0], tasks[-1])  # one that asks, and one that waits
        for _ in range(ACCOUNTS - 2 - AT_ONCE):
            assert not over.done()
            database.answer.release()
            asked = database.asked
            while database.asked == asked:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0)
        database.answer.release()
        while not over.done():
            database.answer.release()
            await asyncio.sleep(0)
    assert database.most == AT_ONCE
    assert database.asked == ACCOUNTS - 1
    await cancel_and_wait(*tasks)


async def test_nothing_is_waited_for_when_nothing_starts() -> None:
    """At rest."""
    async with asyncio.timeout(20):
        await Starts().over()
