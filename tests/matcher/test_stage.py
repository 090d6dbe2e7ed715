"""The stage as processes with RabbitMQ and MongoDB, killed at any moment."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog
from pymongo import AsyncMongoClient

from schemas.ledger import EpochState
from schemas.messages import Lane, MailParsed
from schemas.routes import ROUTES
from services.amqp import Delivery
from services.amqp.rabbitmq.bus import RabbitBus, open_bus
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.mailbox_changed import sweep_unlinked
from services.runtime.metrics import Metrics
from services.settings import CliSettings
from services.wiring import make_store
from tests.matcher.fixtures import NO_GRACE, World, mail
from tests.matcher.scenarios import build

DEADLINE = 90.0
LOG = structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(40))


@dataclass
class Running:
    """A fixture whose matchers are processes."""

    world: World
    bus: RabbitBus
    environment: dict[str, str]
    matchers: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self) -> asyncio.subprocess.Process:
        """Start a matcher."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.matcher", env={**os.environ, **self.environment}
        )
        self.matchers.append(process)
        return process

    async def until(self, what: Callable[[], Awaitable[bool]]) -> None:
        """Wait for a condition; publish planned rows meanwhile, as poller and parser do."""
        attempt = 1
        async with asyncio.timeout(DEADLINE):
            while not await what():
                attempt += 1
                await self._refetch(attempt)
                await asyncio.sleep(0.1)

    async def _refetch(self, attempt: int) -> None:
        ledger = self.world.database["ledger"]
        async for row in ledger.find({"state": "planned"}):
            copy = self.world.copies[row["_id"]]
            await self.world._put_blobs(copy)
            await self.bus.publish(copy.model_copy(update={"id": f"{row['_id']}/{attempt}"}))
            await ledger.update_one({"_id": row["_id"], "state": "planned"}, {"$set": {"state": "published"}})

    async def at_rest(self) -> bool:
        """Return whether everything matches the reference, without waiting for graces of mail on no record."""
        await sweep_unlinked(store=self.world.store, summaries=self.world.summaries, grace=NO_GRACE)
        return await self.world.snapshot() == self.world.truth()


@pytest.fixture
async def running(environment: dict[str, str], mongo_database: str) -> AsyncIterator[Running]:
    """Yield a fixture with a bus and matcher processes, and kill those that still run at the end."""
    crm = f"{mongo_database}_crm"
    variables = {
        **environment,
        "LEADMAIL_SECRET_KEY": "00" * 32,
        "LEADMAIL_CRM_DATABASE": crm,
        "LEADMAIL_MATCHER_BATCH": "7",
        "LEADMAIL_LOG_LEVEL": "error",
        "LEADMAIL_SWEEP_SECONDS": "2",
    }
    fields: dict[str, Any] = {name.removeprefix("LEADMAIL_").lower(): value for name, value in variables.items()}
    settings = CliSettings(**fields)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(AsyncMongoClient[dict[str, Any]](environment["LEADMAIL_MONGO_URL"]))
        bus = await stack.enter_async_context(open_bus(settings, "test", metrics=Metrics("test"), log=LOG))
        store = make_store(client[mongo_database], client[crm], settings)
        await store.setup()
        world = World(store, client[mongo_database], client[crm], SummaryKeeper(store))
        found = Running(world, bus, variables)
        yield found
        for process in found.matchers:
            if process.returncode is None:
                process.kill()
            await process.wait()
        await client.drop_database(crm)


