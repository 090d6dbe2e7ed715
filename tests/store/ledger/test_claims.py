"""No row is claimed twice: of two connections that handle the same rows at the same moment, one gets each row.

Each test holds one connection inside its transaction until the other one reaches the same rows. Each uses its own client, so
that only the database keeps them apart, and no lock within a process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from schemas.accounts import Lease
from schemas.ledger import RowState
from services.store import LeaseLostError, Store, StoreConfig
from services.store.core.fence import MongoSession
from testbed.local import LocalServers
from tests.factories import row
from tests.store.fixtures import World

Body = Callable[[MongoSession], Awaitable[Any]]


@pytest.fixture
async def other(world: World, servers: LocalServers) -> AsyncIterator[Store]:
    """The same store over a second client."""
    async with AsyncMongoClient[dict[str, Any]](servers.mongo_url) as client:
        config = StoreConfig(blind_index_keys={"only": b"k" * 32}, lease_seconds=5)
        yield Store(client[world.database.name], client[world.crm.name], config)


class Held:
    """Holds a store's next fenced write open after it has written and before it commits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
        self.inside, self.release = asyncio.Event(), asyncio.Event()
        fence = store.poller_ledger._fence
        write = fence.write

        async def held(lease: Lease, body: Body) -> Any:
            async def then_wait(session: MongoSession) -> Any:
                result = await body(session)
                self.inside.set()
                await self.release.wait()
                return result

            return await write(lease, then_wait)

        monkeypatch.setattr(fence, "write", held)


async def at_once(held: Held, first: Awaitable[Any], second: Awaitable[Any], *, waits: bool = True) -> tuple[Any, Any]:
    """Run the second call while the first is inside its transaction. Return the results of both.

    Args:
        held: holds the first.
        first: the first call.
        second: the second call.
        waits: whether the second must wait for the first, rather than end at once.
    """
    one = asyncio.ensure_future(first)
    async with asyncio.timeout(30):
        await held.inside.wait()
        two = asyncio.ensure_future(second)
        done, _ = await asyncio.wait({two}, timeout=0.5 if waits else None)
        assert bool(done) is not waits
        held.release.set()
        found = await asyncio.gather(one, two, return_exceptions=True)
    return found[0], found[1]


async def attempts(world: World) -> list[int]:
    """Return how often each row was published."""
    found = world.database["ledger"].find({}, {"attempts": 1}).sort("_id", 1)
    return [document.get("attempts", 0) async for document in found]


async def test_rows_that_two_connections_publish_count_once(
    world: World, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections of one poller note the same rows as published: only one of them moves the rows."""
    mine = await world.account("a@corp.com")
    lease, rows = world.leases[mine.id], [row(mine.id, uid) for uid in (1, 2, 3)]
    await store.poller_ledger.add_window(lease, rows)
    ids = [one.id for one in rows]
    held = Held(monkeypatch, store)
    await at_once(held, store.poller_ledger.published(lease, ids), other.poller_ledger.published(lease, ids))
    assert await attempts(world) == [1, 1, 1]
    assert await world.states(mine.id) == {"published": 3}


async def test_a_window_that_two_connections_add_belongs_to_one(
    world: World, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections add the same window: one inserts the rows, and the other learns that all of them exist."""
    mine = await world.account("a@corp.com")
    lease, rows = world.leases[mine.id], [row(mine.id, uid) for uid in (1, 2, 3)]
    held = Held(monkeypatch, store)
    found = await at_once(
        held, store.poller_ledger.add_window(lease, rows), other.poller_ledger.add_window(lease, rows)
    )
    assert found == (frozenset(), frozenset(one.id for one in rows))
    assert await world.states(mine.id) == {"planned": 3}


async def test_a_row_that_the_matcher_finished_meanwhile_is_not_published_again(
    world: World, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row ends while another connection still takes it for planned: it keeps its final state."""
    mine = await world.account("a@corp.com")
    lease, copy = world.leases[mine.id], row(mine.id, 1)
    await store.poller_ledger.add_window(lease, [copy])
    held = Held(monkeypatch, store)
    await at_once(
        held,
        store.poller_ledger.finish(lease, [copy.id], RowState.SKIPPED, "too-large"),
        other.poller_ledger.published(lease, [copy.id]),
    )
    assert await world.states(mine.id) == {"skipped": 1}
    assert await attempts(world) == [0]


async def test_of_two_pollers_at_the_same_rows_only_the_holder_of_the_lease_gets_them(
    world: World, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poller whose lease was taken over notes rows at the same moment as the new holder: it is refused and moves none."""
    mine = await world.account("a@corp.com")
    late, rows = world.leases[mine.id], [row(mine.id, uid) for uid in (1, 2)]
    await store.poller_ledger.add_window(late, rows[:1])
    await world.database["accounts"].update_one({"_id": mine.id}, {"$unset": {"lease.expires": ""}})
    (lease,) = await other.leases.acquire("poller-2", 1)
    held = Held(monkeypatch, other)
    _, refused = await at_once(
        held,
        other.poller_ledger.published(lease, [rows[0].id]),
        store.poller_ledger.add_window(late, rows[1:]),
        waits=False,
    )
    assert isinstance(refused, LeaseLostError)
    assert await attempts(world) == [1]
    assert await world.states(mine.id) == {"published": 1}
