"""Declares the topology of ``schemas.topology``. It is idempotent: every process declares it on every connection and periodically.

A queue that is deleted in a running system is declared again when a process needs it, or within a minute if only the broker does
(which keeps what it cannot dead-letter until then).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelPreconditionFailed

from schemas.errors import TopologyError
from schemas.routes import Route
from schemas.topology import EXCHANGES, Queue, bindings, queues
from services.runtime.backoff import jittered

KEEP_SECONDS = 60.0
"""Time between checks."""
_PARALLEL = 4
"""Declaring a new quorum queue takes the broker about 20 ms, an existing one almost nothing."""


class Topology:
    """The exchanges, queues and bindings of some routes."""

    def __init__(self, routes: Sequence[Route], log: structlog.typing.FilteringBoundLogger) -> None:
        self.routes = routes
        self._log = log
        self._restoring = asyncio.Lock()
        self._restored = 0

    async def declare(self, connection: AbstractConnection) -> None:
        """Declare everything; see ``declare``."""
        await declare(connection, self.routes)

    async def restore(self, connection: AbstractConnection) -> None:
        """Declare everything again, once for all concurrent callers. A difference is only logged."""
        before = self._restored
        async with self._restoring:
            if self._restored == before:
                try:
                    await self.declare(connection)
                except TopologyError as error:
                    self._log.error("broker topology differs", error=str(error))
                self._restored += 1

    async def keep(self, connection: AbstractConnection) -> None:
        """Declare everything periodically, until cancelled."""
        while True:
            await asyncio.sleep(jittered(KEEP_SECONDS))
            await self.restore(connection)


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


async def _declare_queues(connection: AbstractConnection, declared: tuple[Queue, ...]) -> None:
    channel: AbstractChannel = await connection.channel(publisher_confirms=False)
    for queue in declared:
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
