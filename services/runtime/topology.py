"""Declares in the broker what ``schemas.topology`` says. Idempotent; done by every process at every connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelPreconditionFailed

from schemas.routes import Route
from schemas.topology import EXCHANGES, Queue, bindings, queues
from services.runtime.errors import TopologyError

_PARALLEL = 4
"""A new quorum queue takes the broker some 20 ms; one that is there next to nothing."""


async def declare(connection: AbstractConnection, routes: Sequence[Route]) -> None:
    """Declare every exchange, queue and binding.

    Raises:
        TopologyError: one exists with other properties.
    """
    channel = await connection.channel(publisher_confirms=False)
    for exchange in EXCHANGES:
        try:
            await channel.exchange_declare(exchange.name, exchange_type=exchange.type, durable=True)
        except ChannelPreconditionFailed as error:
            raise _drifted("exchange", exchange.name, error) from error
    everything = queues(routes)
    await asyncio.gather(*(_declare_queues(connection, everything[start::_PARALLEL]) for start in range(_PARALLEL)))
    for binding in bindings(routes):
        await channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)
    await channel.close()


async def _declare_queues(connection: AbstractConnection, some: tuple[Queue, ...]) -> None:
    channel: AbstractChannel = await connection.channel(publisher_confirms=False)
    for queue in some:
        try:
            await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
        except ChannelPreconditionFailed as error:
            raise _drifted("queue", queue.name, error) from error
    await channel.close()


def _drifted(what: str, name: str, error: Exception) -> TopologyError:
    return TopologyError(
        f"RabbitMQ has the {what} {name!r} with other properties than this version of Leadmail wants ({error}). Stop the stages, "
        f"let the version that made the {what} handle what is in it, delete it (in the management interface, or a queue by "
        f"`rabbitmqctl delete_queue {name}`), and start again."
    )
