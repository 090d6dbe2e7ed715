"""What a look at all accounts costs, and that its counts are right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from schemas.accounts import Account
from schemas.ledger import RowState
from services.store import RowOutcome, Store
from services.store.core.documents import now
from services.store.ledger.cached_counts import KEPT, ROWS_PER_SECOND, SETTLING, KeptCounts
from services.store.ledger.ledger_rows import row_document
from tests.factories import INBOX, row
from tests.store.fixtures import World, key

OLD = now() - timedelta(days=2)


@pytest.fixture
async def mine(world: World) -> Account:
    """An account."""
    return await world.account("a@corp.com")


@asynccontextmanager
async def examined(world: World) -> AsyncIterator[dict[str, int]]:
    """Yield what the database examines of the ledger in the block, once that has ended."""
    found: dict[str, int] = {}
    await world.database.command("profile", 2)
    try:
        yield found
    finally:
        await world.database.command("profile", 0)
        kinds = ("docsExamined", "keysExamined")
        async for one in world.database["system.profile"].find({"ns": f"{world.database.name}.ledger"}):
            for kind in kinds:
                found[kind] = found.get(kind, 0) + one.get(kind, 0)
        await world.database["system.profile"].drop()


async def add(world: World, to: Account, states: dict[RowState, int], **fields: Any) -> None:
    """Add rows that were last written long ago."""
    uid = await world.database["ledger"].count_documents({"account": to.id})
    kinds = [state for state, count in states.items() for _ in range(count)]
    rows = [row(to.id, uid + n, state, updated_at=OLD, **fields) for n, state in enumerate(kinds, 1)]
    await world.database["ledger"].insert_many([row_document(one) for one in rows])


async def test_a_look_at_a_larger_ledger_costs_the_same(world: World, store: Store, mine: Account) -> None:
    """Once rows are counted, another look examines as much of a ledger ten times as large, and has the right numbers."""
    await add(world, mine, {RowState.PLANNED: 3, RowState.UNMATCHED: 97})
    costs = []
    for _ in range(2):
        await store.status.accounts()
        async with examined(world) as cost:
            (line,) = await store.status.accounts()
        costs.append(cost)
        total = await world.database["ledger"].count_documents({"account": mine.id})
        assert line.counts == {RowState.PLANNED: 3, RowState.UNMATCHED: total - 3}
        await add(world, mine, {RowState.UNMATCHED: 900})
        await world.database["ledger_counts"].delete_many({})
    assert costs[0] == costs[1]
    assert costs[0]["docsExamined"] == 0


async def test_a_change_shows_in_the_next_look(world: World, store: Store, mine: Account) -> None:
    """The rows of an account are counted again when one of them was written since, and those of others are not."""
    other = await world.account("b@corp.com")
    for one in (mine, other):
        await add(world, one, {RowState.PLANNED: 2})
    before = {line.account.id: line for line in await store.status.accounts()}
    await store.poller_ledger.finish(world.leases[mine.id], [row(mine.id, 1).id], RowState.UNMATCHED)
    after = {line.account.id: line for line in await store.status.accounts()}
    assert after[mine.id].counts == {RowState.PLANNED: 1, RowState.UNMATCHED: 1}
    assert after[mine.id].counted_at > before[mine.id].counted_at
    assert after[other.id].counted_at == before[other.id].counted_at
    await store.removal.purge(mine.id, by="operator")
    assert [one["_id"] async for one in world.database["ledger_counts"].find()] == [other.id]


AT = now()
SMALL, LARGE = ({RowState.UNMATCHED: count} for count in (ROWS_PER_SECOND - 1, 25 * ROWS_PER_SECOND))
AGAIN: list[tuple[dict[RowState, int], timedelta | None, timedelta, bool]] = [
    (SMALL, -SETTLING, timedelta(0), False),
    (SMALL, -SETTLING / 2, timedelta(0), True),
    (SMALL, timedelta(seconds=1), timedelta(seconds=1), True),
    (LARGE, timedelta(seconds=1), timedelta(seconds=24), False),
    (LARGE, timedelta(seconds=1), timedelta(seconds=25), True),
    (SMALL, -SETTLING, KEPT + timedelta(seconds=1), True),
    (SMALL, None, timedelta(0), True),
    ({}, None, timedelta(0), False),
]
"""Rows; when one was written and when it is, both from when they were counted; whether they are counted again."""


@pytest.mark.parametrize(("rows", "changed", "later", "again"), AGAIN)
def test_large_accounts_are_counted_again_at_a_bounded_rate(
    rows: dict[RowState, int], changed: timedelta | None, later: timedelta, again: bool
) -> None:
    """A count is trusted if no row was written since, and a large one also for a while that grows with it."""
    written = None if changed is None else AT + changed
    assert KeptCounts(rows, AT).counts_again(written, AT + later) is again


Change = Callable[[World, str, str], Awaitable[object]]
"""Of a world, an account and a row."""
EMAIL = key("x")
CHANGES: dict[str, tuple[RowState, str | None, Change]] = {
    "published": (RowState.PLANNED, None, lambda w, a, r: w.store.poller_ledger.published(w.leases[a], [r])),
    "finished by the poller": (
        RowState.PLANNED,
        None,
        lambda w, a, r: w.store.poller_ledger.finish(w.leases[a], [r], RowState.UNMATCHED),
    ),
    "gone": (RowState.UNMATCHED, None, lambda w, a, r: w.store.poller_ledger.gone(w.leases[a], [r])),
    "attached and gone": (RowState.ATTACHED, None, lambda w, a, r: w.store.poller_ledger.gone(w.leases[a], [r])),
    "a draft": (
        RowState.UNMATCHED,
        None,
        lambda w, a, r: w.store.poller_ledger.set_flags(w.leases[a], {r: ["\\Draft"]}),
    ),
    "attached": (
        RowState.PUBLISHED,
        None,
        lambda w, a, r: w.store.matcher_ledger.finish([RowOutcome(r, RowState.ATTACHED, email=EMAIL)]),
    ),
    "unmatched": (
        RowState.PUBLISHED,
        None,
        lambda w, a, r: w.store.matcher_ledger.finish([RowOutcome(r, RowState.UNMATCHED)]),
    ),
    "quarantined": (RowState.PUBLISHED, None, lambda w, a, r: w.store.matcher_ledger.quarantine(r, "parser-died")),
    "off its record": (RowState.ATTACHED, None, lambda w, a, r: w.store.matcher_ledger.unmatch_rows([r])),
    "dropped": (RowState.QUARANTINED, "x", lambda w, a, r: w.store.operator_ledger.drop_quarantined(r, by="ann")),
    "disconnected": (RowState.PLANNED, None, lambda w, a, r: w.store.removal.disconnect(a, by="ann")),
    "stale": (
        RowState.PUBLISHED,
        None,
        lambda w, a, r: w.store.poller_ledger.replan_stale(w.leases[a], older_than=timedelta(0)),
    ),
}
"""Ways in which a row changes its state: the state and the reason before, and what does it."""
SET_BACK: dict[str, tuple[RowState, str | None, Change]] = {
    "for a late contact": (
        RowState.UNMATCHED,
        None,
        lambda w, a, r: w.store.matcher_ledger.replan_by_hashes([b"m" * 16]),
    ),
    "by the poller": (RowState.UNMATCHED, None, lambda w, a, r: w.store.poller_ledger.replan(w.leases[a], [r])),
    "with an unclear header": (
        RowState.SKIPPED,
        "header-unclear",
        lambda w, a, r: w.store.poller_ledger.replan(w.leases[a], [r]),
    ),
    "withheld": (
        RowState.SKIPPED,
        "withheld",
        lambda w, a, r: w.store.ledger_doubts.try_again(w.leases[a], epoch=None),
    ),
    "lost": (RowState.ATTACHED, None, lambda w, a, r: w.store.matcher_ledger.replan_rows([r])),
    "replayed": (RowState.QUARANTINED, "x", lambda w, a, r: w.store.operator_ledger.requeue_quarantined(r)),
}
"""Ways in which a row leaves its final state."""


@pytest.mark.parametrize("name", CHANGES | SET_BACK)
async def test_every_change_of_a_state_makes_an_account_count_again(world: World, mine: Account, name: str) -> None:
    """Whatever changes the state of a row, the next look at all accounts shows it."""
    state, reason, change = (CHANGES | SET_BACK)[name]
    await add(world, mine, {state: 1}, reason=reason, marks=(b"m" * 16,), email=EMAIL, folder=INBOX)
    (before,) = await world.store.status.accounts()
    assert not before.counts.keys() - {state}
    await change(world, mine.id, row(mine.id, 1).id)
    (after,) = await world.store.status.accounts()
    assert after.counts != before.counts
    assert after.counts == await world.store.ledger_counts.counts(mine.id)


@pytest.mark.parametrize("name", SET_BACK)
async def test_a_row_that_is_set_back_counts_from_then(world: World, mine: Account, name: str) -> None:
    """Mail of long ago that a new contact concerns is not overdue at once. A row that never was final keeps its time."""
    state, reason, change = SET_BACK[name]
    await add(world, mine, {state: 1}, reason=reason, marks=(b"m" * 16,), email=EMAIL, noticed_at=OLD)
    moment = now()
    await change(world, mine.id, row(mine.id, 1).id)
    (line,) = await world.store.status.accounts()
    assert line.oldest_unfinished is not None
    assert line.oldest_unfinished >= moment


async def test_a_row_that_never_was_final_keeps_its_time(world: World, store: Store, mine: Account) -> None:
    """What the reaper or the matcher plans again has waited since it was noticed."""
    await add(world, mine, {RowState.PUBLISHED: 2}, noticed_at=OLD)
    await store.poller_ledger.replan_stale(world.leases[mine.id], older_than=timedelta(0))
    await store.matcher_ledger.replan_rows([row(mine.id, 1).id, row(mine.id, 2).id])
    assert await store.ledger_counts.oldest_unfinished([mine.id]) == {mine.id: OLD}
