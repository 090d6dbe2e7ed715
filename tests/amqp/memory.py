"""The bus in memory, for unit tests: the production dispatcher and batcher on queues that are lists.

It has the topology of ``schemas.topology``: a message that no queue takes is unroutable, and a full queue makes publishers wait.
``join`` raises unexpected errors of handlers, so that a test shows the handler's own error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from schemas.errors import BusClosedError, UnroutableError
from schemas.messages import Event
from schemas.routes import DEAD_QUEUE, EXCHANGE, ROUTES, Route, isolated_queue
from schemas.topology import Queue, bindings, queues
from services.amqp.delivery import codec
from services.amqp.delivery.batcher import Batcher
from services.amqp.delivery.bus import Bus, Consumer
from services.amqp.delivery.codec import Envelope
from services.amqp.delivery.dead_letter_consumer import DeadLetterConsumer
from services.amqp.delivery.dispatch import Dispatcher
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.delivery.outcomes import Delivery, Done, Failed, HandleBatch, HandleDead, QueueDepth
from services.runtime.failures import is_bug
from services.runtime.metrics import Metrics

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing


class _Stored(NamedTuple):
    envelope: Envelope
    redelivered: bool


class MemoryQueue:
    """A queue, its one consumer, and the unacknowledged messages, which it settles."""

    def __init__(self, queue: Queue, changed: asyncio.Event) -> None:
        self.arguments = queue.arguments
        self.waiting: deque[_Stored] = deque()
        self.unacknowledged: dict[int, _Stored] = {}
        self.batcher: Batcher | None = None
        self.prefetch = 0
        self._tags = count(1)
        self._changed = changed

    @property
    def is_full(self) -> bool:
        """Whether it refuses further messages."""
        return len(self.waiting) + len(self.unacknowledged) >= int(self.arguments["x-max-length"])

    def put(self, envelope: Envelope) -> None:
        """Add a message."""
        self.waiting.append(_Stored(envelope, redelivered=False))
        self.deliver()

    def deliver(self) -> None:
        """Deliver as many messages as the consumer's prefetch allows."""
        while self.batcher is not None and self.waiting and len(self.unacknowledged) < self.prefetch:
            stored = self.waiting.popleft()
            tag = next(self._tags)
            self.unacknowledged[tag] = stored
            headers, content_type, body = stored.envelope.headers, stored.envelope.content_type, stored.envelope.body
            self.batcher.put(IncomingMessage(headers, content_type, body, stored.redelivered, tag, self))
        self._changed.set()

    async def ack(self, tags: Sequence[int]) -> None:
        """Remove messages. Those that the consumer no longer holds are ignored."""
        for tag in tags:
            self.unacknowledged.pop(tag, None)
        self.deliver()

    def give_back(self) -> None:
        """Return unacknowledged messages to the head of the queue, as a broker does when a consumer is gone."""
        self.waiting.extendleft(stored._replace(redelivered=True) for stored in reversed(self.unacknowledged.values()))
        self.unacknowledged.clear()
        self._changed.set()


class MemoryConsumer:
    """See ``bus.Consumer``."""

    def __init__(self, queue: MemoryQueue, batcher: Batcher) -> None:
        self._queue, self._batcher = queue, batcher

    async def stop(self, grace: float | None = None) -> bool:
        """See ``bus.Consumer``."""
        self._queue.batcher = None
        finished = await self._batcher.drain(grace)
        self._queue.give_back()
        return finished

    async def abandon(self) -> None:
        """Lose the consumer as in a crash: what is in progress is cancelled and delivered again."""
        self._queue.batcher = None
        await self._batcher.cancel()
        self._queue.give_back()


