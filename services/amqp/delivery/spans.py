"""The interface of tracing. Its implementation, ``tracing``, loads OpenTelemetry, which takes memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

from schemas.routes import Route
from services.amqp.delivery.codec import SendEnvelopes
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.delivery.outcomes import Done, Failed
from services.amqp.delivery.trace_context import UNTRACED, TraceContext

Attributes = Mapping[str, str | int]


class BatchSpans(Protocol):
    """The spans of a batch that is being handled."""

    contexts: list[TraceContext]
    """In the order of the batch: the trace context for what follows from each message."""

    def end(self, outcomes: Sequence[Done | Failed], kept: Collection[int]) -> None:
        """Record the outcomes, in order. The messages at the indexes ``kept`` stay unacknowledged."""
        ...


class Tracing(Protocol):
    """Makes the spans of one process."""

    def record(
        self,
        name: str,
        *,
        after: TraceContext = UNTRACED,
        started: int,
        attributes: Attributes,
        moments: Mapping[str, int] | None = None,
        kind: Literal["internal", "client", "consumer"] = "internal",
    ) -> TraceContext:
        """Record a span that ends now. Returns the context for what follows from it.

        Args:
            name: the name of the span.
            after: the context that it follows from; without it a new trace starts, subject to sampling.
            started: the start, in nanoseconds since 1970.
            attributes: ids and codes only.
            moments: events within the span, with their times in nanoseconds since 1970.
            kind: ``client`` for a request to a server, ``consumer`` for a message from a queue.
        """
        ...

    def start_batch(self, route: Route, batch: Sequence[IncomingMessage]) -> BatchSpans:
        """Start the spans of a batch from a route's queue."""
        ...

    def dead_letter_stored(self, incoming: IncomingMessage, started: int, *, reason: str) -> None:
        """Record that a dead letter was stored."""
        ...

    def traced_send(self, send: SendEnvelopes) -> SendEnvelopes:
        """Return a ``send`` that makes a span for each published message. Retries and dead letters pass through unchanged."""
        ...
