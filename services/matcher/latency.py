"""Measures how long mail takes to become visible: the number that users feel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Histogram

from services.amqp import Delivery, Done, Failed, HandleBatch

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)


class VisibleLatency:
    """Measures the time from when the poller notices a mail to its final state, by lane."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "leadmail_visible_seconds",
            "Time from when the poller notices a mail to its final state: visible on a record, or not kept",
            ["lane"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def measuring(self, handle: HandleBatch) -> HandleBatch:
        """Return the handler with the measurement added."""

        async def measured(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
            outcomes = await handle(deliveries)
            now = datetime.now(UTC)
            for delivery, outcome in zip(deliveries, outcomes, strict=True):
                if isinstance(outcome, Done):
                    message = delivery.message
                    self._seconds.labels(message.lane).observe((now - message.noticed_at).total_seconds())
            return outcomes

        return measured