class MemoryBus(Bus):
    """See ``bus.Bus``. Retry delays are multiplied by ``delay_scale``; with 0 messages come back at once."""

    def __init__(
        self,
        stage: str = "test",
        *,
        delay_scale: float = 0.0,
        routes: Sequence[Route] = ROUTES,
        tracing: Tracing | None = None,
    ) -> None:
        super().__init__(
            stage, self._deliver, routes=routes, metrics=Metrics(stage), log=structlog.get_logger(), tracing=tracing
        )
        self._delay_scale = delay_scale
        self._changed = asyncio.Event()
        self._queues = {queue.name: MemoryQueue(queue, self._changed) for queue in queues(routes)}
        self._bindings: dict[tuple[str, str], str] = {
            (each.exchange, each.routing_key): each.queue for each in bindings(routes)
        }
        self._consumers: list[MemoryConsumer] = []
        self._delayed: set[asyncio.TimerHandle] = set()
        self._closed = False
        self._handler_errors: list[Exception] = []
        self.published: list[Event] = []
        """Every message that was published or returned by a handler, in order."""

    async def _consume(self, route: Route, handle: HandleBatch, **batching: Any) -> Consumer:
        """See ``bus.Bus``. Keep the unexpected errors of the handler for ``join``."""

        async def noting(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
            try:
                outcomes = await handle(deliveries)
            except Exception as error:
                self._note(error)
                raise
            if len(outcomes) != len(deliveries):
                self._note(RuntimeError("the handler did not return one outcome per message"))
            for outcome in outcomes:
                if isinstance(outcome, Failed):
                    self._note(outcome.error)
            return outcomes

        return await super()._consume(route, noting, **batching)

    async def consume_dead(self, handle: HandleDead) -> MemoryConsumer:
        """See ``bus.Bus``."""
        metrics = self._metrics.queue(DEAD_QUEUE)
        dispatcher = DeadLetterConsumer(
            handle,
            send=self._send_untraced,
            routes=self._routes,
            metrics=metrics,
            log=self._log,
            tracing=self._tracing,
            first_pause=self._delay_scale,
        )
        batcher = Batcher(dispatcher.process, size=1, concurrency=20, failed=self._failed)
        return await self._subscribe(DEAD_QUEUE, 20, batcher)

    async def _isolate_poison(self, route: Route, dispatcher: Dispatcher) -> None:
        await self._subscribe(
            isolated_queue(route), 1, Batcher(dispatcher.process, size=1, concurrency=1, failed=self._failed)
        )

    async def _subscribe(self, name: str, prefetch: int, batcher: Batcher) -> MemoryConsumer:
        queue = self._queues[name]
        queue.batcher, queue.prefetch = batcher, prefetch
        consumer = MemoryConsumer(queue, batcher)
        self._consumers.append(consumer)
        queue.deliver()
        return consumer

    async def _deliver(self, envelopes: Sequence[Envelope]) -> list[Exception | None]:
        return [await self._route(envelope) for envelope in envelopes]

    async def _route(self, envelope: Envelope) -> Exception | None:
        default = envelope.routing_key if not envelope.exchange else None
        name = default or self._bindings.get((envelope.exchange, envelope.routing_key))
        queue = self._queues.get(name or "")
        if name is None or queue is None:
            return UnroutableError(f"no queue takes a message at {envelope.routing_key!r}")
        while queue.is_full and not self._closed:
            self._changed.clear()
            await self._changed.wait()
        if self._closed:
            return BusClosedError("the bus is closed")
        if envelope.exchange == EXCHANGE:
            self.published.append(codec.decode(envelope.headers, envelope.body))
        if "x-message-ttl" in queue.arguments:
            self._delay(
                self._queues[str(queue.arguments["x-dead-letter-routing-key"])],
                envelope,
                int(queue.arguments["x-message-ttl"]),
            )
        else:
            queue.put(envelope)
        return None

    def _delay(self, queue: MemoryQueue, envelope: Envelope, milliseconds: int) -> None:
        def arrive() -> None:
            self._delayed.discard(timer)
            queue.put(envelope)

        timer = asyncio.get_running_loop().call_later(milliseconds / 1000 * self._delay_scale, arrive)
        self._delayed.add(timer)

    def _note(self, error: Exception) -> None:
        if is_bug(error):
            self._handler_errors.append(error)
            self._changed.set()

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            self._handler_errors.append(error)
        self._changed.set()

    async def join(self) -> None:
        """Wait until every queue that has a consumer is empty and nothing is unacknowledged or delayed.

        Raises:
            Exception: the first unexpected error of a handler (neither transient nor permanent).
        """
        while not self._handler_errors:
            busy = self._delayed or any(
                queue.unacknowledged or (queue.waiting and queue.batcher is not None) for queue in self._queues.values()
            )
            if not busy:
                return
            self._changed.clear()
            await self._changed.wait()
        raise self._handler_errors.pop(0)

    async def queue_depths(self) -> dict[str, QueueDepth]:
        """See ``bus.Bus``."""
        return {
            name: QueueDepth(len(queue.waiting), int(queue.batcher is not None), len(queue.unacknowledged))
            for name, queue in self._queues.items()
        }

    async def ready(self) -> bool:
        """See ``bus.Bus``."""
        return not self._closed

    async def stop_consuming(self, grace: float | None = None) -> bool:
        """See ``bus.Bus``."""
        stopping, self._consumers = self._consumers, []
        return all(await asyncio.gather(*(consumer.stop(grace) for consumer in stopping)))

    async def close(self) -> None:
        """See ``bus.Bus``."""
        self._closed = True
        self._changed.set()
        for timer in self._delayed:
            timer.cancel()
        self._delayed.clear()
        for consumer in self._consumers:
            await consumer.abandon()
        self._consumers.clear()
