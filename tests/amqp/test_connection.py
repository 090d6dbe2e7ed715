"""A connection to the broker is reopened whatever the error was, also an unexpected one; that of a reader of queues, too."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest
from pydantic import SecretStr

from schemas.errors import NotReadyError
from schemas.messages import MailboxChanged
from services.amqp.rabbitmq.bus import open_bus
from services.amqp.rabbitmq.connection import RabbitConnection
from services.amqp.rabbitmq.queue_reader import QueueReader
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from tests.amqp.conftest import OpenBus
from tests.amqp.fixtures import FAST_ROUTES, LOG, RECORDS, Recorder, changed, mailbox_changed, route, until


class UnlistedError(Exception):
    """An error that is in no list of known errors."""


async def test_an_unexpected_error_while_connecting_is_retried(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connecting fails with an unlisted error, then with a cancellation by the driver: it is retried."""
    connect = aio_pika.Connection.connect
    failures: list[BaseException] = [UnlistedError(), asyncio.CancelledError()]

    async def fail_first(self: aio_pika.Connection, *arguments: Any) -> None:
        if failures:
            raise failures.pop(0)
        await connect(self, *arguments)

    monkeypatch.setattr(aio_pika.Connection, "connect", fail_first)
    link = RabbitConnection(
        BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url)), purpose="test", metrics=Metrics("test"), log=LOG
    )
    await link.open(20)
    try:
        assert link.is_up
        assert not failures
    finally:
        await link.close()


async def test_an_unexpected_error_on_a_channel_restarts_its_work(rabbitmq_url: str) -> None:
    """Work on a connection that fails with an unlisted error is started again."""
    link = RabbitConnection(
        BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url)), purpose="test", metrics=Metrics("test"), log=LOG
    )
    await link.open(20)
    rounds = 0

    async def work(_connection: Any) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise UnlistedError

    try:
        await asyncio.wait_for(link.serve(work), 20)
        assert rounds == 2
    finally:
        await link.close()


async def test_messages_are_published_after_reconnecting_failed_unexpectedly(
    rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection closes without a reason, and reconnecting fails with an unlisted error: messages are still published."""
    settings = BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url))
    async with open_bus(settings, "test", metrics=Metrics("test"), log=LOG, routes=FAST_ROUTES) as bus:
        recorder = Recorder()
        await bus.consume(RECORDS, recorder)
        connect = aio_pika.Connection.connect
        failures = [UnlistedError(), UnlistedError()]

        async def fail_first(self: aio_pika.Connection, *arguments: Any) -> None:
            if failures:
                raise failures.pop()
            await connect(self, *arguments)

        monkeypatch.setattr(aio_pika.Connection, "connect", fail_first)
        connection = await bus._publishing.connection()
        await connection.close()
        await asyncio.wait_for(bus.publish(changed(1)), 20)
        await until(lambda: recorder.ids)
        assert not failures


async def test_a_reader_of_queues_sees_what_the_bus_sees_and_declares_nothing(
    rabbitmq_url: str, open_rabbit: OpenBus
) -> None:
    """Looking changes nothing: queues that nobody declared are left out. Of others it knows messages and consumers."""
    async with QueueReader(BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url))) as reader:
        assert await reader.queue_depths() == {}
        async with open_rabbit() as bus:
            await bus.publish_many([(mailbox_changed(number), None) for number in range(3)])
            await bus.consume(RECORDS, Recorder())
            depths = await reader.queue_depths()
        assert (depths[route(MailboxChanged).queue].ready, depths[RECORDS.queue].consumers) == (3, 1)


async def test_a_reader_of_queues_connects_again_after_its_connection_was_lost(
    rabbitmq_url: str, open_rabbit: OpenBus
) -> None:
    """``status --watch`` goes on after a restart of the broker."""
    async with open_rabbit(), QueueReader(BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url))) as reader:
        before = await reader.queue_depths()
        assert reader._connection is not None
        await reader._connection.close()
        assert before
        assert await reader.queue_depths() == before


async def test_a_reader_of_queues_says_that_the_broker_does_not_answer() -> None:
    """In the words of the bus."""
    async with QueueReader(BrokerSettings(rabbitmq_url=SecretStr("amqp://guest:guest@127.0.0.1:1/"))) as reader:
        with pytest.raises(NotReadyError, match=r"RabbitMQ at 127\.0\.0\.1:1 accepts no connection"):
            await reader.queue_depths()
