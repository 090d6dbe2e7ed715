"""Spans of messages, by OpenTelemetry's conventions for messaging. Loaded only if ``LEADMAIL_TRACING_URL`` is set.

Nothing is kept in context variables: a batch holds messages of many traces, so each message carries its own context. Spans
record ids and codes, never the content of a mail or record.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from opentelemetry.context import Context as Parent
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from schemas.routes import DEAD_QUEUE, EXCHANGE, Route
from services.amqp.delivery import codec
from services.amqp.delivery.codec import Envelope, SendEnvelopes
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.delivery.outcomes import Done, Failed
from services.amqp.delivery.retry import Retry, decide
from services.amqp.delivery.trace_context import UNTRACED, TraceContext, context_of, is_unsampled

Attributes = Mapping[str, str | int]
_HEADERS = TraceContextTextMapPropagator()
_NUMBER = r"(?:[0-9a-f]{24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+)"
_OURS = re.compile(
    rf"(?:lead:|contact:)?{_NUMBER}(?:[./@](?:[0-9a-f]{{12}}|{_NUMBER}|gone|attention|completed|parsed))*"
)
"""An id made of numbers and our own words. A CRM may use anything as a record's id, even an address: such an id is not recorded."""


class BatchSpans:
    """The spans of a batch that is being handled, one per message; an unsampled message has none."""

    def __init__(self, tracer: Tracer, route: Route, batch: Sequence[IncomingMessage]) -> None:
        self._route = route
        self._batch = batch
        self._spans: list[Span | None] = []
        self.contexts: list[TraceContext] = []
        """In the order of the batch: the trace context for what follows from each message."""
        destination = f"{EXCHANGE}:{route.routing_key}:{route.queue}"
        for incoming in batch:
            context = context_of(incoming.headers)
            if is_unsampled(context):
                self._spans.append(None)
                self.contexts.append(context)
                continue
            attributes = _messaging(
                "process", destination, incoming.headers.get(codec.ID), incoming.body, route.routing_key
            )
            span = tracer.start_span(
                f"process {destination}",
                _parent(context),
                SpanKind.CONSUMER,
                attributes
                | {"leadmail.attempt": codec.attempt_of(incoming.headers), "leadmail.batch_messages": len(batch)},
            )
            self._spans.append(span)
            self.contexts.append(_context(span))

    def end(self, outcomes: Sequence[Done | Failed], kept: Collection[int]) -> None:
        """Record the outcomes, in order. The messages at the indexes ``kept`` stay unacknowledged."""
        for place, (span, incoming, outcome) in enumerate(zip(self._spans, self._batch, outcomes, strict=True)):
            if span is None:
                continue
            if isinstance(outcome, Failed):
                decision = decide(outcome.error, codec.attempt_of(incoming.headers), self._route)
                if place in kept:
                    span.set_attribute("leadmail.outcome", "kept")
                elif isinstance(decision, Retry):
                    span.set_attribute("leadmail.outcome", "retried")
                else:
                    span.set_attribute("leadmail.outcome", "dead")
                    span.set_attribute("leadmail.reason", decision.reason)
            else:
                span.set_attribute("leadmail.outcome", "done")
            _end(span, outcome.error if isinstance(outcome, Failed) else None)


class Tracing:
    """Makes the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("leadmail")

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
        if is_unsampled(after):
            return after
        span = self._tracer.start_span(name, _parent(after), SpanKind[kind.upper()], attributes, start_time=started)
        for event, at in (moments or {}).items():
            span.add_event(event, timestamp=at)
        span.end()
        return _context(span)

    def start_batch(self, route: Route, batch: Sequence[IncomingMessage]) -> BatchSpans:
        """Start the spans of a batch from a route's queue."""
        return BatchSpans(self._tracer, route, batch)

    def dead_letter_stored(self, incoming: IncomingMessage, started: int, *, reason: str) -> None:
        """Record that a dead letter was stored."""
        if context := context_of(incoming.headers):
            attributes = _messaging("process", DEAD_QUEUE, incoming.headers.get(codec.ID), incoming.body)
            self.record(
                f"process {DEAD_QUEUE}",
                after=context,
                started=started,
                attributes=attributes | {"leadmail.reason": reason},
                kind="consumer",
            )

    def traced_send(self, send: SendEnvelopes) -> SendEnvelopes:
        """Return a ``send`` that makes a span for each published message. Retries and dead letters pass through unchanged."""

        async def traced(envelopes: Sequence[Envelope]) -> list[Exception | None]:
            spans = [self._publishing(envelope) if envelope.exchange == EXCHANGE else None for envelope in envelopes]
            errors = await send(envelopes)
            for span, error in zip(spans, errors, strict=True):
                if span is not None:
                    _end(span, error)
            return errors

        return traced

    def _publishing(self, envelope: Envelope) -> Span | None:
        context = context_of(envelope.headers)
        if is_unsampled(context):
            return None
        destination = f"{envelope.exchange}:{envelope.routing_key}"
        attributes = _messaging(
            "publish", destination, envelope.headers.get(codec.ID), envelope.body, envelope.routing_key
        )
        span = self._tracer.start_span(f"publish {destination}", _parent(context), SpanKind.PRODUCER, attributes)
        envelope.headers.update(_context(span))
        return span


def now() -> int:
    """Return the present moment as spans count it: nanoseconds since 1970."""
    return time.time_ns()


def _messaging(
    operation: Literal["publish", "process"], destination: str, identifier: object, body: bytes, routing_key: str = ""
) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": "send" if operation == "publish" else operation,
        "messaging.destination.name": destination,
        "messaging.message.body.size": len(body),
    }
    if routing_key:
        attributes["messaging.rabbitmq.destination.routing_key"] = routing_key
    if isinstance(identifier, str) and _OURS.fullmatch(identifier):
        attributes["messaging.message.id"] = identifier
    return attributes


def _parent(context: TraceContext) -> Parent:
    return _HEADERS.extract(context, Parent())


def _context(span: Span) -> TraceContext:
    headers: dict[str, str] = {}
    _HEADERS.inject(headers, set_span_in_context(span, Parent()))
    return headers


def _end(span: Span, error: Exception | None) -> None:
    if error is not None:
        span.set_attribute("error.type", type(error).__name__)
        span.set_status(Status(StatusCode.ERROR))
    span.end()
