"""The bus on RabbitMQ."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
from aiormq.abc import AbstractConnection

from schemas.routes import DEAD_QUEUE, ROUTES, Route
from services.amqp.delivery.batcher import Batcher
from services.amqp.delivery.bus import Bus, Consumer
from services.amqp.delivery.dead_letter_consumer import DeadLetterConsumer
from services.amqp.delivery.dispatch import Dispatcher
from services.amqp.delivery.outcomes import HandleDead, QueueDepth
from services.amqp.rabbitmq.connection import RabbitConnection
from services.amqp.rabbitmq.connection_loss import close_channel, is_connection_loss
from services.amqp.rabbitmq.poison_isolation import PoisonIsolation
from services.amqp.rabbitmq.publisher import Publisher
from services.amqp.rabbitmq.queue_reader import read_depths
from services.amqp.rabbitmq.subscription import Subscription
from services.amqp.rabbitmq.topology import Topology
from services.runtime.failures import describe, trace
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from services.runtime.tasks import cancel_and_wait

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing

CONNECT_SECONDS = 60.0
_READY_SECONDS = 2.0
_DEAD_PREFETCH = 20


class RabbitBus(Bus):
    """See ``bus.Bus``. Use ``open_bus`` to make one."""

    def __init__(
        self,
        settings: BrokerSettings,
        stage: str,
        *,
        metrics: Metrics,
        log: structlog.typing.FilteringBoundLogger,
        routes: Sequence[Route] = ROUTES,
        tracing: Tracing | None = None,
    ) -> None:
        self._settings = settings
        self._topology = Topology(routes, log)
        self._metrics, self._log = metrics, log
        self._publishing = self._new_connection("publish")
        self._publisher = Publisher(self._publishing, self._topology, metrics, log)
        super().__init__(stage, self._publisher.send, routes=routes, metrics=metrics, log=log, tracing=tracing)
        self._consuming: RabbitConnection | None = None
        self._opening = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None
        self._isolation: PoisonIsolation | None = None
        self._subscriptions: list[Subscription] = []

    def _new_connection(self, purpose: str) -> RabbitConnection:
        return RabbitConnection(self._settings, purpose=purpose, metrics=self._metrics, log=self._log)

    async def open(self, seconds: float = CONNECT_SECONDS) -> None:
        """Connect and declare the topology.

        Raises:
            NotReadyError: no connection within ``seconds``.
            TopologyError: a queue or exchange has other properties than ours.
        """
        await self._publishing.open(seconds)
        await self._publisher.open()
        self._keeping = asyncio.create_task(self._publishing.serve(self._topology.keep), name="topology")

    async def consume_dead(self, handle: HandleDead) -> Subscription:
        """See ``bus.Bus``."""
        dispatcher = DeadLetterConsumer(
            handle,
            send=self._send_untraced,
            routes=self._routes,
            metrics=self._metrics.queue(DEAD_QUEUE),
            log=self._log,
            tracing=self._tracing,
        )
        batcher = Batcher(dispatcher.process, size=1, concurrency=_DEAD_PREFETCH, failed=self._failed)
        return await self._subscribe(DEAD_QUEUE, _DEAD_PREFETCH, batcher)

    async def _subscribe(self, queue: str, prefetch: int, batcher: Batcher) -> Subscription:
        rabbit = await self._consuming_connection()
        subscription = Subscription(
            rabbit, queue, batcher, prefetch=prefetch, log=self._log, restore=self._topology.restore
        )
        self._subscriptions.append(subscription)
        await subscription.start()
        return subscription

    async def _consuming_connection(self) -> RabbitConnection:
        async with self._opening:
            if self._consuming is None:
                self._consuming = self._new_connection("consume")
                await self._consuming.open(CONNECT_SECONDS)
        return self._consuming

    async def _isolate_poison(self, route: Route, dispatcher: Dispatcher) -> None:
        rabbit = await self._consuming_connection()
        if self._isolation is None:
            self._isolation = PoisonIsolation(rabbit, self._pausable, self._topology.restore, self._log)
        self._isolation.add(route, dispatcher)

    def _pausable(self) -> list[Subscription]:
        """Return the subscriptions whose messages become poison candidates when this process dies: all but that of the dead letters."""
        return [subscription for subscription in self._subscriptions if subscription.queue != DEAD_QUEUE]

    def _failed(self, error: BaseException) -> None:
        self._log.error(
            "handling failed unexpectedly; its messages are delivered again on the next connection",
            error=describe(error),
            trace=trace(error),
        )

    async def queue_depths(self) -> dict[str, QueueDepth]:
        """See ``bus.Bus``. A queue that does not exist is left out."""
        return await read_depths(await self._publishing.connection(), self._settings, self._routes)

    async def ready(self) -> bool:
        """See ``bus.Bus``."""
        connections = [self._publishing, *([self._consuming] if self._consuming else [])]
        if not all(each.is_up for each in connections):
            return False
        try:
            async with asyncio.timeout(_READY_SECONDS):
                for each in connections:
                    await _answers(await each.connection())
        except BaseException as error:
            if not is_connection_loss(error):
                raise
            return False
        return True

    async def stop_consuming(self, grace: float | None = None) -> bool:
        """See ``bus.Bus``."""
        stopping, self._subscriptions = self._subscriptions, []
        consumers: list[Consumer] = [*stopping, *([self._isolation] if self._isolation else [])]
        return all(await asyncio.gather(*(consumer.stop(grace) for consumer in consumers)))

    async def close(self) -> None:
        """See ``bus.Bus``."""
        if self._isolation is not None:
            await self._isolation.abandon()
        for subscription in self._subscriptions:
            await subscription.abandon()
        self._subscriptions.clear()
        if self._consuming is not None:
            await self._consuming.close()
        if self._keeping is not None:
            await cancel_and_wait(self._keeping)
        await self._publisher.close()
        await self._publishing.close()


async def _answers(connection: AbstractConnection) -> None:
    await close_channel(await connection.channel(publisher_confirms=False))


@asynccontextmanager
async def open_bus(
    settings: BrokerSettings,
    stage: str,
    *,
    metrics: Metrics,
    log: structlog.typing.FilteringBoundLogger,
    routes: Sequence[Route] = ROUTES,
    tracing: Tracing | None = None,
    seconds: float = CONNECT_SECONDS,
) -> AsyncIterator[RabbitBus]:
    """Open the bus for the duration of a ``with`` block; see ``RabbitBus.open`` for errors."""
    bus = RabbitBus(settings, stage, metrics=metrics, log=log, routes=routes, tracing=tracing)
    try:
        await bus.open(seconds)
        yield bus
    finally:
        await bus.close()
