"""Reads how full the queues are, over a connection that is there for nothing else.

Commands that only look need no bus, which declares the topology, publishes and reconnects, and loads what that takes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import aiormq
from aiormq.abc import AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity
from yarl import URL

from schemas.errors import NotReadyError
from schemas.routes import ROUTES, Route
from schemas.topology import queues
from services.amqp.delivery.outcomes import QueueDepth
from services.amqp.rabbitmq.connection_loss import CLOSE_SECONDS, close_channel, is_connection_loss
from services.amqp.rabbitmq.management import QueueContents, queue_contents
from services.runtime.settings import BrokerSettings

HEARTBEAT_SECONDS = 20
_SECONDS = 5.0


def connection_url(settings: BrokerSettings, purpose: str) -> URL:
    """Return the URL of a connection that the broker lists by this process and a purpose."""
    url = URL(settings.rabbitmq_url.get_secret_value())
    query = {"heartbeat": str(HEARTBEAT_SECONDS), "name": f"{settings.instance} ({purpose})"}
    return url.with_query(query | dict(url.query))


def tls_context(settings: BrokerSettings) -> ssl.SSLContext:
    """Return what the broker's certificate is checked with."""
    context = ssl.create_default_context()
    if settings.ca_file:
        context.load_verify_locations(cafile=settings.ca_file)
    return context


async def read_depths(
    connection: AbstractConnection, settings: BrokerSettings, routes: Sequence[Route] = ROUTES
) -> dict[str, QueueDepth]:
    """Return the depth of every queue that exists."""
    depths: dict[str, QueueDepth] = {}
    contents = await queue_contents(settings)
    channel = await connection.channel(publisher_confirms=False)
    for queue in queues(routes):
        try:
            answer = await channel.queue_declare(queue.name, passive=True)
        except ChannelNotFoundEntity:
            channel = await connection.channel(publisher_confirms=False)
            continue
        depths[queue.name] = QueueDepth(
            answer.message_count or 0, answer.consumer_count or 0, *contents.get(queue.name, QueueContents())
        )
    await close_channel(channel)
    return depths


class QueueReader:
    """Connects when it is first asked, and again after the connection was lost."""

    def __init__(self, settings: BrokerSettings) -> None:
        self._settings = settings
        self._url = connection_url(settings, "read")
        self._connection: AbstractConnection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._connection is not None and not self._connection.is_closed:
            await asyncio.wait([asyncio.ensure_future(self._connection.close())], timeout=CLOSE_SECONDS)

    async def queue_depths(self) -> dict[str, QueueDepth]:
        """Return the depth of every queue that exists.

        Raises:
            NotReadyError: the broker does not answer; the text says why.
        """
        with self._explained():
            async with asyncio.timeout(_SECONDS):
                if self._connection is None or self._connection.is_closed:
                    self._connection = await self._connect()
                return await read_depths(self._connection, self._settings)

    async def _connect(self) -> AbstractConnection:
        context = await asyncio.to_thread(tls_context, self._settings) if self._url.scheme == "amqps" else None
        return await aiormq.connect(self._url, context=context)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if not is_connection_loss(error):
                raise
            raise NotReadyError(
                f"RabbitMQ at {self._url.host}:{self._url.port} accepts no connection: {error!r}"
            ) from None
