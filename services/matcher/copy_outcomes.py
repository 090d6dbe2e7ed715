"""Records what became of each copy: in a metric, in the debug log (from the mailbox's uid to the email), and in traces."""

from __future__ import annotations

import logging
import time
from collections import Counter as Tally
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from prometheus_client import CollectorRegistry, Counter

from schemas.ledger import RowState
from schemas.messages import MailParsed
from services.amqp import UNTRACED, Delivery, TraceContext, trace_fields
from services.store import RowOutcome

if TYPE_CHECKING:
    from services.amqp import Tracing


class CopyOutcomes:
    """Records outcomes; there is one per process."""

    def __init__(
        self, registry: CollectorRegistry, log: structlog.typing.FilteringBoundLogger, tracing: Tracing | None = None
    ) -> None:
        self._copies = Counter(
            "leadmail_matcher_copies",
            "Copies by final state and reason; a copy that is delivered twice counts twice",
            ["state", "reason"],
            registry=registry,
        )
        self._log = log
        self._tracing = tracing

    def record(self, deliveries: Sequence[Delivery[MailParsed]], rows: Sequence[RowOutcome], started: int) -> None:
        """Count the copies of a stored batch, log them at level debug, and end their traces; see ``handler.OnStored``."""
        for (state, reason), number in Tally((row.state.value, row.reason or "") for row in rows).items():
            self._copies.labels(state, reason).inc(number)
        debug = self._log.is_enabled_for(logging.DEBUG)
        if not debug and self._tracing is None:
            return
        contexts = {delivery.message.source.id: delivery.context for delivery in deliveries}
        for row in rows:
            context = contexts.get(row.id, UNTRACED)
            if debug:
                self._log.debug(
                    "copy done",
                    copy=row.id,
                    state=row.state.value,
                    reason=row.reason,
                    email=row.email,
                    **trace_fields(context),
                )
            if self._tracing is not None and context:
                self._trace(self._tracing, context, row, started)

    @staticmethod
    def _trace(tracing: Tracing, context: TraceContext, row: RowOutcome, started: int) -> None:
        attributes = {"leadmail.copy": row.id, "leadmail.state": row.state.value}
        if row.reason:
            attributes["leadmail.reason"] = row.reason
        if row.email:
            attributes["leadmail.email"] = row.email
        visible = {"visible": time.time_ns()} if row.state is RowState.ATTACHED else {}
        tracing.record("store", after=context, started=started, moments=visible, attributes=attributes)
