"""RabbitMQ runs out of memory or disk: it accepts no messages; every stage waits and then continues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.ledger import RowState
from testbed.local import LocalServers
from tests.e2e.deployment import STAGES, USERS, Deployment, deploy
from tests.e2e.mail import CONTACT, leadmail, small

pytestmark = pytest.mark.timeout(400)
ANNA = USERS[0]
RAISE = {
    "memory": ("set_vm_memory_high_watermark", "absolute", "1MB"),
    "disk": ("set_disk_free_limit", "1000000GB"),
}
LIFT = {
    "memory": ("set_vm_memory_high_watermark", "absolute", "1GB"),
    "disk": ("set_disk_free_limit", "50MB"),
}


@pytest.fixture
async def deployment(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """One mailbox, one record, all stages running, the backfill confirmed."""
    async with deploy(servers, environment, tmp_path) as made:
        await made.add_records(CONTACT)
        await made.add_user(ANNA, [small(ANNA, f"old-{number}") for number in range(5)])
        made.start(*STAGES)
        await made.known(CONTACT)
        await made.connect(ANNA)
        await made.until(made.confirmed, "the backfill is confirmed")
        try:
            yield made
        finally:
            for lift in LIFT.values():
                await asyncio.to_thread(servers.rabbitmqctl, *lift)


async def test_a_broker_alarm(deployment: Deployment) -> None:
    """During an alarm new mail waits; status says why; stages can be stopped and started; afterwards everything arrives."""
    servers, account = deployment.servers, deployment.accounts[ANNA.key]
    expected = 5
    for kind in ("memory", "disk"):
        await asyncio.to_thread(servers.rabbitmqctl, *RAISE[kind])

        async def alarmed(wanted: list[str]) -> bool:
            return await asyncio.to_thread(servers.broker.alarms) == wanted

        await deployment.until(lambda kind=kind: alarmed([kind]), f"the {kind} alarm")  # type: ignore[misc]
        for number in range(20):
            await asyncio.to_thread(
                servers.deliver, deployment.addresses[ANNA.key], small(ANNA, f"{kind}-{number}").raw
            )
        expected += 20

        async def noted() -> bool:
            return (await deployment.store.ledger_counts.counts(account)).get(RowState.PLANNED, 0) > 0

        await deployment.until(noted, "new mail is in the ledger")
        assert (await deployment.store.ledger_counts.counts(account))[RowState.ATTACHED] == expected - 20
        status = (await leadmail(deployment, "status")).decode()
        assert f"RabbitMQ accepts no messages, so all processing waits. Active alarms: {kind} on " in status
        for stage in ("poller", "parser") if kind == "memory" else ():
            process = deployment.running[stage]
            process.terminate()
            assert await asyncio.to_thread(process.wait, 60) == 0
            deployment.start(stage)
        await asyncio.to_thread(servers.rabbitmqctl, *LIFT[kind])

        async def attached(wanted: int = expected) -> bool:
            return await deployment.store.ledger_counts.counts(account) == {RowState.ATTACHED: wanted}

        await deployment.until(attached, "all of it is on its record")
    assert await deployment.store.dead_letters.count() == 0
    assert len(deployment.confirmations(ANNA)) == 1
