"""Periodic work that repairs whatever a lost event left undone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from typing import Any

import pytest
import structlog

from schemas.ledger import EpochState
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.matcher import mailbox_changed, sweepers
from services.matcher.completion import sweep_epochs
from services.matcher.sweepers import Sweep, sweep_pending_work, sweeps, under_lease
from services.runtime.periodic import periodic
from services.store.core.documents import now
from tests.amqp.memory import MemoryBus
from tests.factories import account as account_of
from tests.matcher.fixtures import NO_GRACE, World, mail

SPAN, LONG_SPAN = timedelta(seconds=0.6), timedelta(minutes=1)
"""Of leases: one that is to end soon, and one that lasts on a slow machine, too."""
LOG = structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(40))
ANN, BOB, CARLA = "ann@firm.example", "bob@firm.example", "carla@client.example"


def turn(world: World, work: Sweep, holder: str) -> Sweep:
    """Return the work as a periodic task under a lease."""
    return under_lease("sweep", work, store=world.store, holder=holder, span=LONG_SPAN, log=LOG)


async def test_a_backfill_whose_last_event_was_lost_is_completed_once(world: World) -> None:
    """A sealed backfill with nothing unfinished, such as an empty mailbox: two concurrent sweepers announce it once."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    for account in (ann, bob):
        epoch = {"account": account.id, "number": 1, "state": EpochState.SEALED.value, "notification": "none"}
        await world.database["epochs"].insert_one({"_id": f"{account.id}.1", **epoch})
    await world.copy(bob, mail("1", CARLA, BOB), epoch=1)
    bus = MemoryBus()
    await asyncio.gather(*(sweep_epochs(store=world.store, bus=bus) for _ in range(2)))
    assert [message.id for message in bus.published] == [f"{ann.id}.1.completed"]


async def test_a_lost_mailbox_event_is_made_good_by_the_sweeper(world: World) -> None:
    """No event announced that the copy is gone; after the grace its email is removed nevertheless."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    await world.go(copy.source.id)
    await mailbox_changed.sweep_gone(store=world.store, summaries=world.summaries, grace=timedelta(hours=1))
    assert len((await world.snapshot()).emails) == 1, "the grace is not over"
    await mailbox_changed.sweep_gone(store=world.store, summaries=world.summaries, grace=NO_GRACE)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_policy_change_that_was_interrupted_is_finished(world: World) -> None:
    """The policy is stored, but links did not follow: the sweep updates links and summaries."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN)))
    await world.summaries.flush()
    private = account_of(ANN, Mode.PRIVATE).sharing
    await world.store.accounts.save_sharing(ann.id, private)
    world.accounts[ann.id] = ann.model_copy(update={"sharing": private})
    assert await world.snapshot() != world.truth()
    await sweeps(store=world.store, summaries=world.summaries, overdue=SPAN)["policies"]()
    assert await world.snapshot() == world.truth()


async def test_of_several_replicas_one_sweeps(world: World) -> None:
    """While one works, the others skip; when it is done, even with a failure, the next may."""
    inside, release = asyncio.Event(), asyncio.Event()
    count: list[int] = []

    async def work() -> None:
        count.append(1)
        inside.set()
        await release.wait()
        raise ValueError("failed")

    first = asyncio.ensure_future(turn(world, work, "one")())
    await inside.wait()
    await turn(world, work, "two")()
    assert len(count) == 1
    release.set()
    await asyncio.wait([first])
    with pytest.raises(ValueError, match="failed"):
        await turn(world, work, "two")()
    assert len(count) == 2


async def test_a_turn_lasts_as_long_as_its_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work may take many times the lease's span, and no other replica starts meanwhile: the lease is renewed thrice per span."""
    count, intervals = list[int](), list[float]()
    turns = world.database["turns"]

    def hurried(name: str, work: Sweep, *, seconds: float, **options: Any) -> Coroutine[Any, Any, None]:
        intervals.append(seconds)
        return periodic(name, work, seconds=0.01, **options)

    async def wait_and_see() -> None:
        count.append(1)
        for _ in range(3):
            over = now() - LONG_SPAN
            await turns.update_one({"_id": "sweep"}, {"$set": {"until": over}})
            async with asyncio.timeout(60):
                while not await turns.count_documents({"until": {"$gt": over}}):  # noqa: ASYNC110 - another task writes it
                    await asyncio.sleep(0.01)
            await turn(world, nothing, "two")()

    async def nothing() -> None:
        count.append(2)

    monkeypatch.setattr(sweepers, "periodic", hurried)
    await turn(world, wait_and_see, "one")()
    assert (count, intervals) == ([1], [20.0])
    await turn(world, nothing, "two")()
    assert count == [1, 2]


async def test_the_turn_of_one_that_died_is_over_after_its_span(world: World) -> None:
    """A dead process neither renews nor releases its lease."""
    assert await world.store.singleton_lease.take("sweep", "dead", SPAN)
    done = asyncio.Event()

    async def work() -> None:
        done.set()

    async with asyncio.timeout(60):
        while not done.is_set():
            await turn(world, work, "two")()


async def test_pending_work_that_fails_does_not_hold_up_the_rest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is raised once the other work is done, and it stays pending."""
    recompute = world.store.summaries.recompute
    good, bad = RecordRef(kind="lead", id="good"), RecordRef(kind="lead", id="bad")

    async def fail(records: Iterable[RecordRef]) -> None:
        if bad in records:
            raise ValueError("failed")
        await recompute(records)

    monkeypatch.setattr(world.store.summaries, "recompute", fail)
    for record in (bad, good):
        await world.store.pending_work.enqueue(records=[record])
    with pytest.raises(ValueError, match="failed"):
        await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=timedelta(seconds=-1))
    (left,) = await world.store.pending_work.overdue(now() + timedelta(hours=1))
    assert left.records == (bad,)
