"""The interface to the queues, and how any bus publishes and handles: with the codec, a dispatcher and a batcher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import structlog

from schemas.errors import PermanentError
from schemas.messages import Event
from schemas.routes import ISOLATED, Route
from services.amqp.delivery import codec
from services.amqp.delivery.batcher import Batcher
from services.amqp.delivery.codec import SendEnvelopes
from services.amqp.delivery.dispatch import Dispatcher, one_by_one
from services.amqp.delivery.outcomes import Handle, HandleBatch, HandleDead, QueueDepth
from services.amqp.delivery.trace_context import UNTRACED, TraceContext
from services.runtime.metrics import Metrics

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing


class Consumer(Protocol):
    """A running subscription. It outlives reconnections."""

    async def stop(self, grace: float | None = None) -> bool:
        """Take no more messages, and let those in progress finish and be settled.

        Args:
            grace: seconds until what still runs is cancelled and its messages are delivered again; None waits forever.

        Returns:
            Whether everything in progress finished.
        """
        ...

    async def abandon(self) -> None:
        """Stop at once. What is in progress is cancelled and delivered again."""
        ...


class Bus(ABC):
    """Publishes and consumes messages. What is published is persistent, routed and confirmed; otherwise an error is raised."""

    def __init__(
        self,
        stage: str,
        send: SendEnvelopes,
        *,
        routes: Sequence[Route],
        metrics: Metrics,
        log: structlog.typing.FilteringBoundLogger,
        tracing: Tracing | None,
    ) -> None:
        self._source = f"/leadmail/{stage}"
        self._send_untraced = send
        self._send = send if tracing is None else tracing.traced_send(send)
        self._routes = routes
        self._metrics = metrics
        self._log = log
        self._tracing = tracing

    async def publish(self, message: Event, body: bytes | None = None) -> None:
        """Publish one message and wait for the broker's confirmation.

        While the queue is full, this waits (backpressure). If the connection is lost, the message is sent again with the same id.

        Args:
            message: its routing key decides which queue gets it.
            body: for ``MailFetched`` the raw mail, else None.

        Raises:
            UnroutableError: no queue takes it.
            BusClosedError: the bus is closed.
        """
        (error,) = await self.publish_many([(message, body)])
        if error is not None:
            raise error

    async def publish_many(
        self, items: Sequence[tuple[Event, bytes | None]], *, contexts: Sequence[TraceContext] | None = None
    ) -> list[Exception | None]:
        """Publish many messages with a window of confirmations in flight. Returns, in order, None or the error of each.

        Args:
            items: messages with their bodies, see ``publish``.
            contexts: in the same order, the traces that they belong to.
        """
        results: list[Exception | None] = [None] * len(items)
        envelopes = []
        places = []
        for place, (message, body) in enumerate(items):
            try:
                context = contexts[place] if contexts is not None else UNTRACED
                envelopes.append(codec.encode(message, body, source=self._source, context=context))
                places.append(place)
            except PermanentError as error:
                results[place] = error
        for place, outcome in zip(places, await self._send(envelopes), strict=True):
            results[place] = outcome
        return results

    async def consume(self, route: Route, handle: Handle, *, prefetch: int | None = None) -> Consumer:
        """Handle the messages of a route one by one, up to ``prefetch`` (default: the route's) at the same time."""
        window = prefetch or route.prefetch
        return await self._consume(route, one_by_one(handle), prefetch=window, concurrency=window)

    async def consume_batches(
        self,
        route: Route,
        handle: HandleBatch,
        *,
        size: int,
        wait: float = 0.0,
        eager: bool = True,
        concurrency: int = 1,
    ) -> Consumer:
        """Handle the messages of a route in batches.

        A batch is what has arrived, up to ``size``. It starts at once when no batch is in progress (if ``eager``). With one in
        progress (``concurrency`` above 1) it starts when it is full or its first message is ``wait`` seconds old. What arrives
        meanwhile forms the next one.

        Args:
            route: the queue to consume.
            handle: called with 1 to ``size`` deliveries.
            size: the most messages in a batch.
            wait: in seconds, see above.
            eager: False makes a batch wait even if none is in progress: for work that is not urgent and whose cost is mostly per
                batch.
            concurrency: the most batches in progress at the same time.
        """
        prefetch = max(route.prefetch, size * (concurrency + 1))
        return await self._consume(
            route, handle, prefetch=prefetch, size=size, wait=wait, eager=eager, concurrency=concurrency
        )

    async def _consume(
        self,
        route: Route,
        handle: HandleBatch,
        *,
        prefetch: int,
        size: int = 1,
        wait: float = 0.0,
        eager: bool = True,
        concurrency: int,
    ) -> Consumer:
        dispatcher = Dispatcher(
            route,
            handle,
            send=self._send,
            source=self._source,
            metrics=self._metrics.queue(route.queue),
            log=self._log,
            tracing=self._tracing,
        )
        batcher = Batcher(
            dispatcher.process, size=size, wait=wait, eager=eager, concurrency=concurrency, failed=self._failed
        )
        consumer = await self._subscribe(route.queue, prefetch, batcher)
        await self._isolate_poison(route, dispatcher)
        return consumer

    @abstractmethod
    async def _subscribe(self, queue: str, prefetch: int, batcher: Batcher) -> Consumer:
        """Pass the messages of a queue to a batcher, at most ``prefetch`` at a time."""

    @abstractmethod
    async def _isolate_poison(self, route: Route, dispatcher: Dispatcher) -> None:
        """Handle the poison candidates of a route, too, with nothing else in progress."""

    @abstractmethod
    def _failed(self, error: BaseException) -> None:
        """Note that a batch failed in a way that is a bug."""

    @abstractmethod
    async def consume_dead(self, handle: HandleDead) -> Consumer:
        """Pass the dead letters to ``handle`` one by one."""

    async def replay(self, queue: str, body: bytes, headers: Mapping[str, str], *, isolated: bool = False) -> None:
        """Send a dead letter to its queue again, as attempt 1; ``isolated``: to be handled with nothing else in progress."""
        (error,) = await self._send_untraced([codec.for_replay(queue + ISOLATED if isolated else queue, headers, body)])
        if error is not None:
            raise error

    @abstractmethod
    async def queue_depths(self) -> dict[str, QueueDepth]:
        """Return the depth of every queue of the system by name, delay queues and dead letters included."""

    @abstractmethod
    async def ready(self) -> bool:
        """Whether the broker answers."""

    @abstractmethod
    async def stop_consuming(self, grace: float | None = None) -> bool:
        """Stop every consumer at the same time, see ``Consumer.stop``."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections. What is in progress is cancelled and delivered again."""
