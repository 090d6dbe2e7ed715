"""The map of the system: one row per route. Topology, broker definitions, AsyncAPI and the docs table are derived from it.

A test fails when a stage makes an event that its row does not say, or a row names a producer that makes no such event.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.messages import (
    AccountAttention,
    Event,
    Lane,
    MailboxChanged,
    MailFetched,
    MailParsed,
    RecordChanged,
    SyncCompleted,
)

EXCHANGE = "leadmail"
"""The topic exchange."""
RETRY_EXCHANGE = "leadmail.retry"
"""Direct, to the delay queues (from which a failed message returns to the queue it failed in) and to the isolated queues."""
DEAD_EXCHANGE = "leadmail.dead"
"""Fanout to the one dead-letter queue."""
DEAD_QUEUE = "leadmail.dead-letters"
ISOLATED = ".isolated"
"""The suffix of the queues of poison candidates."""

SECOND = 1000
MINUTE = 60 * SECOND

QUICK = (1 * SECOND, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE)
"""Delays in milliseconds before the second, third ... attempt; after the last the message goes to the dead letters."""
PATIENT = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 60 * MINUTE, 60 * MINUTE, 60 * MINUTE)
"""For work that waits for other people's servers (SMTP)."""


class Route(NamedTuple):
    """How one kind of message gets from its producers to its consumer."""

    message: type[Event]
    lane: Lane | None
    queue: str
    producers: tuple[str, ...]
    """Every stage that makes the message."""
    consumer: str
    retry: tuple[int, ...]
    max_length: int
    """In messages. A full queue refuses more (backpressure)."""
    max_bytes: int
    prefetch: int

    @property
    def routing_key(self) -> str:
        """Return the routing key by which the queue is bound to the exchange."""
        key = f"{self.message.TYPE}.v{self.message.VERSION}"
        return key if self.lane is None else f"{key}.{self.lane}"


MIB = 1024 * 1024

ROUTES: tuple[Route, ...] = (
    Route(MailFetched, Lane.LIVE, "parser.mail-fetched.live", ("poller",), "parser", QUICK, 20_000, 512 * MIB, 32),
    Route(
        MailFetched, Lane.BACKFILL, "parser.mail-fetched.backfill", ("poller",), "parser", QUICK, 5_000, 256 * MIB, 64
    ),
    Route(MailParsed, Lane.LIVE, "matcher.mail-parsed.live", ("parser",), "matcher", QUICK, 20_000, 512 * MIB, 100),
    Route(
        MailParsed, Lane.BACKFILL, "matcher.mail-parsed.backfill", ("parser",), "matcher", QUICK, 5_000, 256 * MIB, 400
    ),
    Route(MailboxChanged, None, "matcher.mailbox-changed", ("poller",), "matcher", QUICK, 100_000, 256 * MIB, 50),
    Route(RecordChanged, None, "matcher.record-changed", ("matcher",), "matcher", QUICK, 100_000, 256 * MIB, 200),
    Route(
        SyncCompleted,
        None,
        "notifier.sync-completed",
        ("matcher", "poller"),
        "notifier",
        PATIENT,
        100_000,
        64 * MIB,
        10,
    ),
    Route(
        AccountAttention, None, "notifier.account-attention", ("poller",), "notifier", PATIENT, 100_000, 64 * MIB, 10
    ),
)


def routes_to(consumer: str) -> tuple[Route, ...]:
    """Return the routes that a stage consumes."""
    return tuple(route for route in ROUTES if route.consumer == consumer)


def delay_queue(route: Route, attempt: int) -> str | None:
    """Return the queue in which a message waits after its ``attempt``-th failure (from 1), or None when its budget is spent."""
    if attempt > len(route.retry):
        return None
    return f"{route.queue}.retry-{route.retry[attempt - 1] // SECOND}s"


def isolated_queue(route: Route) -> str:
    """Return the queue of a route's poison candidates: each is handled with nothing else in progress."""
    return f"{route.queue}{ISOLATED}"
