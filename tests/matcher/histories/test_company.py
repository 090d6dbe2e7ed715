"""Property test of the sharing rule: in random histories of a company, every view shows each user what the rule allows."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from pymongo import AsyncMongoClient

from services.matcher.linking.summaries import SummaryKeeper
from services.store import Store, StoreConfig
from testbed.local import LocalServers
from tests.matcher.histories.history import History
from tests.matcher.histories.steps import Step, life
from tests.matcher.histories.viewers import look

LONG = bool(os.environ.get("LEADMAIL_LONG"))
LIVES, CHANGES = int(os.environ.get("LEADMAIL_LIVES", "2000" if LONG else "200")), 8 if LONG else 4
FIRST = int(os.environ.get("LEADMAIL_SEED", "0"))
AT_ONCE = 4
ENOUGH = 200
"""How many histories have everything in them that can happen."""
HAPPENS = frozenset(
    (
        *("policy", "company's policy", "company's domains", "opened domain", "several accounts of a user", "alias"),
        *("domain with a trailing dot", "domain with U-labels", "domain in upper case", "address in another spelling"),
        *("shared address", "readers", "readdress", "restore a record", "merge", "convert"),
        *("keep private: email", "keep private: thread", "share again: email", "share again: thread"),
        "thread kept private that grows",
        *("shared mailbox", "member who joins", "member who leaves", "mailbox that becomes shared"),
        "shared mailbox that becomes an own one",
        "kept private for a team",
        *("delete for everyone", "copy of deleted mail", "undo", "gone", "moved", "flagged", "flag removed"),
        *("disable", "enable", "disconnect on removal", "purge on removal", "transfer on removal"),
        *("disconnect", "purge", "forwarded copy", "Bcc copy", "bounce", "mail marked as not delivered"),
        *("thread attack by received mail", "thread attack by appended mail"),
    )
)
SOMETIMES = 0.4
"""How often all views are checked within a history; they are always checked at its end."""


@pytest.fixture
async def lives(servers: LocalServers, mongo_database: str) -> AsyncIterator[list[History]]:
    """Yield histories with indexes, in separate databases, which are emptied for the next company."""
    made = []
    async with AsyncMongoClient[dict[str, object]](servers.mongo_url) as client:
        names = [f"{mongo_database}_{number}" for number in range(AT_ONCE)]
        for name in names:
            config = StoreConfig(blind_index_keys={"only": b"k" * 32}, readers_field="access.readers")
            store = Store(client[name], client[f"{name}_crm"], config)
            await store.setup()
            made.append(History(store, client[name], client[f"{name}_crm"], SummaryKeeper(store), lists_readers=True))
        yield made
        for name in names:
            await client.drop_database(name)
            await client.drop_database(f"{name}_crm")


async def trouble(of: History, steps: Sequence[Step], seed: int) -> str | None:
    """Run a history and check all views at its end; return the failure, if any."""
    rng = random.Random(seed)
    await of.begin(of.store)
    try:
        for step in steps:
            await of.do(step)
            if step == ("settle",) and rng.random() < SOMETIMES:
                await look(of, rng)
        await of.do(("settle",))
        await look(of, rng)
    except AssertionError as error:
        return str(error).partition("\n")[0] or "an assertion"
    return None


async def shortest(of: History, steps: Sequence[Step], seed: int, why: str) -> tuple[list[Step], str]:
    """Return the shortest history found that still fails, and its failure."""
    steps = list(steps)
    position = len(steps)
    while position > 0:
        position -= 1
        fewer = steps[:position] + steps[position + 1 :]
        if (still := await trouble(of, fewer, seed)) is not None:
            steps, why = fewer, still
            position = min(position, len(steps))
    return steps, why


@pytest.mark.timeout(3600)
async def test_every_user_sees_what_the_design_says(lives: list[History]) -> None:
    """Users, mailboxes, policies, records and mail change in any order, and each view shows what the rule says.

    A narrower policy applies at once, everything else after links have followed. There are 200 histories, or
    ``LEADMAIL_LIVES``; with ``LEADMAIL_LONG=1`` there are 2,000. In 200 of them, everything happens that can.
    """
    seeds = iter(range(FIRST, FIRST + LIVES))
    wrong: list[str] = []

    async def live(of: History) -> None:
        for seed in seeds:
            if len(wrong) > 2:
                return
            steps = life(seed, changes=CHANGES)
            if why := await trouble(of, steps, seed):
                steps, why = await shortest(of, steps, seed, why)
                wrong.append(f"seed {seed}: {why}\n" + "\n".join(f"    {step}" for step in steps))

    await asyncio.gather(*map(live, lives))
    assert not wrong, "\n".join(wrong)
    happened = sum((of.happened for of in lives), Counter[str]())
    print(f"{LIVES} histories: {dict(happened.most_common())}")  # noqa: T201 - the figures of a long run
    assert LIVES < ENOUGH or set(+happened) >= HAPPENS, f"never happened: {sorted(HAPPENS - set(+happened))}"
