"""The interface to the queues. Two implementations, one behaviour suite: ``rabbit.RabbitBus`` and ``memory.MemoryBus``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from schemas.messages import Event
from schemas.routes import Route
from services.amqp.delivery.outcomes import DeadLetter, Delivery, Done, Failed, QueueDepth
from services.amqp.delivery.trace_context import TraceContext

Handle = Callable[[Delivery[Any]], Awaitable[Sequence[Event]]]
"""Handles one message, returns what to publish. It raises ``TransientError``, ``PermanentError`` or, being buggy, anything."""

HandleBatch = Callable[[Sequence[Delivery[Any]]], Awaitable[Sequence[Done | Failed]]]
"""Handles a batch; says of each message, in order, what became of it. Raising fails every message of the batch."""

HandleDead = Callable[[DeadLetter], Awaitable[None]]
"""Keeps a dead letter. Raising leaves it in the queue; it comes again after a pause."""


class Consumer(Protocol):
    """A running subscription. It outlives reconnections."""

    async def stop(self, grace: float | None = None) -> bool:
        """Take no more messages, and let those in progress finish and be settled.

        Args:
            grace: seconds before what still runs is cancelled (its messages come again); None waits for ever.

        Returns:
            Whether everything in progress finished.
        """
        ...


class Bus(Protocol):
    """Publishes and consumes messages; everything published is persistent, confirmed and routed, or an error says otherwise."""

    async def publish(self, message: Event, body: bytes | None = None) -> None:
        """Publish one message and wait for the broker's confirmation.

        A full queue makes this wait (backpressure), a lost connection makes it send again with the same id.

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
        """Publish many with a window of confirmations in flight; returns, in order, None or what ``publish`` would have raised.

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
            size: at most so many messages a batch.
            wait: seconds, see above.
            eager: False lets a batch wait also when none is in progress: for work that is not urgent and costs more per batch than
                by the message.
            concurrency: how many batches may be in progress at the same time.
        """
        ...

    async def consume_dead(self, handle: HandleDead) -> Consumer:
        """Handle the dead letters one by one."""
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
