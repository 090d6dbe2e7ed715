"""Which stages run, by who reads their queues."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.routes import DEAD_QUEUE, ISOLATED, ROUTES
from services.amqp.delivery.outcomes import QueueDepth


def queues_of(stage: str) -> list[str]:
    """Return the queues that a stage reads."""
    names = [route.queue for route in ROUTES if route.consumer == stage]
    return [*names, DEAD_QUEUE] if stage == "matcher" else names


def waits(queue: str) -> bool:
    """Whether messages only wait in a queue, for a delay to end or for a turn alone: it is normal that nobody reads it."""
    return ".retry-" in queue or queue.endswith(ISOLATED)


def replicas(depths: Mapping[str, QueueDepth]) -> dict[str, int]:
    """Return how many replicas of each consuming stage there are: each has one consumer at a queue (a parser may leave one out)."""
    return {
        stage: max((depths[name].consumers if name in depths else 0) for name in queues_of(stage))
        for stage in dict.fromkeys(route.consumer for route in ROUTES)
    }
