"""Decodes, handles, publishes, then acknowledges messages.

A message is acknowledged only after the broker has confirmed everything that follows from it: the messages that the handler
returned, or its own copy in a delay queue or the dead letters. If this is interrupted, the message stays unacknowledged and the
broker delivers it again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog

from schemas.errors import BusClosedError, PermanentError, TransientError
from schemas.routes import Route
from services.amqp.delivery import codec
from services.amqp.delivery.codec import Envelope, SendEnvelopes
from services.amqp.delivery.incoming import IncomingMessage, settle
from services.amqp.delivery.outcome_logger import OutcomeLogger
from services.amqp.delivery.outcomes import Delivery, Done, Failed, Handle, HandleBatch
from services.amqp.delivery.retry import Retry, decide
from services.amqp.delivery.trace_context import TraceContext, context_of, trace_fields
from services.runtime.failures import describe
from services.runtime.metrics import QueueMetrics

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing

HANDLING_SECONDS = 600.0
"""A handler that takes longer is hanging. The broker takes messages back after 30 minutes."""


def one_by_one(handle: Handle) -> HandleBatch:
    """Return a handler of single messages as a handler of batches of one."""

    async def handle_one(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        return [Done(await handle(deliveries[0]))]

    return handle_one


class Dispatcher:
    """Handles the batches of one queue."""

    def __init__(
        self,
        route: Route,
        handle: HandleBatch,
        *,
        send: SendEnvelopes,
        source: str,
        metrics: QueueMetrics,
        log: structlog.typing.FilteringBoundLogger,
        tracing: Tracing | None = None,
    ) -> None:
        self._route = route
        self._handle = handle
        self._send = send
        self._source = source
        self._metrics = metrics
        self._outcome_log = OutcomeLogger(log.bind(queue=route.queue), route)
        self._tracing = tracing

    async def process(self, batch: Sequence[IncomingMessage]) -> None:
        """Handle messages and settle them. Those that could not be settled stay unacknowledged."""
        started = time.perf_counter()
        handling = self._tracing.start_batch(self._route, batch) if self._tracing is not None else None
        contexts = handling.contexts if handling is not None else [context_of(incoming.headers) for incoming in batch]
        if len(batch) == 1:  # each call runs in its own task, with its own context variables
            _bind(batch[0], contexts[0])
        outcomes: list[Done | Failed | None] = [None] * len(batch)
        deliveries: list[Delivery[Any]] = []
        places: list[int] = []
        for place, incoming in enumerate(batch):
            try:
                deliveries.append(self._delivery(incoming, contexts[place]))
                places.append(place)
            except PermanentError as error:
                outcomes[place] = Failed(error)
        if deliveries:
            for place, outcome in zip(places, await self._outcomes(deliveries), strict=True):
                outcomes[place] = outcome
        final = await self._publish([outcome for outcome in outcomes if outcome is not None], contexts)
        kept = await self._send_failed(batch, final, contexts)
        await settle([incoming for place, incoming in enumerate(batch) if place not in kept])
        self._metrics.handled(sum(isinstance(outcome, Done) for outcome in final), time.perf_counter() - started)
        self._outcome_log.handled(batch, final, contexts)
        if handling is not None:
            handling.end(final, kept)

    def _delivery(self, incoming: IncomingMessage, context: TraceContext) -> Delivery[Any]:
        message = codec.decode(incoming.headers, incoming.body)
        if type(message) is not self._route.message:
            raise PermanentError("undecodable", f"a {message.TYPE} in a queue of {self._route.message.TYPE}")
        self._metrics.taken(incoming.headers.get(codec.TIME))
        attempt = codec.attempt_of(incoming.headers)
        return Delivery(message, incoming.body, attempt, incoming.redelivered, self._route.queue, context)

    async def _outcomes(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        try:
            async with asyncio.timeout(HANDLING_SECONDS) as limit:
                outcomes = await self._handle(deliveries)
            if len(outcomes) != len(deliveries):
                raise RuntimeError("the handler did not return one outcome per message")  # noqa: TRY301 - handled like any bug in it
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is an outcome: decide() chooses what follows
            slow = limit.expired()
            failure = TransientError(f"handling took longer than {HANDLING_SECONDS:.0f} s") if slow else error
            return [Failed(failure)] * len(deliveries)
        return outcomes

    async def _publish(
        self, outcomes: Sequence[Done | Failed], contexts: Sequence[TraceContext]
    ) -> list[Done | Failed]:
        """Publish what the handler returned. An outcome whose messages were not all confirmed becomes a failure."""
        final = list(outcomes)
        envelopes: list[Envelope] = []
        places: list[int] = []
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Done):
                try:
                    encoded = [
                        codec.encode(message, None, source=self._source, context=contexts[place])
                        for message in outcome.publish
                    ]
                except PermanentError as error:
                    final[place] = Failed(error)
                else:
                    envelopes += encoded
                    places += [place] * len(encoded)
        for place, refusal in zip(places, await self._send(envelopes), strict=True):
            if refusal is not None:
                final[place] = Failed(refusal)
        return final

    async def _send_failed(
        self, batch: Sequence[IncomingMessage], outcomes: Sequence[Done | Failed], contexts: Sequence[TraceContext]
    ) -> set[int]:
        """Send failed messages to a delay queue or the dead letters. Returns the indexes of those that must stay unacknowledged."""
        kept: set[int] = set()
        places: list[int] = []
        envelopes: list[Envelope] = []
        for place, outcome in enumerate(outcomes):
            if isinstance(outcome, Done):
                continue
            if isinstance(outcome.error, BusClosedError):
                kept.add(place)
                continue
            places.append(place)
            envelopes.append(self._follow_up(batch[place], outcome.error, contexts[place]))
        if envelopes:
            self._outcome_log.failed(batch, outcomes, contexts)
            refused = await self._send(envelopes)
            stuck = {place: error for place, error in zip(places, refused, strict=True) if error is not None}
            self._outcome_log.stuck([batch[place] for place in stuck], next(iter(stuck.values()), None))
            kept |= stuck.keys()
        return kept

    def _follow_up(self, incoming: IncomingMessage, error: Exception, context: TraceContext) -> Envelope:
        decision = decide(error, codec.attempt_of(incoming.headers), self._route)
        headers = incoming.headers if context_of(incoming.headers) else {**incoming.headers, **context}
        if isinstance(decision, Retry):
            self._metrics.retried(type(error).__name__)
            return codec.for_retry(headers, incoming.content_type, incoming.body, decision, describe(error))
        self._metrics.died(decision.reason)
        return codec.for_dead_letters(
            headers,
            incoming.content_type,
            incoming.body,
            queue=self._route.queue,
            reason=decision.reason,
            error=describe(error),
        )


def _bind(incoming: IncomingMessage, context: TraceContext) -> None:
    """Add the message's id to every line that is logged while it is handled."""
    headers = incoming.headers
    structlog.contextvars.bind_contextvars(
        message=headers.get(codec.ID), attempt=codec.attempt_of(headers), **trace_fields(context)
    )
