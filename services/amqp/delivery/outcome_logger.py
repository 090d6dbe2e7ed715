"""Logs the outcomes of messages: ids, attempts and errors, never content."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import structlog

from schemas.routes import Route
from services.amqp.delivery import codec
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.delivery.outcomes import Done, Failed
from services.amqp.delivery.retry import Retry, decide
from services.amqp.delivery.trace_context import TraceContext, trace_fields, trace_id
from services.runtime.failures import describe, is_bug, trace

_LOGGED_IDS = 5


class OutcomeLogger:
    """Logs the outcomes of one queue."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger, route: Route) -> None:
        self._log = log
        self._route = route

    def handled(
        self, batch: Sequence[IncomingMessage], outcomes: Sequence[Done | Failed], contexts: Sequence[TraceContext]
    ) -> None:
        """Log one line per message at level debug."""
        if not self._log.is_enabled_for(logging.DEBUG):
            return
        for incoming, outcome, context in zip(batch, outcomes, contexts, strict=True):
            self._log.debug(
                "message handled",
                id=incoming.headers.get(codec.ID),
                attempt=codec.attempt_of(incoming.headers),
                outcome="done" if isinstance(outcome, Done) else "failed",
                **trace_fields(context),
            )

    def failed(
        self, batch: Sequence[IncomingMessage], outcomes: Sequence[Done | Failed], contexts: Sequence[TraceContext]
    ) -> None:
        """Log one line per kind of failure in a batch: a database that is down fails hundreds of messages at once."""
        alike: dict[tuple[str, str, int], list[tuple[IncomingMessage, Exception, TraceContext]]] = defaultdict(list)
        for incoming, outcome, context in zip(batch, outcomes, contexts, strict=True):
            if isinstance(outcome, Failed):
                attempt = codec.attempt_of(incoming.headers)
                decision = decide(outcome.error, attempt, self._route)
                what = decision.queue if isinstance(decision, Retry) else f"dead: {decision.reason}"
                alike[describe(outcome.error), what, attempt].append((incoming, outcome.error, context))
        for (text, what, attempt), failures in alike.items():
            fields: dict[str, Any] = {
                "ids": [incoming.headers.get(codec.ID) for incoming, _, _ in failures[:_LOGGED_IDS]],
                "count": len(failures),
                "attempt": attempt,
                "next": what,
                "error": text,
            }
            if traces := [found for _, _, context in failures[:_LOGGED_IDS] if (found := trace_id(context))]:
                fields["trace_ids"] = traces
            if is_bug(error := failures[0][1]):
                self._log.error("message failed unexpectedly", **fields, trace=trace(error))
            else:
                self._log.warning("message failed", **fields)

    def stuck(self, messages: Sequence[IncomingMessage], error: Exception | None) -> None:
        """Log messages that could be sent neither to a delay queue nor to the dead letters. They stay unacknowledged."""
        if messages:
            ids = [incoming.headers.get(codec.ID) for incoming in messages[:_LOGGED_IDS]]
            self._log.error("failed messages stay unacknowledged", ids=ids, count=len(messages), error=repr(error))
