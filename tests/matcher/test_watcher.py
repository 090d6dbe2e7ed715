"""Changes of leads and contacts in the CRM become events, resumed after a stop without a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import structlog
from bson import ObjectId
from pymongo.errors import AutoReconnect, OperationFailure

from schemas.messages import RecordChanged
from services.matcher.watcher import watch
from services.runtime.tasks import cancel_and_wait
from services.store import RecordChangeBatch
from tests.amqp.memory import MemoryBus
from tests.matcher.fixtures import World

LOG = structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(40))
SPAN = timedelta(seconds=0.9)
DEADLINE = 30.0


async def until(what: Callable[[], bool]) -> None:
    """Wait for a condition that takes milliseconds."""
    async with asyncio.timeout(DEADLINE):
        while not what():  # noqa: ASYNC110 - several things may make it true
            await asyncio.sleep(0.01)


async def saved(world: World) -> None:
    """Wait until the watcher has saved its position."""
    async with asyncio.timeout(DEADLINE):
        while not await world.database["counters"].find_one({"_id": "watch"}):  # noqa: ASYNC110 - in another task's hands
            await asyncio.sleep(0.01)


def told(bus: MemoryBus) -> list[str]:
    """Return the announced records, one entry per event."""
    return [message.record for message in bus.published if isinstance(message, RecordChanged)]


@asynccontextmanager
async def watching(world: World, bus: MemoryBus, holder: str = "one") -> AsyncIterator[None]:
    """Watch in the background; stop as a stage stops its tasks."""
    task = asyncio.create_task(watch(store=world.store, bus=bus, holder=holder, log=LOG, span=SPAN))
    try:
        yield
    finally:
        await cancel_and_wait(task)
        assert task.cancelled(), task.exception()


async def insert(world: World, kind: str = "contacts") -> str:
    """Let the CRM create a record; return its id."""
    result = await world.crm[kind].insert_one({"email": "carla@client.example"})
    return str(result.inserted_id)


async def test_the_first_start_announces_every_record_there_is(world: World) -> None:
    """Without a resume token there is a scan, followed by later changes."""
    there = [await insert(world, kind) for kind in ("leads", "contacts", "contacts")]
    bus = MemoryBus()
    async with watching(world, bus):
        await until(lambda: len(told(bus)) == 3)
        later = await insert(world)
        await until(lambda: len(told(bus)) == 4)
    assert sorted(told(bus)) == sorted([*there, later])


async def test_changes_without_a_watcher_are_announced_at_the_next_start(world: World) -> None:
    """The second start announces exactly the records that were created, changed or deleted meanwhile."""
    kept, changed, deleted = [await insert(world) for _ in range(3)]
    bus = MemoryBus()
    async with watching(world, bus):
        await until(lambda: len(told(bus)) == 3)
        await saved(world)
    created = await insert(world, "leads")
    await world.crm["contacts"].update_one({"_id": ObjectId(changed)}, {"$set": {"email": "new@client.example"}})
    await world.crm["contacts"].delete_one({"_id": ObjectId(deleted)})
    again = MemoryBus()
    async with watching(world, again):
        await until(lambda: len(told(again)) >= 3)
    assert sorted(told(again)) == sorted([created, changed, deleted])
    assert kept not in told(again)


async def test_a_stream_that_the_database_ends_is_restarted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an election that kills the cursor nor a database outage ends the watcher or the matcher."""
    watched = world.store.record_watch.watch
    errors: list[Exception] = [OperationFailure("the cursor was killed", 237), AutoReconnect("connection closed")]

    async def failing(*, idle: float) -> AsyncGenerator[RecordChangeBatch]:
        if errors:
            raise errors.pop()
        async for noticed in watched(idle=idle):
            yield noticed

    monkeypatch.setattr(world.store.record_watch, "watch", failing)
    bus = MemoryBus()
    async with watching(world, bus):
        record = await insert(world)
        await until(lambda: told(bus) == [record])
    assert not errors


async def test_our_own_summaries_are_not_events(world: World) -> None:
    """An update of only the summary field is our own; the CRM's next change is announced."""
    bus = MemoryBus()
    async with watching(world, bus):
        record = await insert(world)
        await until(lambda: told(bus) == [record])
        for count in range(5):
            await world.crm["contacts"].update_one({"_id": ObjectId(record)}, {"$set": {"leadmail": {"count": count}}})
        other = await insert(world)
        await until(lambda: len(told(bus)) > 1)
    assert told(bus) == [record, other]


async def test_a_burst_of_changes_of_one_record_is_few_events(world: World) -> None:
    """Concurrent changes are merged, because handling an event reads the present state."""
    record = await insert(world)
    bus = MemoryBus()
    async with watching(world, bus):
        await until(lambda: told(bus) == [record])
    for number in range(50):
        await world.crm["contacts"].update_one({"_id": ObjectId(record)}, {"$set": {"score": number}})
    last = await insert(world)
    again = MemoryBus()
    async with watching(world, again):
        await until(lambda: last in told(again))
    assert told(again).count(record) < 5


async def test_one_replica_watches_and_another_takes_over(world: World) -> None:
    """While the first holds the lease, the second announces nothing; when the first stops, the second takes over."""
    first, second = MemoryBus(), MemoryBus()
    async with watching(world, second, "two"):
        async with watching(world, first, "one"):
            await insert(world)
            await until(lambda: bool(told(first) or told(second)))
            assert not (told(first) and told(second))
        before = len(told(second))
        late = await insert(world)
        await until(lambda: len(told(second)) > before)
        assert late in told(second)
