"""A connection to the broker is reopened whatever the error was, also an unexpected one."""

from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest
from pydantic import SecretStr

from services.amqp.rabbitmq.bus import open_bus
from services.amqp.rabbitmq.connection import RabbitConnection
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from tests.amqp.fixtures import FAST_ROUTES, LOG, RECORDS, Recorder, changed, until


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
    link = RabbitConnection(rabbitmq_url, purpose="test", instance="test", ca_file="", metrics=Metrics("test"), log=LOG)
    await link.open(20)
    try:
        assert link.is_up
        assert not failures
    finally:
        await link.close()


async def test_an_unexpected_error_on_a_channel_restarts_its_work(rabbitmq_url: str) -> None:
    """Work on a connection that fails with an unlisted error is started again."""
    link = RabbitConnection(rabbitmq_url, purpose="test", instance="test", ca_file="", metrics=Metrics("test"), log=LOG)
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
