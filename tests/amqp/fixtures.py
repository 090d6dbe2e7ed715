"""Messages, routes and waiting for the tests of the bus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from schemas.messages import Copy, Lane, MailboxChanged, MailFetched, RecordChanged, SyncCompleted
from schemas.routes import ROUTES, Route
from services.amqp.delivery.outcomes import DeadLetterDelivery, Delivery
from services.amqp.rabbitmq.bus import RabbitBus
from tests.amqp.memory import MemoryBus

AnyBus = MemoryBus | RabbitBus

DEADLINE = 20.0
"""Seconds that a test waits for what should take milliseconds."""

FAST_ROUTES: tuple[Route, ...] = tuple(route._replace(retry=(100, 100, 100)) for route in ROUTES)
"""The system's routes with three retries after a tenth of a second each."""

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOG: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING)
)
ACCOUNT = "0123456789abcdef01234567"


def route(message: type[Any], lane: Lane | None = None) -> Route:
    """Return the (fast) route of a message."""
    return next(each for each in FAST_ROUTES if each.message is message and each.lane is lane)


def changed(number: int) -> RecordChanged:
    """Return a small message."""
    return RecordChanged(id=f"record-{number}", kind="lead", record=f"{number:024x}", at=NOW)


def completed(number: int) -> SyncCompleted:
    """Return another small message."""
    return SyncCompleted(id=f"sync-{number}", account=ACCOUNT, epoch=number)


def mailbox_changed(number: int) -> MailboxChanged:
    """Return a third small message."""
    return MailboxChanged(id=f"mailbox-{number}", account=ACCOUNT, emails=())


def fetched(number: int, lane: Lane = Lane.LIVE) -> MailFetched:
    """Return a message that carries a raw mail."""
    copy = Copy(account=ACCOUNT, folder="0123456789ab", uidvalidity=1, uid=number)
    return MailFetched(id=f"{copy.id}/1", source=copy, lane=lane, internal_date=NOW, noticed_at=NOW, size=10)


RECORDS = route(RecordChanged)
SYNCS = route(SyncCompleted)


async def until(condition: Callable[[], object], *, seconds: float = DEADLINE) -> None:
    """Return once a condition holds; fail if it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - no event of ours is set
            await asyncio.sleep(0.01)


async def until_depth(bus: AnyBus, queue: str, ready: int) -> None:
    """Return once ``ready`` messages wait in a queue."""
    async with asyncio.timeout(DEADLINE):
        while (await bus.queue_depths())[queue].ready != ready:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)


class Recorder:
    """A handler that records its deliveries and then calls ``then``."""

    def __init__(self, then: Callable[[Delivery[Any]], Awaitable[Sequence[Any]]] | None = None) -> None:
        self.deliveries: list[Delivery[Any]] = []
        self._then = then

    async def __call__(self, delivery: Delivery[Any]) -> Sequence[Any]:
        """Record the delivery and call ``then``."""
        self.deliveries.append(delivery)
        return await self._then(delivery) if self._then else ()

    @property
    def ids(self) -> list[str]:
        """Ids in order of arrival."""
        return [delivery.message.id for delivery in self.deliveries]


class DeadRecorder:
    """A handler that records dead letters."""

    def __init__(self) -> None:
        self.letters: list[DeadLetterDelivery] = []

    async def __call__(self, letter: DeadLetterDelivery) -> None:
        """Record a dead letter."""
        self.letters.append(letter)
