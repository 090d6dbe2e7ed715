"""How much may be on its way to each queue: a window that closes when the broker refuses and opens as it accepts.

A full queue refuses (reject-publish). Its messages then wait here, and single messages are sent as probes, while messages
to other queues continue: a full backfill queue never delays live mail.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from services.amqp.delivery.codec import Envelope
from services.runtime.backoff import Backoff

WINDOW = 300
"""Unconfirmed messages to one queue. One at a time is a sixth of the speed; more gains little and is more to send again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0


class PublishGroup:
    """Messages published together; ``future`` has, in order, None or the error of each."""

    def __init__(self, count: int) -> None:
        self.future: asyncio.Future[list[Exception | None]] = asyncio.get_running_loop().create_future()
        self._results: list[Exception | None] = [None] * count
        self._missing = count

    def finish(self, place: int, error: Exception | None) -> None:
        """Note what became of one of them."""
        self._results[place] = error
        self._missing -= 1
        if not self._missing and not self.future.done():
            self.future.set_result(self._results)


class PublishItem(NamedTuple):
    """One message on its way."""

    envelope: Envelope
    group: PublishGroup
    place: int
    astray: bool = False
    """It came back once because no queue took it."""

    @property
    def wanted(self) -> bool:
        """Whether a caller still waits for it."""
        return not self.group.future.done()


class PublishWindow:
    """What is on its way to one queue."""

    def __init__(self, limit: int = WINDOW) -> None:
        self.waiting: deque[PublishItem] = deque()
        self.in_flight = 0
        self._largest = limit
        self._limit = limit
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._paused_until = 0.0
        self._held = False

    def ready(self, now: float) -> bool:
        """Whether a message may be sent now."""
        return bool(self.waiting) and not self._held and self.in_flight < self._limit and now >= self._paused_until

    def take(self) -> PublishItem:
        """Return the next message, which is then in flight."""
        self.in_flight += 1
        return self.waiting.popleft()

    def accepted(self) -> None:
        """Note that one was confirmed."""
        self.in_flight -= 1
        self._limit = min(self._largest, self._limit * 2)
        self._backoff.reset()

    def dropped(self) -> None:
        """Note that one came back for good: no queue took it."""
        self.in_flight -= 1

    def hold(self, item: PublishItem) -> None:
        """Put a message back that no queue took, and send nothing until ``release``: its queue is being declared again."""
        self.in_flight -= 1
        self.waiting.appendleft(item._replace(astray=True))
        self._held = True

    def release(self) -> None:
        """End the hold."""
        self._held = False

    def resume(self) -> None:
        """End the pause. A timer calls this, and may fire slightly before the clock reaches the end of the pause (uvloop)."""
        self._paused_until = 0.0

    def refused(self, item: PublishItem, now: float) -> float | None:
        """Put a refused message back. Returns how long to pause, or None if a pause is already running."""
        self.in_flight -= 1
        self.waiting.appendleft(item)
        self._limit = 1
        if now < self._paused_until:
            return None
        pause = self._backoff.next()
        self._paused_until = now + pause
        return pause

    def put_back(self, items: Sequence[PublishItem]) -> None:
        """Put back what was in flight on a channel that is gone."""
        self.in_flight -= len(items)
        self.waiting.extendleft(reversed(items))
