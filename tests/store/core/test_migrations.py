"""Migrations run once each, in order, in one process while others wait. After an interruption they start again."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from schemas.errors import LayoutError
from services.store.core import migrations
from services.store.core.collections import Collections
from services.store.core.documents import now
from services.store.core.migrations import LEASE, MIGRATIONS, Migration, migrate
from services.store.core.singleton_lease import SingletonLease
from tests.factories import account
from tests.store.fixtures import World


class Steps:
    """Migrations that record their runs. One can be made to fail, another to wait."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.fails = False
        self.began = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.list = (Migration(1001, "first", self._first), Migration(1002, "second", self._second))

    async def _first(self, c: Collections) -> None:
        self.ran.append("first")
        self.began.set()
        await self.gate.wait()
        await c.accounts.update_many({"colour": {"$exists": False}}, {"$set": {"colour": "grey"}})

    async def _second(self, c: Collections) -> None:
        self.ran.append("second")
        if self.fails:
            raise ZeroDivisionError


@pytest.fixture
def steps() -> Steps:
    """Two migrations."""
    return Steps()


@pytest.fixture
def refusals(monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[datetime]:
    """When a process asked for the lease and did not get it."""
    moments = asyncio.Queue[datetime]()
    take = SingletonLease.take

    async def noted(self: SingletonLease, name: str, holder: str, span: timedelta) -> bool:
        taken = await take(self, name, holder, span)
        if not taken:
            moments.put_nowait(now())
        return taken

    monkeypatch.setattr(SingletonLease, "take", noted)
    return moments


@pytest.fixture
def collections(world: World) -> Collections:
    """The collections of the world's store."""
    return world.store._collections


async def test_each_runs_once_in_order(collections: Collections, steps: Steps) -> None:
    """A finished migration is recorded and never runs again. A later version runs only its new one."""
    assert await migrate(collections, steps.list[:1]) == ("first",)
    assert await migrate(collections, steps.list) == ("second",)
    assert await migrate(collections, steps.list) == ()
    assert steps.ran == ["first", "second"]


async def test_old_documents_follow_while_new_ones_are_written(
    world: World, collections: Collections, steps: Steps
) -> None:
    """While a migration runs, stages write in the old layout or the new. Afterwards every document is migrated."""
    await world.store.accounts.add(account("old@corp.com"))
    steps.gate.clear()
    running = asyncio.create_task(migrate(collections, steps.list))
    await steps.began.wait()
    await world.store.accounts.add(account("meanwhile@corp.com"))
    steps.gate.set()
    await running
    assert await collections.accounts.count_documents({"colour": "grey"}) == 2
    assert {each.address for each in await world.store.accounts.get_all()} == {"old@corp.com", "meanwhile@corp.com"}


async def test_one_process_runs_them_and_the_others_wait(
    collections: Collections, steps: Steps, refusals: asyncio.Queue[datetime]
) -> None:
    """One of five concurrent processes migrates. None continues before everything is done."""
    steps.gate.clear()
    starts = [asyncio.create_task(migrate(collections, steps.list)) for _ in range(5)]
    for _ in range(2 * 4):
        await refusals.get()
    assert not any(start.done() for start in starts)
    steps.gate.set()
    done = await asyncio.gather(*starts)
    assert sorted(done) == [(), (), (), (), ("first", "second")]
    assert steps.ran == ["first", "second"]


async def test_what_fails_is_tried_again_by_the_next(collections: Collections, steps: Steps) -> None:
    """An error ends the start and releases the lease. The next start runs what is not done."""
    steps.fails = True
    with pytest.raises(ZeroDivisionError):
        await migrate(collections, steps.list)
    steps.fails = False
    assert await migrate(collections, steps.list) == ("second",)
    assert steps.ran == ["first", "second", "second"]


async def test_a_dead_process_keeps_no_one_waiting_for_long(
    world: World, collections: Collections, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of a dead process expires, and another process runs everything again."""
    monkeypatch.setattr(migrations, "SPAN", timedelta(seconds=1))
    assert await world.store.singleton_lease.take(LEASE, "dead", timedelta(seconds=1))
    async with asyncio.timeout(60):
        assert await migrate(collections, steps.list) == ("first", "second")


async def test_a_long_migration_keeps_its_lease(
    collections: Collections, steps: Steps, refusals: asyncio.Queue[datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second process does not start a migration that takes longer than the lease."""
    span = timedelta(seconds=6)  # a third of it is the keeper's pause: a busy machine is late by less
    monkeypatch.setattr(migrations, "SPAN", span)
    steps.gate.clear()
    starts = [asyncio.create_task(migrate(collections, steps.list)) for _ in range(2)]
    first = await refusals.get()
    while await refusals.get() < first + 1.5 * span:
        pass
    assert steps.ran == ["first"]
    steps.gate.set()
    await asyncio.gather(*starts)


async def test_going_back_needs_nothing(world: World, collections: Collections, steps: Steps) -> None:
    """A version that does not know a finished migration starts and works."""
    await migrate(collections, steps.list)
    assert await migrate(collections, ()) == ()
    assert await world.store.setup() == ()


async def test_a_new_database_counts_as_migrated(world: World, collections: Collections, steps: Steps) -> None:
    """On a database without data the migrations are recorded as done. None runs, and none is announced."""
    await collections.migrations.drop()
    await collections.settings.drop()  # what ``setup`` stores after the migrations
    assert await migrate(collections, steps.list) == ()
    assert steps.ran == []
    assert await migrate(collections, steps.list) == ()
    await world.store.users.add("a@corp.com")
    assert await migrate(collections, (*steps.list, Migration(1003, "third", steps._first))) == ("third",)


async def test_a_database_of_the_first_version_is_not_new(world: World, collections: Collections, steps: Steps) -> None:
    """A database that holds a user but no record of a migration is from a version without migrations: they run."""
    await world.store.users.add("a@corp.com")
    await collections.migrations.drop()
    assert await migrate(collections, steps.list) == ("first", "second")


async def test_numbers_are_unique_and_grow() -> None:
    """The list is sorted by unique numbers, so that no record stands for two migrations."""
    numbers = [each.number for each in MIGRATIONS]
    assert numbers == sorted(set(numbers))


async def test_missing_indexes_are_created_and_others_kept(world: World, collections: Collections) -> None:
    """A database of an earlier version gets missing indexes. An operator's index stays."""
    await collections.ledger.drop_indexes()
    await collections.ledger.create_index("size", name="operators")
    await world.store.setup()
    assert {"unfinished", "marks", "email", "relink", "bcc", "operators"} <= (
        await collections.ledger.index_information()
    ).keys()


async def test_an_index_with_other_properties_is_reported(world: World, collections: Collections) -> None:
    """The index is not dropped silently: the error names it and says what to do."""
    await collections.ledger.drop_index("marks")
    await collections.ledger.create_index("marks", name="marks", sparse=True)
    with pytest.raises(LayoutError, match=r"an index of .*\.ledger with other properties .* Drop it"):
        await world.store.setup()
