"""Which stages are running, by the consumers of their queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from schemas.routes import DEAD_QUEUE, ISOLATED, ROUTES
from schemas.topology import queues

if TYPE_CHECKING:
    from services.amqp import QueueDepth


def queues_of(stage: str) -> list[str]:
    """Return the queues that a stage consumes."""
    names = [route.queue for route in ROUTES if route.consumer == stage]
    return [*names, DEAD_QUEUE] if stage == "matcher" else names


def is_waiting_queue(queue: str) -> bool:
    """Whether messages only wait in a queue, for a delay or for their turn in isolation: it normally has no consumers."""
    return ".retry-" in queue or queue.endswith(ISOLATED)


class Bound(NamedTuple):
    """How much a queue takes before it refuses more."""

    messages: int
    bytes: int

    def is_near(self, depth: QueueDepth) -> bool:
        """Whether a queue is full to four fifths."""
        return depth.ready >= NEAR * self.messages or (depth.ready_bytes or 0) >= NEAR * self.bytes


NEAR = 0.8
BOUNDS = {
    queue.name: Bound(int(queue.arguments["x-max-length"]), int(queue.arguments["x-max-length-bytes"]))
    for queue in queues()
}
"""The bound of each queue."""


def replicas(depths: Mapping[str, QueueDepth]) -> dict[str, int]:
    """Return the number of replicas of each stage: each has one consumer per queue (a parser may leave one out)."""
    return {
        stage: max((depths[name].consumers if name in depths else 0) for name in queues_of(stage))
        for stage in dict.fromkeys(route.consumer for route in ROUTES)
    }
