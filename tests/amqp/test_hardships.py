"""Deleted queues and exchanges, and messages that crash their consumers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiormq
import pytest
from aiormq.abc import AbstractChannel
from pydantic import SecretStr

from schemas.errors import PermanentError
from schemas.routes import DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE, isolated_queue
from schemas.topology import DELIVERY_LIMIT, ISOLATED_DELIVERY_LIMIT
from services.amqp.delivery import codec
from services.amqp.delivery.outcomes import CRASHED, Delivery
from services.amqp.rabbitmq.bus import RabbitBus, open_bus
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from tests.amqp.fixtures import (
    DEADLINE,
    FAST_ROUTES,
    LOG,
    RECORDS,
    SYNCS,
    DeadRecorder,
    Recorder,
    changed,
    completed,
    until,
    until_depth,
)

LOOK = "services.amqp.rabbitmq.poison_isolation.LOOK_SECONDS"


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[AbstractChannel]:
    """Yield a channel of an operator, or of a consumer that will crash."""
    async with await aiormq.connect(url) as connection:
        yield await connection.channel()


async def refuse(_: Delivery[Any]) -> Sequence[Any]:
    """Fail permanently."""
    raise PermanentError("bad")


async def crash_with(url: str, queue: str, count: int, times: int) -> None:
    """Crash again and again with messages of a queue unacknowledged."""
    async with await aiormq.connect(url) as connection:
        for _ in range(times):
            channel = await connection.channel()
            await channel.basic_qos(prefetch_count=count)
            got: asyncio.Queue[object] = asyncio.Queue()
            await channel.basic_consume(queue, got.put)
            async with asyncio.timeout(DEADLINE):
                for _ in range(count):
                    await got.get()
            await channel.close()


async def test_a_deleted_queue_is_declared_again(rabbit: RabbitBus, rabbitmq_url: str) -> None:
    """A queue that was deleted in a running system is declared again when something is published to it; nothing is refused or lost."""
    async with channel_to(rabbitmq_url) as operator:
        await operator.queue_delete(SYNCS.queue)
    results = await rabbit.publish_many([(changed(1), None), *((completed(n), None) for n in range(20))])
    assert not any(results)
    seen = Recorder()
    await rabbit.consume(SYNCS, seen)
    await until(lambda: len(seen.deliveries) == 20)


async def test_a_deleted_exchange_is_declared_again(rabbit: RabbitBus, rabbitmq_url: str) -> None:
    """The broker closes the channel when its exchange was deleted. It is declared again with its bindings, and nothing is lost."""
    async with channel_to(rabbitmq_url) as operator:
        await operator.exchange_delete(EXCHANGE)
    assert not any(await rabbit.publish_many([(changed(number), None) for number in range(20)]))
    seen = Recorder()
    await rabbit.consume(RECORDS, seen)
    await until(lambda: len(set(seen.ids)) == 20)


async def test_a_consumer_of_a_deleted_queue_declares_it_again(rabbit: RabbitBus, rabbitmq_url: str) -> None:
    """A consumer whose queue is deleted declares it again and continues."""
    seen = Recorder()
    await rabbit.consume(RECORDS, seen)
    await rabbit.publish(changed(1))
    await until(lambda: seen.ids == ["record-1"])
    async with channel_to(rabbitmq_url) as operator:
        await operator.queue_delete(RECORDS.queue)
    async with asyncio.timeout(DEADLINE):
        while (await rabbit.queue_depths()).get(RECORDS.queue, (0, 0))[1] != 1:  # noqa: ASYNC110 - the broker sets no event of ours
            await asyncio.sleep(0.02)
    await rabbit.publish(changed(2))
    await until(lambda: seen.ids == ["record-1", "record-2"])


@pytest.mark.parametrize("missing", ["queue", "exchange"])
async def test_dead_letters_survive_a_deleted_queue_or_exchange(
    rabbit: RabbitBus, rabbitmq_url: str, missing: str
) -> None:
    """If the queue or exchange of the dead letters was deleted, a message that fails permanently is still kept."""
    async with channel_to(rabbitmq_url) as operator:
        await (operator.queue_delete(DEAD_QUEUE) if missing == "queue" else operator.exchange_delete(DEAD_EXCHANGE))
    seen, dead = Recorder(refuse), DeadRecorder()
    await rabbit.consume(RECORDS, seen)
    await rabbit.publish(changed(1))
    await rabbit.publish(completed(1))
    await until_depth(rabbit, DEAD_QUEUE, 1)
    await until_depth(rabbit, RECORDS.queue, 0)
    await rabbit.consume_dead(dead)
    await until(lambda: dead.letters)
    assert (dead.letters[0].queue, dead.letters[0].reason) == (RECORDS.queue, "bad")


async def test_missing_queues_are_declared_periodically(rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that only the broker itself uses, for its own dead-lettering, is declared again by a periodic check."""
    monkeypatch.setattr("services.amqp.rabbitmq.topology.KEEP_SECONDS", 0.2)
    async with opened(rabbitmq_url) as bus:
        async with channel_to(rabbitmq_url) as operator:
            await operator.exchange_delete(DEAD_EXCHANGE)
            await operator.queue_delete(DEAD_QUEUE)
        await until_depth_known(bus, DEAD_QUEUE)
        async with channel_to(rabbitmq_url) as operator:
            await operator.exchange_declare(DEAD_EXCHANGE, passive=True)


