"""What a privacy export and a search cost: they examine what they return, and no more of a company that has grown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from schemas.ledger import RowState
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store.core.documents import now
from services.store.ledger.ledger_rows import row_document
from tests.factories import row
from tests.store.fixtures import World, content

ANN, KIM, ROOT = "ann@corp.com", "kim@acme.com", "root@corp.com"
SCANNED = {"dead_letters"}
"""Nothing is known of mail that could not be read: ``DataSubjects.dead_letters``."""
BETWEEN = 8
"""Index keys that lie between those looked for, and the log's entry about the export before. ``grow`` adds more of everything."""
Look = Callable[[World], Awaitable[object]]


async def _record(world: World) -> RecordRef:
    (found,) = await world.store.data_subjects.records_of(KIM)
    return found


async def _search_on_record(world: World) -> object:
    return await world.store.email_search.search(ANN, "word", record=await _record(world))


LOOKS: dict[str, Look] = {
    "export": lambda world: world.store.exporting.export(KIM, by=ROOT),
    "search": lambda world: world.store.email_search.search(ANN, "word"),
    "search on a record": _search_on_record,
}


async def examined(world: World, look: Look) -> tuple[dict[str, int], set[str]]:
    """Return what a look examines of each collection, and the collections that it scans."""
    await world.database.command("profile", 2)
    try:
        await look(world)
    finally:
        await world.database.command("profile", 0)
    costs: dict[str, int] = {}
    scanned: set[str] = set()
    async for one in world.database["system.profile"].find({"op": {"$in": ["query", "command", "getmore"]}}):
        name = one["ns"].removeprefix(f"{world.database.name}.")
        costs[name] = costs.get(name, 0) + one.get("docsExamined", 0) + one.get("keysExamined", 0)
        if "COLLSCAN" in one.get("planSummary", ""):
            scanned.add(name)
    await world.database["system.profile"].drop()
    return costs, scanned


async def grow(world: World, number: int) -> None:
    """Add mail, rows in every state, folders and log entries that have nothing to do with Kim, and which Ann may not see."""
    other = await world.account(f"other{number}@corp.com", Mode.PRIVATE)
    states = [state for state in RowState if state is not RowState.ATTACHED]
    rows = [
        row(other.id, uid, states[uid % len(states)], marks=(b"m%d" % uid,), updated_at=now() - timedelta(days=2))
        for uid in range(1, 301)
        if states[uid % len(states)] not in (RowState.PLANNED, RowState.PUBLISHED)
    ]
    await world.database["ledger"].insert_many([row_document(one) for one in rows])
    who = f"lee{number}@else.com"
    await world.record(who)
    for name in range(15):
        await world.attach(other, content(f"else {number}.{name}", who, other.address, text="other"))
    for _ in range(50):
        await world.store.audit.add("account.pause", by=other.owner, subject=f"account:{other.id}")


@pytest.fixture
async def company(world: World) -> World:
    """Kim is a contact of Ann's. Rows in every state name Kim."""
    await world.user(ROOT, admin=True)
    ann = await world.account(ANN)
    await world.record(KIM)
    for number in range(3):
        await world.attach(ann, content(f"mail {number}", KIM, ANN, text="a word"))
    (mark, *_) = world.store.data_subjects.hashes_of(KIM)
    others = [state for state in RowState if state is not RowState.ATTACHED]
    rows = [row(ann.id, 100 + number, state, marks=(mark,)) for number, state in enumerate(others)]
    await world.database["ledger"].insert_many([row_document(one) for one in rows])
    return world


@pytest.mark.parametrize("name", LOOKS)
async def test_a_larger_company_costs_the_same(company: World, name: str) -> None:
    """No collection is scanned, and what is examined does not grow with what the answer leaves out."""
    costs = []
    for number in range(3):
        await grow(company, number)
        cost, scanned = await examined(company, LOOKS[name])
        assert scanned - SCANNED == set()
        costs.append(cost)
    grown = {name: cost - costs[0].get(name, 0) for name, cost in costs[-1].items()}
    assert {name: by for name, by in grown.items() if by > BETWEEN} == {}


async def test_an_export_finds_rows_in_every_state(company: World) -> None:
    """Each state of a copy that has only a row is found by one of the indexes."""
    dossier = await company.store.exporting.export(KIM, by=ROOT)
    assert (len(dossier.emails), len(dossier.unread)) == (3, len(RowState) - 1)
