"""MongoDB's disk is full: MongoDB exits, everything waits for it, and nothing is lost when there is space again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from schemas.ledger import RowState
from testbed.local import LocalServers
from testbed.processes.parts import HostingError
from testbed.servers.mongod import mongod_binary
from tests.e2e.deployment import STAGES, USERS, Deployment, deploy
from tests.e2e.failures.small_disk import SmallDisk
from tests.e2e.mail import CONTACT, leadmail, pour

pytestmark = pytest.mark.timeout(400)
ANNA = USERS[0]
COUNT = 600


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """A MongoDB for this test."""
    try:
        mongod_binary()
    except HostingError as error:
        pytest.skip(f"there is no mongod that could run out of disk: {error}")
    with SmallDisk(tmp_path_factory.mktemp("disk")) as small_disk:
        yield small_disk


@pytest.fixture
async def deployment(
    servers: LocalServers, environment: dict[str, str], disk: SmallDisk, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """One mailbox, one record, no stage running."""
    async with deploy(servers, {**environment, "LEADMAIL_MONGO_URL": disk.mongo.url}, tmp_path) as made:
        await made.add_records(CONTACT)
        await made.add_user(ANNA, [])
        await asyncio.to_thread(pour, made, ANNA, COUNT)
        yield made


async def test_a_full_database_disk(deployment: Deployment, disk: SmallDisk) -> None:
    """Stages that are processing messages wait for the database, give up nothing, and finish when it is back."""
    deployment.start(*STAGES)
    await deployment.known(CONTACT)
    await deployment.connect(ANNA)
    account = deployment.accounts[ANNA.key]

    async def under_way() -> bool:
        return (await deployment.store.ledger_counts.counts(account)).get(RowState.ATTACHED, 0) > 0

    await deployment.until(under_way, "the backfill is under way")
    await asyncio.to_thread(disk.fill)
    for stage in ("parser", "matcher"):  # what waits for the database is nothing that keeps a stage from ending
        process = deployment.running[stage]
        process.terminate()
        await asyncio.to_thread(process.wait, 60)
    assert all(deployment.running[stage].poll() is None for stage in ("poller", "notifier"))
    await asyncio.to_thread(disk.free)
    deployment.start("parser", "matcher")
    await deployment.until(deployment.confirmed, "the backfill is confirmed", seconds=240)
    assert await deployment.store.ledger_counts.counts(account) == {RowState.ATTACHED: COUNT}
    assert await deployment.store.dead_letters.count() == 0
    assert len(deployment.confirmations(ANNA)) == 1
    assert b"nothing is unfinished" in await leadmail(deployment, "status")
