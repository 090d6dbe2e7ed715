"""Many accounts at rest: what they cost the database, and who works on them when a poller dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from services.store.core.documents import now
from testbed.bench.idle.fixture import add_copies, add_first
from testbed.processes.certificates import make_certificates
from testbed.servers.scripted.process import ScriptedProcess
from tests.poller.fixtures import Poller, PollerEnvironment, until

ACCOUNTS = 40
ROUNDS = 5
"""In which what the poller asks is counted; a round is a second, or more on a busy machine."""


class Fleet:
    """Synchronised accounts on one scripted server, which no poller has."""

    def __init__(self, world: PollerEnvironment, server: ScriptedProcess, ca: Path) -> None:
        self.world, self.server, self._ca = world, server, ca

    def start(self, name: str, **settings: str) -> Poller:
        """Start a poller that trusts the server."""
        return self.world.start_poller(name, ca_file=str(self._ca), **settings)

    async def idle(self, count: int) -> None:
        """Wait until a connection idles for each of so many accounts."""
        await until(lambda: self.server.counts()["idling"] >= count, f"{count} accounts idle", self.world)


@pytest.fixture
async def fleet(world: PollerEnvironment, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Forty accounts: one that was really synchronised, and copies."""
    certificates = make_certificates(tmp_path / "certificates")
    with ScriptedProcess(ACCOUNTS, certificates=certificates, mails=2) as server:
        fleet = Fleet(world, server, certificates.ca)
        first = await add_first(world.store, world.box, server.port)
        poller = fleet.start("first")
        await world.complete(first)
        assert poller.stop() == 0
        c = world.store._collections
        await add_copies(c.client, c.database.name, world.box, first, ACCOUNTS - 1)
        yield fleet


async def asked(world: PollerEnvironment, since: datetime) -> list[dict[str, Any]]:
    """Return what the poller has asked of the server."""
    query = {"appName": "leadmail many", "ts": {"$gt": since}, "op": {"$ne": "killcursors"}}
    return [one async for one in world.store._collections.database["system.profile"].find(query)]


def rounds(operations: list[dict[str, Any]]) -> int:
    """Return in how many rounds the poller looked for new accounts."""
    return sum("lease" in one.get("command", {}).get("filter", {}) for one in operations)


def test_a_poller_may_open_as_many_files_as_the_system_allows() -> None:
    """Each connection is one, and more accounts than the default of 1,024 would stay without."""
    lower = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (200, r.getrlimit(r.RLIMIT_NOFILE)[1]))"
    use = "from services.poller.__main__ import allow_many_connections as allow; allow()"
    code = f"{lower}; {use}; print(*r.getrlimit(r.RLIMIT_NOFILE))"
    soft, hard = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.split()
    assert soft == hard


async def test_accounts_at_rest_cost_the_database_the_same_however_many_they_are(fleet: Fleet) -> None:
    """No query is made for each account, though every periodic task is due and every mailbox is checked."""
    world = fleet.world
    fleet.start("many", reaper_seconds="5", poll_seconds="1")
    await fleet.idle(ACCOUNTS)
    database = world.store._collections.database
    await database.create_collection("system.profile", capped=True, size=16 * 1024 * 1024)
    await database.command({"profile": 2})
    checks = fleet.server.counts()["commands"]

    async def started() -> bool:  # what a start asks for is over when every mailbox was checked again
        return fleet.server.counts()["commands"] >= checks + 10 * ACCOUNTS and rounds(await asked(world, begin)) > 0

    begin = now()
    await until(started, "every mailbox is checked again", world)
    begin = now()

    async def enough() -> bool:
        return rounds(await asked(world, begin)) >= ROUNDS

    await until(enough, "the poller looks for changes", world)
    operations = await asked(world, begin)
    beats = sum(one["ns"].endswith(".pollers") and one["op"] == "update" for one in operations)
    read = sum(one.get("nreturned", 0) for one in operations if one["ns"].endswith(".accounts"))
    assert len(operations) <= 6 * rounds(operations) + 15 * (beats + 1), [
        (one["op"], one["ns"], one.get("command")) for one in operations
    ]
    assert read <= 3 * rounds(operations) + 5 * (beats + 1)


async def test_the_accounts_of_a_poller_that_dies_are_taken_over_by_all_others(fleet: Fleet) -> None:
    """Three pollers share the accounts. One is killed: the two others have all of them, each its part."""
    world = fleet.world
    ids = [account.id for account in await world.store.accounts.get_all()]
    names = ["one", "two", "three"]
    pollers = [fleet.start(name, lease_seconds="3") for name in names]

    async def held() -> list[int]:
        return [len(await world.store.accounts.of_holder(name, ids)) for name in names]

    async def shared() -> bool:
        return min(counts := await held()) > ACCOUNTS // 4 and sum(counts) == ACCOUNTS

    await until(shared, "each has its part", world)
    await fleet.idle(ACCOUNTS)
    await asyncio.to_thread(pollers[0].kill)

    async def taken_over() -> bool:
        return sorted((await held())[1:]) == [ACCOUNTS // 2, ACCOUNTS // 2]

    await until(taken_over, "the two others have a half each", world)
    await fleet.idle(ACCOUNTS)
