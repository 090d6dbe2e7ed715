"""The interface to the queues. Two implementations pass the same tests: ``rabbitmq.bus.RabbitBus`` and ``memory.MemoryBus``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from schemas.messages import Event
from schemas.routes import Route
from services.amqp.delivery.outcomes import DeadLetterDelivery, Delivery, Done, Failed, QueueDepth
from services.amqp.delivery.trace_context import TraceContext

Handle = Callable[[Delivery[Any]], Awaitable[Sequence[Event]]]
"""Handles one message and returns what to publish. It raises ``TransientError`` or ``PermanentError``; anything else is a bug."""

HandleBatch = Callable[[Sequence[Delivery[Any]]], Awaitable[Sequence[Done | Failed]]]
"""Handles a batch and returns the outcome of each message, in order. Raising fails every message of the batch."""

HandleDead = Callable[[DeadLetterDelivery], Awaitable[None]]
"""Stores a dead letter. If it raises, it is called again after a pause."""


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


class Bus(Protocol):
    """Publishes and consumes messages. What is published is persistent, routed and confirmed; otherwise an error is raised."""

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
        ...

    async def publish_many(
        self, items: Sequence[tuple[Event, bytes | None]], *, contexts: Sequence[TraceContext] | None = None
    ) -> list[Exception | None]:
        """Publish many messages with a window of confirmations in flight. Returns, in order, None or the error of each.

        Args:
            items: messages with their bodies, see ``publish``.
            contexts: in the same order, the traces that they belong to.
        """
        ...

    async def consume(self, route: Route, handle: Handle, *, prefetch: int | None = None) -> Consumer:
        """Handle the messages of a route one by one, up to ``prefetch`` (default: the route's) at the same time."""
        ...

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
        ...

    async def consume_dead(self, handle: HandleDead) -> Consumer:
        """Pass the dead letters to ``handle`` one by one."""
        ...

    async def replay(self, queue: str, body: bytes, headers: Mapping[str, str], *, isolated: bool = False) -> None:
        """Send a dead letter to its queue again, as attempt 1; ``isolated``: to be handled with nothing else in progress."""
        ...

    async def queue_depths(self) -> dict[str, QueueDepth]:
        """Return the depth of every queue of the system by name, delay queues and dead letters included."""
        ...

    async def ready(self) -> bool:
        """Whether the broker answers."""
        ...

    async def stop_consuming(self, grace: float | None = None) -> bool:
        """Stop every consumer at the same time, see ``Consumer.stop``."""
        ...

    async def close(self) -> None:
        """Close the connections. What is in progress is cancelled and delivered again."""
        ...