@pytest.mark.parametrize("seed", [1, 2])
async def test_two_matchers_one_of_them_killed_end_in_what_the_reference_says(running: Running, seed: int) -> None:
    """Mail on both lanes, some of it twice, late records, one replica killed and replaced: there is one confirmation."""
    world, rng = running.world, random.Random(seed)
    scene = await build(world, rng, mails=40)
    account = scene.accounts[0]
    epoch = {"account": account.id, "number": 1, "state": EpochState.SEALED.value, "notification": "none"}
    await world.database["epochs"].insert_one({"_id": f"{account.id}.1", **epoch})
    mine = [copy.source.id for copy in scene.copies if copy.source.account == account.id]
    await world.database["ledger"].update_many({"_id": {"$in": mine}}, {"$set": {"epoch": 1}})
    for copy in scene.copies:
        number = 1 if copy.source.id in mine else None
        lane = Lane.BACKFILL if number else rng.choice(list(Lane))
        world.copies[copy.source.id] = copy.model_copy(update={"epoch": number, "lane": lane})
    first, _ = await running.start(), await running.start()
    copies = list(world.copies.values()) + rng.sample(list(world.copies.values()), 20)
    rng.shuffle(copies)
    for number, copy in enumerate(copies):
        await running.bus.publish(copy)
        if number == len(copies) // 2:
            first.kill()
            await running.start()
    await running.until(running.at_rest)

    async def confirmed() -> bool:
        return (await running.bus.queue_depths())["notifier.sync-completed"].ready == 1

    await running.until(confirmed)
    await _stop(running)
    assert await running.at_rest()
    assert (await running.bus.queue_depths())["notifier.sync-completed"].ready == 1
    done = await world.database["epochs"].find_one({})
    assert done is not None
    assert (done["state"], done["notification"]) == ("complete", "due")
    assert await world.database["dead_letters"].count_documents({}) == 0


async def _stop(running: Running) -> None:
    for process in running.matchers:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
    codes = [await process.wait() for process in running.matchers]
    assert sorted(codes) == [-9, 0, 0]


async def test_a_message_that_cannot_be_read_is_quarantined_and_the_others_go_on(running: Running) -> None:
    """It becomes a dead letter with its row quarantined; its neighbours in the queue are matched."""
    world = running.world
    ann = await world.account("ann@firm.example")
    await world.record("carla@client.example", known=False)
    copies = [
        await world.copy(ann, mail(str(number), "carla@client.example", "ann@firm.example")) for number in range(3)
    ]
    bad, good = copies[0], copies[1:]
    headers = {"ce-id": bad.id, "ce-type": "leadmail.mail.parsed.v1", "content-type": "application/json"}
    await running.bus.replay("matcher.mail-parsed.live", b"{", headers)
    for copy in good:
        await running.bus.publish(copy)
    await running.start()

    async def done() -> bool:
        states = {row: state for row, (state, _) in (await world.snapshot()).rows.items()}
        return [states[copy.source.id] for copy in copies] == ["quarantined", "attached", "attached"]

    await running.until(done)
    (stored,) = await world.store.dead_letters.newest()
    assert (stored.reason, stored.row, stored.queue) == ("undecodable", bad.source.id, "matcher.mail-parsed.live")


async def test_sigterm_under_load_leaves_nothing_done_in_the_queue(running: Running) -> None:
    """It finishes the batches being processed and exits 0; no message that is still queued has a final row."""
    world = running.world
    ann = await world.account("ann@firm.example")
    await world.record("carla@client.example")
    copies = [
        (await world.copy(ann, mail(str(number), "carla@client.example", "ann@firm.example"))).model_copy(
            update={"lane": Lane.BACKFILL}
        )
        for number in range(500)
    ]
    assert await running.bus.publish_many([(copy, None) for copy in copies]) == [None] * len(copies)
    process = await running.start()
    ledger = world.database["ledger"]
    async with asyncio.timeout(DEADLINE):
        while await ledger.count_documents({"state": "attached"}) < 20:  # noqa: ASYNC110 - another process sets it
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    final = {row["_id"] async for row in ledger.find({"state": "attached"}, {"_id": 1})}
    rest: dict[str, bool] = {}

    async def take(delivery: Delivery[Any]) -> tuple[()]:
        rest[delivery.message.source.id] = delivery.redelivered
        return ()

    route = next(route for route in ROUTES if route.message is MailParsed and route.lane is Lane.BACKFILL)
    await running.bus.consume(route, take)
    async with asyncio.timeout(DEADLINE):
        while len(final) + len(rest) < len(copies):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    assert rest, "it was told to end in the middle"
    assert {*final, *rest} == {copy.source.id for copy in copies}
    assert rest.keys().isdisjoint(final)
    # The quorum queue redelivers what was in flight when the consumer ended. Its processing had not started.
    assert sum(rest.values()) <= route.prefetch
