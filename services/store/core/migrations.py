"""Changes of what is stored, for a database that an earlier version made: each runs once, forward, while stages work.

A migration is a coroutine function of the collections, at the end of ``MIGRATIONS``. It

- may be cut off at any point and then runs again from its beginning: doing it twice is doing it once;
- leaves documents that the version before still reads and writes, which runs beside it during an upgrade: it adds. What became
  superfluous goes with the release after that one, by a migration of its own;
- works in small steps (a thousand documents or so a write), so that nobody waits for it;
- finds new collections and indexes made (``setup`` is first).

No number is given twice, and none is taken out once it was released. Going back to the version before needs nothing: it does not
look at what it does not know.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import NamedTuple

from services.store.core.collections import Collections
from services.store.core.documents import now
from services.store.core.pending_work import PendingWork
from services.store.core.singleton_lease import SingletonLease

TURN = "migrations"
SPAN = timedelta(seconds=30)
"""For which a process that died keeps others waiting."""
_LOOK_SECONDS = 0.5


class Migration(NamedTuple):
    """One step from an older layout to the present one."""

    number: int
    name: str
    run: Callable[[Collections], Awaitable[None]]


_EMAILS = 500
"""That one debt names."""


async def _judge_threads(c: Collections) -> None:
    """Have the matcher look again at every email that its thread alone links: the first release asked nobody's own mail about it."""
    part: list[str] = []
    pending = PendingWork(c)
    async for found in c.emails.find({"by_thread": True}, {"_id": 1}):
        part.append(found["_id"])
        if len(part) == _EMAILS:
            await pending.enqueue(emails=part)
            part = []
    if part:
        await pending.enqueue(emails=part)


MIGRATIONS: tuple[Migration, ...] = (Migration(1, "judge threads by each holder's own mail", _judge_threads),)
"""In order."""


async def migrate(c: Collections, migrations: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Run what has not run yet, in order; returns the names of what this process ran.

    One process at a time does; the others wait until everything is done: what they do next counts on it.
    """
    wanted = MIGRATIONS if migrations is None else migrations
    turns, holder, ran = SingletonLease(c), secrets.token_hex(8), list[str]()
    while await _pending(c, wanted):
        if not await turns.take(TURN, holder, SPAN):
            await asyncio.sleep(_LOOK_SECONDS)
            continue
        async with _held(turns, holder):
            for migration in await _pending(c, wanted):  # once more: whoever had the turn before did some
                await migration.run(c)
                done = {"name": migration.name, "at": now()}
                await c.migrations.update_one({"_id": migration.number}, {"$setOnInsert": done}, upsert=True)
                ran.append(migration.name)
    return tuple(ran)


async def _pending(c: Collections, wanted: Sequence[Migration]) -> list[Migration]:
    """Return what is not recorded as done."""
    if not wanted:
        return []
    done = {document["_id"] async for document in c.migrations.find({}, {"_id": 1})}
    return [migration for migration in wanted if migration.number not in done]


@asynccontextmanager
async def _held(turns: SingletonLease, holder: str) -> AsyncIterator[None]:
    """Keep a turn for as long as the block runs, and give it back."""

    async def prolong() -> None:
        while True:
            await asyncio.sleep(SPAN.total_seconds() / 3)
            await turns.take(TURN, holder, SPAN)

    keeper = asyncio.create_task(prolong())
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await turns.give_back(TURN, holder)
