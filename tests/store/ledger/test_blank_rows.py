"""Rows of which nothing was read yet, and what a poller's write changes and says that it changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schemas.accounts import Lease
from schemas.ledger import HEADER_UNCLEAR, RowState
from services.store import LeaseLostError, Store
from services.store.core.fence import MongoSession
from tests.factories import row
from tests.store.fixtures import World

NOTHING: dict[str, Any] = {"size": 0}


@pytest.mark.parametrize("known", [{"size": 9}, {"size": 0, "header": b"h" * 16}, {"size": 0, "marks": (b"m" * 16,)}])
async def test_a_row_of_which_anything_was_read_stays(world: World, store: Store, known: dict[str, Any]) -> None:
    """Its size, its header's hash or a mark: any of them was read, so that another window decides nothing again."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    await store.poller_ledger.add_window(lease, [row(mine.id, 1, RowState.UNMATCHED, **known)])
    again = [row(mine.id, 1, RowState.PLANNED), row(mine.id, 2)]
    assert await store.poller_ledger.add_window(lease, again) == {again[0].id}
    assert await world.states(mine.id) == {"unmatched": 1, "planned": 1}


@pytest.mark.parametrize("come", [{"size": 9}, {"size": 0, "header": b"h" * 16}, {"size": 0, "marks": (b"m" * 16,)}])
async def test_a_blank_row_is_decided_again_once_anything_comes(
    world: World, store: Store, come: dict[str, Any]
) -> None:
    """While nothing comes it stays as it is, and so does a blank one that the window does not name."""
    mine = await world.account("a@corp.com")
    lease, blank = world.leases[mine.id], [row(mine.id, uid, RowState.PLANNED, **NOTHING) for uid in (1, 2)]
    await store.poller_ledger.add_window(lease, blank)
    more = [row(mine.id, 1, RowState.UNMATCHED, **NOTHING), row(mine.id, 3)]
    assert await store.poller_ledger.add_window(lease, more) == {blank[0].id}
    assert await world.states(mine.id) == {"planned": 3}
    more = [row(mine.id, 1, RowState.UNMATCHED, **come), row(mine.id, 2, RowState.UNMATCHED, **NOTHING)]
    assert await store.poller_ledger.add_window(lease, more) == {blank[1].id}
    assert await world.states(mine.id) == {"unmatched": 1, "planned": 2}


async def test_a_published_row_keeps_no_doubt(world: World, store: Store) -> None:
    """The mail has come: what its earlier attempts said is over with the confirm, not only with the result."""
    mine = await world.account("a@corp.com")
    lease, one = world.leases[mine.id], row(mine.id, 1, doubt="withheld", doubts=2, retry_at=row(mine.id, 1).noticed_at)
    await store.poller_ledger.add_window(lease, [one.model_copy(update={"withheld_at": one.retry_at})])
    await store.poller_ledger.published(lease, [one.id])
    found = await store.ledger.get(one.id)
    assert found is not None
    assert (found.state, found.attempts) == (RowState.PUBLISHED, 1)
    assert (found.doubt, found.doubts, found.withheld_at, found.retry_at) == (None, 0, None, None)


async def test_only_undecided_rows_are_planned_again_and_counted(world: World, store: Store) -> None:
    """Unmatched rows and those with an unclear header; rows skipped for another reason stay. No rows: none changed."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    rows = [
        row(mine.id, 1, RowState.UNMATCHED),
        row(mine.id, 2, RowState.SKIPPED, reason=HEADER_UNCLEAR),
        row(mine.id, 3, RowState.SKIPPED, reason="too-large"),
    ]
    await store.poller_ledger.add_window(lease, rows)
    assert await store.poller_ledger.replan(lease, []) == 0
    assert await store.poller_ledger.replan(lease, [one.id for one in rows]) == 2
    found = {one.uid: one.state.value async for one in store.ledger_counts.rows(mine.id)}
    assert found == {1: "planned", 2: "planned", 3: "skipped"}


async def test_a_lease_that_is_lost_before_the_commit_leaves_rows_as_they_were(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another poller has the account by then: what this one wrote in its transaction never was."""
    mine = await world.account("a@corp.com")
    lease, one = world.leases[mine.id], row(mine.id, 1)
    await store.poller_ledger.add_window(lease, [one])
    fence = store.poller_ledger._fence
    write = fence.write

    async def lost(held: Lease, body: Callable[[MongoSession], Awaitable[Any]]) -> Any:
        async def then_lose(session: MongoSession) -> Any:
            await body(session)
            raise LeaseLostError("lost")

        return await write(held, then_lose)

    monkeypatch.setattr(fence, "write", lost)
    with pytest.raises(LeaseLostError):
        await store.poller_ledger.published(lease, [one.id])
    assert await world.states(mine.id) == {"planned": 1}
