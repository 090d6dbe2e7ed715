"""Stores the dead letters. There is no further queue for them, so each stays unacknowledged until it is stored.

A message that the broker gave up because its consumers died is only a poison candidate: it is handled once more, in isolation.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from schemas.errors import UndecodableError
from schemas.routes import ISOLATED, Route, isolated_queue
from services.amqp.delivery import codec
from services.amqp.delivery.codec import SendEnvelopes
from services.amqp.delivery.incoming import IncomingMessage, settle
from services.amqp.delivery.outcomes import CRASHED, DeadLetterDelivery, HandleDead
from services.amqp.delivery.trace_context import context_of, trace_fields
from services.runtime.backoff import Backoff
from services.runtime.failures import describe, facts
from services.runtime.metrics import QueueMetrics

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class DeadLetterConsumer:
    """Passes dead letters to a handler that stores them, and retries until it succeeds."""

    def __init__(
        self,
        handle: HandleDead,
        *,
        send: SendEnvelopes,
        routes: Sequence[Route],
        metrics: QueueMetrics,
        log: structlog.typing.FilteringBoundLogger,
        tracing: Tracing | None = None,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self._handle = handle
        self._send = send
        self._isolated_queues = {route.queue: isolated_queue(route) for route in routes}
        self._metrics = metrics
        self._log = log
        self._tracing = tracing
        self._first_pause = first_pause

    async def process(self, batch: Sequence[IncomingMessage]) -> None:
        """Handle and acknowledge dead letters."""
        for incoming in batch:
            started = time.time_ns()
            structlog.contextvars.bind_contextvars(**trace_fields(context_of(incoming.headers)))
            queue = limit_queue(incoming.headers)
            if queue in self._isolated_queues:
                await self._isolate(incoming, queue)
            else:
                letter = dead_letter_of(incoming)
                await self._store(letter)
                if self._tracing is not None:
                    self._tracing.dead_letter_stored(incoming, started, reason=letter.reason)
                if letter.reason == CRASHED:
                    self._metrics.died(CRASHED)  # the process that died could not count it
            await settle([incoming])
            self._metrics.handled(1, 0.0)

    async def _isolate(self, incoming: IncomingMessage, queue: str) -> None:
        """Move a poison candidate to its isolated queue."""
        identifier = incoming.headers.get(codec.ID)
        self._metrics.retried("ConsumerDied")
        self._log.warning("consumers died while handling this message: it is isolated", id=identifier, queue=queue)
        isolated = self._isolated_queues[queue]
        envelope = codec.for_isolation(incoming.headers, incoming.content_type, incoming.body, queue=isolated)
        backoff = Backoff(self._first_pause, _LONGEST_PAUSE)
        while (error := (await self._send([envelope]))[0]) is not None:
            self._log.error("poison candidate cannot be isolated", id=identifier, queue=isolated, error=describe(error))
            await asyncio.sleep(backoff.next())

    async def _store(self, letter: DeadLetterDelivery) -> None:
        backoff = Backoff(self._first_pause, _LONGEST_PAUSE)
        while True:
            try:
                await self._handle(letter)
            except Exception as error:  # noqa: BLE001 - whatever the error is, the dead letter must not be lost
                self._log.error(
                    "dead letter cannot be stored", id=letter.headers.get(codec.ID), queue=letter.queue, **facts(error)
                )
                await asyncio.sleep(backoff.next())
            else:
                return


def dead_letter_of(incoming: IncomingMessage) -> DeadLetterDelivery:
    """Return an incoming message as a dead letter."""
    headers = incoming.headers
    queue, reason = headers.get(codec.QUEUE), headers.get(codec.REASON)
    if not isinstance(queue, str) or not isinstance(reason, str):
        queue = limit_queue(headers).removesuffix(ISOLATED)
        reason = CRASHED if queue else "unknown"
    try:
        message = codec.decode(headers, incoming.body)
    except UndecodableError:
        message = None
    error = headers.get(codec.ERROR)
    return DeadLetterDelivery(
        queue=queue,
        reason=reason,
        error=error if isinstance(error, str) else "",
        attempt=codec.attempt_of(headers),
        message=message,
        body=incoming.body,
        headers=codec.own_headers(headers) | {codec.CONTENT_TYPE: incoming.content_type},
    )


def limit_queue(headers: Mapping[str, Any]) -> str:
    """Return the queue in which the broker gave up a message, or "". Its ``x-death`` header has one entry per queue and reason."""
    deaths = headers.get("x-death")
    for death in deaths if isinstance(deaths, list) else ():
        if isinstance(death, dict) and death.get("reason") == "delivery_limit":
            return str(death.get("queue", ""))
    return ""
