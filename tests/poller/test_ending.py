"""Cancelling the work on an account, whatever it is doing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog
from prometheus_client import CollectorRegistry

from schemas.ledger import EpochState
from services.mailbox.imap import ConnectionLostError, ImapSession
from services.poller.account_worker import AccountWorker, Timing
from services.poller.connections.background_slots import BackgroundSlots
from services.poller.connections.starts import Starts
from services.poller.copies.metrics import PollerMetrics
from services.poller.sync import backfill
from services.poller.sync.background_sync import BackgroundSync
from services.runtime.tasks import cancel_and_wait, raise_if_cancelled, run_isolated
from services.store import LeaseLostError
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until

LOG = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
)


class DroppingConnector:
    """A connector whose connections break at the moment when the tasks that wait for them are cancelled."""

    def __init__(self) -> None:
        self.waited_for = asyncio.Event()
        self.calls = 0

        self.budgets = SimpleNamespace(of=lambda _account, _provider: None)

    def provider(self, _: Any) -> None:
        """Return no provider."""

    async def connect(self, _: Any, _budget: Any, **_purpose: Any) -> Any:
        """Wait, and fail when cancelled, like a task group in which something else fails at the same time."""
        self.calls += 1
        self.waited_for.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionLostError("the connection was dropped") from None


async def no_folders(_: str) -> list[Any]:
    """Return no folders."""
    return []


async def test_work_ends_although_its_cancellation_was_lost() -> None:
    """Work whose connection breaks while it is cancelled does not continue: its supervisor waits for it."""
    connector: Any = DroppingConnector()
    context: Any = SimpleNamespace(
        account=SimpleNamespace(id="a" * 24, epoch=0, resync_requested=True, trouble=None, grant=""),
        lease=None,
        store=SimpleNamespace(folders=SimpleNamespace(of=no_folders)),
        metrics=PollerMetrics(CollectorRegistry()),
        log=LOG,
        folders={},
        selected=[],
    )
    worker = AccountWorker(context, connector, Timing(), BackgroundSlots(1), Starts())
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        await connector.waited_for.wait()
        await cancel_and_wait(task)
    assert task.done()
    assert connector.calls == 1


def worker_of(**fields: Any) -> AccountWorker:
    """Return a worker for an account that has nothing."""
    context: Any = SimpleNamespace(
        account=SimpleNamespace(id="a" * 24, trouble=None),
        lease=None,
        metrics=PollerMetrics(CollectorRegistry()),
        log=LOG,
        **{"store": None, **fields},
    )
    connector: Any = DroppingConnector()
    return AccountWorker(context, connector, Timing(), BackgroundSlots(1), Starts())


async def _breaks() -> None:
    await asyncio.sleep(0.01)
    raise ConnectionLostError("in the middle")


async def _last_member_breaks() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_breaks())


async def _is_cancelled_by_a_driver() -> None:
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    broken.cancel()
    await broken


@pytest.mark.parametrize("trouble", [_last_member_breaks, _is_cancelled_by_a_driver])
async def test_failed_work_is_started_again(trouble: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Work that was not cancelled is restarted after any error: bodies that fail after a sealed backfill, a driver that cancels."""
    again = asyncio.Event()
    calls = 0

    async def part() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await trouble()
        again.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(worker_of()._recovery.keep_running(part, "live", lambda: "live"))
    waiting = asyncio.create_task(again.wait())
    await asyncio.wait({task, waiting}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert again.is_set()
    assert not task.done()
    await cancel_and_wait(task)


class LosesCancellation:
    """A command to the database that ends at the moment when its caller is cancelled, so that the driver loses the cancellation.

    ``asyncio.wait_for`` of Python 3.11, in which the driver sends, does so.
    """

    def __init__(self, answer: Any) -> None:
        self.sent = asyncio.Event()
        self._answer = answer

    async def __call__(self, *_: Any, **__: Any) -> Any:
        """Wait to be cancelled, and answer then; a second time it is like any other command."""
        if not self.sent.is_set():
            self.sent.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return self._answer
        return await asyncio.Event().wait()


async def test_a_backfill_ends_although_the_end_of_its_neighbour_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Background work goes on behind a backfill: it never waits for ever for the task that fetched late bodies beside it."""
    lost, planned = LosesCancellation([]), list[bool]()

    async def rows(_account: str, *, late: bool) -> Any:
        planned.append(late)
        return await lost() if late else []

    account = SimpleNamespace(id="a" * 24, epoch=1, resync_requested=False)
    store = SimpleNamespace(
        ledger=SimpleNamespace(planned=rows),
        epochs=SimpleNamespace(
            get=_answer(SimpleNamespace(state=EpochState.ENUMERATING, number=1)), complete_if_done=_answer(False)
        ),
    )
    context: Any = SimpleNamespace(account=account, store=store, log=LOG)
    fetcher: Any = SimpleNamespace(settle=_answer(None))
    work = BackgroundSync(context, fetcher, opened=lambda: None)

    class Backfill:
        def __init__(self, *_: Any) -> None: ...

        async def run(self) -> None:
            work.wake.set()
            await lost.sent.wait()

    monkeypatch.setattr(backfill, "Backfill", Backfill)
    async with asyncio.timeout(10):
        await work.run(cast("ImapSession", None))
    assert planned == [False, True, False]


async def test_a_lost_cancellation_ends_a_task_that_runs_over_and_over() -> None:
    """One task of an account fails for good: the other one ends, too, though it was cancelled while it stored that it works."""
    lost = LosesCancellation(None)

    async def works() -> None:
        await asyncio.sleep(0)

    async def fails() -> None:
        await lost.sent.wait()
        raise LeaseLostError

    async def both() -> None:
        keep = worker_of()._recovery.keep_running
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep(works, "background", lambda: "backfill", then=lost))
            tasks.create_task(keep(fails, "live", lambda: "live"))

    running = asyncio.create_task(both())
    await asyncio.wait({running}, timeout=10)
    assert running.done()
    assert isinstance(running.exception(), ExceptionGroup)


def _answer(value: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def answer(*_: Any, **__: Any) -> Any:
        return value

    return answer


async def test_cancelling_waits_for_isolated_work() -> None:
    """Also if that work does not end at the first cancellation: nothing continues unnoticed."""
    refused = 0

    async def stubborn() -> None:
        nonlocal refused
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if (refused := refused + 1) > 1:
                    raise

    task = asyncio.create_task(run_isolated(stubborn()))
    await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await cancel_and_wait(task)
    assert refused == 2


async def test_a_stopped_poller_publishes_nothing_twice(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """SIGTERM during a backfill: it exits 0, confirmed messages are marked, and its successor continues after them."""
    text = "a line of the text\r\n" * 2_000  # takes the poller longer than this test takes to notice that it has begun
    for _ in range(1200):
        mailbox.append(mail(CLIENT, body=text))
    await world.know(CLIENT)
    world.finishing = False
    account = await world.connect(mailbox.user)
    poller = world.start_poller()
    await until(lambda: len(world.fetched) >= 50, "bodies are being published", world)
    assert poller.stop() == 0

    async def quiet() -> bool:
        depths = await world.bus.queue_depths()
        return not any(depth.ready for queue, depth in depths.items() if queue.startswith("parser.mail-fetched"))

    await until(quiet, "everything that was published is here", world)
    states = await world.states(account)
    assert len(world.fetched) < 1200, "it was stopped in the middle"
    assert states["published"] == len(world.fetched), "marked as published is what was published, no more and no less"
    world.start_poller()
    await until(lambda: len(world.fetched) >= 1200, "the rest", world, seconds=60)
    assert len({message.source.id for message, _ in world.fetched}) == len(world.fetched) == 1200


async def test_a_swallowed_cancellation_is_raised_again() -> None:
    """Nothing is raised in a task that was not cancelled; in one that swallowed its cancellation it is raised again."""
    raise_if_cancelled()

    async def swallows() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise_if_cancelled()

    task = asyncio.create_task(swallows())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
