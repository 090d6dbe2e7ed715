"""A backfill that no parser handles: queues and memory stay bounded, other mail is processed, and at the end all of it arrives.

``LEADMAIL_LONG=1`` does it with 50,000 messages and the queues' own bounds; otherwise both are a fraction of that.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.ledger import RowState
from schemas.messages import MailFetched
from schemas.routes import ROUTES
from services.amqp.rabbitmq.bus import RabbitBus, open_bus
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from testbed.local import LocalServers
from tests.e2e.deployment import USERS, Deployment, deploy
from tests.e2e.failures.memory import MIB, resident
from tests.e2e.mail import CONTACT, pour, small

LONG = bool(os.environ.get("LEADMAIL_LONG"))
pytestmark = pytest.mark.timeout(3600 if LONG else 400)
ANNA, LUC, HELEN = USERS
LIVE, QUEUE = (route.queue for route in ROUTES if route.message is MailFetched)
COUNT = 50_000 if LONG else 1_000
BOUND = 5_000 if LONG else 200
"""Messages that the queue holds; the poller may have as many on their way as its window."""
OVERSHOOT = 400
WAIT = 2400.0 if LONG else 240.0


@pytest.fixture
async def deployment(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A large mailbox and two empty ones, one record, no stage running."""
    async with deploy(servers, environment, tmp_path) as made:
        if not LONG:
            host = environment["LEADMAIL_RABBITMQ_URL"].rpartition("/")[2]
            servers.broker.limit(host, f"^{QUEUE}$", **{"max-length": BOUND})
        await made.add_records(CONTACT)
        for user in USERS:
            await made.add_user(user, [])
        await asyncio.to_thread(pour, made, ANNA, COUNT)
        yield made


@pytest.fixture
async def bus(deployment: Deployment) -> AsyncIterator[RabbitBus]:
    """A bus for reading queue depths."""
    url = deployment.environment["LEADMAIL_RABBITMQ_URL"]
    settings = BrokerSettings.model_validate({"rabbitmq_url": url})
    async with open_bus(settings, "test", metrics=Metrics("test"), log=deployment.quiet) as opened:
        yield opened


async def attached(deployment: Deployment, key: str) -> int:
    """Return how many copies of a user are on records."""
    return (await deployment.store.ledger_counts.counts(deployment.accounts[key])).get(RowState.ATTACHED, 0)


async def visible(deployment: Deployment, key: str, name: str) -> float:
    """Let a new mail arrive for a user and wait until it is on its record; returns how many seconds that took."""
    user = next(user for user in USERS if user.key == key)
    before, started = await attached(deployment, key), time.monotonic()
    await asyncio.to_thread(deployment.servers.deliver, deployment.addresses[key], small(user, name).raw)

    async def there() -> bool:
        return await attached(deployment, key) == before + 1

    await deployment.until(there, f"{name} is visible", seconds=WAIT)
    return time.monotonic() - started


async def test_a_backfill_without_a_parser(deployment: Deployment, bus: RabbitBus) -> None:
    """Its queue fills to its limit, other new mail does not wait behind it, and with a parser all of it arrives."""
    deployment.start("poller", "matcher", "notifier")
    await deployment.known(CONTACT)
    for user in (LUC, HELEN):
        await deployment.connect(user)
    await deployment.until(deployment.confirmed, "the empty mailboxes are confirmed")
    poller = deployment.running["poller"].pid
    broker_before, poller_before = deployment.servers.broker.memory(), resident(poller)

    await deployment.connect(ANNA)

    async def full() -> bool:
        return (await bus.queue_depths())[QUEUE].ready >= BOUND

    await deployment.until(full, "the queue is full", seconds=WAIT)
    # No parser at all: new mail is still fetched, waits in its own queue, and comes first when there is one.
    waiting = asyncio.create_task(visible(deployment, LUC.key, "waiting"))

    async def fetched() -> bool:
        return (await bus.queue_depths())[LIVE].ready == 1

    await deployment.until(fetched, "the new mail is fetched", seconds=WAIT)
    deployment.environment["LEADMAIL_PARSER_LANE"] = "live"
    deployment.start("parser")
    await waiting
    deepest = poller_most = broker_most = 0
    delays = []
    for number in range(12 if LONG else 3):
        delays += [await visible(deployment, key, f"meanwhile-{number}") for key in (LUC.key, HELEN.key)]
        deepest = max(deepest, (await bus.queue_depths())[QUEUE].ready)
        poller_most = max(poller_most, resident(poller))
        broker_most = max(broker_most, deployment.servers.broker.memory())
    assert deepest <= BOUND + OVERSHOOT
    assert await attached(deployment, ANNA.key) == 0
    assert (poller_most - poller_before) < 150 * MIB
    assert (broker_most - broker_before) < 400 * MIB

    deployment.environment["LEADMAIL_PARSER_LANE"] = "backfill"
    deployment.start("parser:2")
    delays.append(await visible(deployment, LUC.key, "again"))
    await deployment.until(deployment.confirmed, "the backfill is confirmed", seconds=WAIT)
    assert await deployment.store.ledger_counts.counts(deployment.accounts[ANNA.key]) == {RowState.ATTACHED: COUNT}
    assert await deployment.store.dead_letters.count() == 0
    print(  # noqa: T201 - the measurement, shown by `make backpressure`
        f"backpressure: {COUNT:,} messages, queue {deepest:,} at a bound of {BOUND:,}; "
        f"poller {poller_before // MIB} -> {poller_most // MIB} MiB, broker {broker_before // MIB} -> {broker_most // MIB} MiB; "
        f"live mail of others visible within {max(delays):.1f} s (median {sorted(delays)[len(delays) // 2]:.2f} s)"
    )
