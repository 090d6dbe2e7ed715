"""Which stages are running, by the consumers of their queues."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.routes import DEAD_QUEUE, ISOLATED, ROUTES
from services.amqp import QueueDepth


def queues_of(stage: str) -> list[str]:
    """Return the queues that a stage consumes."""
    names = [route.queue for route in ROUTES if route.consumer == stage]
    return [*names, DEAD_QUEUE] if stage == "matcher" else names


def is_waiting_queue(queue: str) -> bool:
    """Whether messages only wait in a queue, for a delay or for their turn in isolation: it normally has no consumers."""
    return ".retry-" in queue or queue.endswith(ISOLATED)


def replicas(depths: Mapping[str, QueueDepth]) -> dict[str, int]:
    """Return the number of replicas of each stage: each has one consumer per queue (a parser may leave one out)."""
    return {
        stage: max((depths[name].consumers if name in depths else 0) for name in queues_of(stage))
        for stage in dict.fromkeys(route.consumer for route in ROUTES)
    }