async def test_only_the_poison_message_is_a_dead_letter(rabbitmq_url: str) -> None:
    """Of the messages in progress when consumers crashed, only the one that caused it is dead; the others are handled."""
    async with opened(rabbitmq_url) as bus:
        await bus.publish_many([(changed(number), None) for number in range(5)])
        await crash_with(rabbitmq_url, RECORDS.queue, 5, DELIVERY_LIMIT + 1)
        dead = DeadRecorder()
        await bus.consume_dead(dead)
        await until_depth(bus, isolated_queue(RECORDS), 5)
        # The first one is the killer: handled in isolation, it crashes one consumer after the other.
        await crash_with(rabbitmq_url, isolated_queue(RECORDS), 1, ISOLATED_DELIVERY_LIMIT + 1)
        await until(lambda: dead.letters)
        letter = dead.letters[0]
        assert letter.message is not None
        guilty = letter.message.id
        assert (letter.queue, letter.reason) == (RECORDS.queue, CRASHED)
        seen = Recorder()
        await bus.consume(RECORDS, seen)
        await until(lambda: len(seen.deliveries) == 4)
        assert {*seen.ids, guilty} == {f"record-{number}" for number in range(5)}
        await bus.replay(letter.queue, letter.body, letter.headers, isolated=True)
        await until(lambda: guilty in seen.ids)
        assert len(dead.letters) == 1
        assert await bus.stop_consuming(DEADLINE)


async def test_a_poison_candidate_is_handled_in_isolation(rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poison candidate waits for the work in progress and has the process to itself; then everything continues."""
    monkeypatch.setattr(LOOK, 0.05)
    gates = {"record-1": asyncio.Event(), "candidate": asyncio.Event()}
    in_progress: set[str] = set()
    beside_candidate: list[set[str]] = []

    async def handle(delivery: Delivery[Any]) -> Sequence[Any]:
        name = "candidate" if delivery.message.id == "record-99" else delivery.message.id
        in_progress.add(name)
        if name == "candidate":
            beside_candidate.append(in_progress - {name})
        if name in gates:
            await gates[name].wait()
        in_progress.discard(name)
        return ()

    async with opened(rabbitmq_url) as bus:
        records, syncs = Recorder(handle), Recorder(handle)
        await bus.consume(RECORDS, records, prefetch=10)
        await bus.consume(SYNCS, syncs)
        await bus.publish(changed(1))
        await until(lambda: "record-1" in in_progress)
        await bus.replay(RECORDS.queue, *as_dead_letter(99), isolated=True)
        await until_depth(bus, isolated_queue(RECORDS), 1)
        await until_consumers(bus, SYNCS.queue, 0)
        assert "record-99" not in records.ids
        gates["record-1"].set()
        await until(lambda: beside_candidate)
        await bus.publish_many([(changed(2), None), (completed(3), None)])
        await until_depth(bus, RECORDS.queue, 1)
        await until_depth(bus, SYNCS.queue, 1)
        assert beside_candidate == [set()]
        gates["candidate"].set()
        await until(lambda: "record-2" in records.ids and syncs.ids == ["sync-3"])
        assert await bus.stop_consuming(DEADLINE)


async def test_stopping_waits_for_a_poison_candidate(rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping waits for the candidate in progress, which is not delivered again."""
    monkeypatch.setattr(LOOK, 0.05)
    gate = asyncio.Event()

    async def wait(_: Delivery[Any]) -> Sequence[Any]:
        await gate.wait()
        return ()

    async with opened(rabbitmq_url) as bus:
        seen = Recorder(wait)
        await bus.consume(RECORDS, seen)
        await bus.replay(RECORDS.queue, *as_dead_letter(1), isolated=True)
        await until(lambda: seen.ids == ["record-1"])
        stopping = asyncio.create_task(bus.stop_consuming(DEADLINE))
        await asyncio.sleep(0)
        gate.set()
        assert await stopping
        await until_depth(bus, isolated_queue(RECORDS), 0)
        assert seen.ids == ["record-1"]


def opened(url: str) -> Any:
    """Return a bus to open on a virtual host."""
    return open_bus(
        BrokerSettings(rabbitmq_url=SecretStr(url)), "test", metrics=Metrics("test"), log=LOG, routes=FAST_ROUTES
    )


def as_dead_letter(number: int) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a small message as those of a dead letter."""
    envelope = codec.encode(changed(number), None, source="/leadmail/test")
    return envelope.body, {**envelope.headers, codec.CONTENT_TYPE: envelope.content_type}


async def until_consumers(bus: RabbitBus, queue: str, count: int) -> None:
    """Return once a queue has ``count`` consumers."""
    async with asyncio.timeout(DEADLINE):
        while (await bus.queue_depths())[queue].consumers != count:  # noqa: ASYNC110 - the broker sets no event of ours
            await asyncio.sleep(0.02)


async def until_depth_known(bus: RabbitBus, queue: str) -> None:
    """Return once a queue exists."""
    async with asyncio.timeout(DEADLINE):
        while queue not in await bus.queue_depths():  # noqa: ASYNC110 - the broker sets no event of ours
            await asyncio.sleep(0.02)
