"""What the routes need in the broker: exchanges, queues and bindings as data. The runtime declares them, ``derived`` writes them out.

Every queue is a quorum queue that refuses publishing when it is full (backpressure) and dead-letters at least once, which
RabbitMQ does only with that overflow behaviour and otherwise silently does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.routes import (
    DEAD_EXCHANGE,
    DEAD_QUEUE,
    EXCHANGE,
    MIB,
    RETRY_EXCHANGE,
    ROUTES,
    Route,
    delay_queue,
    isolated_queue,
)

DELIVERY_LIMIT = 5
"""After this many redeliveries a message becomes a poison candidate. Low, because each costs a crash and a restart, and because
an innocent message only takes a detour over its isolated queue. Explicit, because the broker's default differs by version."""
ISOLATED_DELIVERY_LIMIT = 2
"""For a poison candidate, which is handled in isolation: its consumer may once or twice have been killed for another reason."""
NO_DELIVERY_LIMIT = 1_000_000_000
"""For the dead letters, which have nowhere else to go; "none" is spelt differently by each version of the broker."""


class Exchange(NamedTuple):
    """A durable exchange."""

    name: str
    type: str


class Queue(NamedTuple):
    """A durable queue."""

    name: str
    arguments: dict[str, str | int]


class Binding(NamedTuple):
    """Messages of an exchange with this routing key go to a queue."""

    exchange: str
    queue: str
    routing_key: str


EXCHANGES = (Exchange(EXCHANGE, "topic"), Exchange(RETRY_EXCHANGE, "direct"), Exchange(DEAD_EXCHANGE, "fanout"))


def _arguments(*, max_length: int, max_bytes: int, **others: str | int) -> dict[str, str | int]:
    return {
        "x-queue-type": "quorum",
        "x-overflow": "reject-publish",
        "x-max-length": max_length,
        "x-max-length-bytes": max_bytes,
        **{"x-" + name.replace("_", "-"): value for name, value in others.items()},
    }


def _work_queue(route: Route) -> Queue:
    return Queue(
        route.queue,
        _arguments(
            max_length=route.max_length,
            max_bytes=route.max_bytes,
            delivery_limit=DELIVERY_LIMIT,
            dead_letter_exchange=DEAD_EXCHANGE,
            dead_letter_strategy="at-least-once",
        ),
    )


def delay_queues(route: Route) -> dict[str, int]:
    """Return the delay queues of a route with their delays in milliseconds.

    One a delay: RabbitMQ expires messages from a queue's head only, so messages of one queue must all wait equally long.
    """
    names = (delay_queue(route, attempt) for attempt in range(1, len(route.retry) + 1))
    return {name: delay for name, delay in zip(names, route.retry, strict=True) if name is not None}


def _delay_queue(route: Route, name: str, delay: int) -> Queue:
    return Queue(
        name,
        _arguments(
            max_length=100_000,
            max_bytes=512 * MIB,
            message_ttl=delay,
            dead_letter_exchange="",
            dead_letter_routing_key=route.queue,
            dead_letter_strategy="at-least-once",
        ),
    )


def _isolated_queue(route: Route) -> Queue:
    return Queue(
        isolated_queue(route),
        _arguments(
            max_length=100_000,
            max_bytes=512 * MIB,
            delivery_limit=ISOLATED_DELIVERY_LIMIT,
            dead_letter_exchange=DEAD_EXCHANGE,
            dead_letter_strategy="at-least-once",
        ),
    )


def queues(routes: Sequence[Route] = ROUTES) -> tuple[Queue, ...]:
    """Return every queue of a system with these routes."""
    work = [_work_queue(route) for route in routes]
    delays = [_delay_queue(route, name, delay) for route in routes for name, delay in delay_queues(route).items()]
    isolated = [_isolated_queue(route) for route in routes]
    dead = Queue(DEAD_QUEUE, _arguments(max_length=1_000_000, max_bytes=4096 * MIB, delivery_limit=NO_DELIVERY_LIMIT))
    return (*work, *delays, *isolated, dead)


def bindings(routes: Sequence[Route] = ROUTES) -> tuple[Binding, ...]:
    """Return every binding of a system with these routes."""
    work = [Binding(EXCHANGE, route.queue, route.routing_key) for route in routes]
    delays = [Binding(RETRY_EXCHANGE, name, name) for route in routes for name in delay_queues(route)]
    isolated = [Binding(RETRY_EXCHANGE, isolated_queue(route), isolated_queue(route)) for route in routes]
    return (*work, *delays, *isolated, Binding(DEAD_EXCHANGE, DEAD_QUEUE, ""))
