"""The bounded summary in the CRM's documents: shared mail only, and correct after any number of recomputations."""

from __future__ import annotations

import asyncio

import pytest
from bson import ObjectId

from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store import Store
from services.store.crm.summaries import direction
from tests.store.fixtures import World, content


async def test_the_newest_five_lines_and_the_count(world: World, store: Store) -> None:
    """The summary has the five newest lines and the count of all. Nothing else in the document changes."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com", name="Ann")
    before = await world.crm["leads"].find_one({"_id": ObjectId(record.id)})
    assert before is not None
    for number in range(7):
        sender, to = ("lead@x.com", "a@corp.com") if number % 2 else ("a@corp.com", "lead@x.com")
        await world.attach(mine, content(f"m{number}", sender, to, minutes=number))
    after = await world.crm["leads"].find_one({"_id": ObjectId(record.id)})
    assert after is not None
    summary = after.pop("leadmail")
    assert after == before
    assert summary["count"] == 7
    assert [line["subject"] for line in summary["newest"]] == [f"Subject m{number}" for number in (6, 5, 4, 3, 2)]
    assert [line["direction"] for line in summary["newest"]] == ["out", "in", "out", "in", "out"]
    assert set(summary["newest"][0]) == {"email", "sent_at", "subject", "snippet", "direction", "sender"}


async def test_private_mail_is_never_in_a_summary(world: World, store: Store) -> None:
    """Every CRM user can read the summary, so a record with only private mail has none."""
    mine = await world.account("a@corp.com", Mode.PRIVATE)
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", "a@corp.com"))
    assert await world.summary(record) is None


async def test_several_at_once_and_again_give_the_same(world: World, store: Store) -> None:
    """Concurrent recomputations of one record end with the state of the links."""
    mine = await world.account("a@corp.com")
    record = await world.record("lead@x.com")
    mails = [content(f"m{number}", "lead@x.com", "a@corp.com", minutes=number) for number in range(8)]
    await asyncio.gather(*(world.attach(mine, mail) for mail in mails))
    summary = await world.summary(record)
    assert summary is not None
    assert (summary["count"], summary["newest"][0]["subject"]) == (8, "Subject m7")
    await asyncio.gather(*(store.summaries.recompute([record]) for _ in range(8)))
    again = await world.summary(record)
    assert again is not None
    assert again | {"revision": 0} == summary | {"revision": 0}


async def test_a_deleted_record_gets_no_summary(store: Store) -> None:
    """A summary never recreates a deleted lead."""
    await store.summaries.recompute([RecordRef(kind="lead", id="f" * 24)])
    assert await store.records.newest("lead") == []


@pytest.mark.parametrize(
    ("authors", "roles", "expected"),
    [
        (["lead@x.com"], ["from", "to"], "in"),
        (["own@corp.com"], ["to"], "out"),
        (["list@y.com"], ["cc"], "in"),
        (["law@z.com"], ["to"], "in"),  # a third party's mail to both
        (["form@z.com"], ["reply-to"], "in"),
        (["own@corp.com"], ["reply-to"], "in"),  # a form that writes from the company's own address
        (["own@corp.com"], ["to", "reply-to"], "out"),
        (["boss@corp.com", "own@corp.com"], ["to"], "out"),  # a Sender who wrote for another
        (["own@corp.com", "lead@x.com"], ["sender"], "in"),  # a list that put its own address into From
        (["unknown@z.com"], ["thread"], "in"),
        (["own@corp.com"], ["thread"], "out"),
        ([], ["thread"], "in"),
    ],
)
def test_direction(authors: list[str], roles: list[str], expected: str) -> None:
    """``out`` needs a proven address of ours among the authors; what the record wrote, or asks to be answered by, is ``in``."""
    assert direction(authors, roles, {"own@corp.com"}) == expected
