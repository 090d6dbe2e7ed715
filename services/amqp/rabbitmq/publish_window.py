"""Limits the messages in flight to each queue: the window shrinks when the broker refuses a message and grows as it confirms.

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
"""The most unconfirmed messages to one queue. One at a time is a sixth of the speed; more gains little and has to be resent."""
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 2.0


class PublishGroup:
    """Messages published together; ``future`` has, in order, None or the error of each."""

    def __init__(self, count: int) -> None:
        self.future: asyncio.Future[list[Exception | None]] = asyncio.get_running_loop().create_future()
        self._results: list[Exception | None] = [None] * count
        self._missing = count

    def finish(self, place: int, error: Exception | None) -> None:
        """Note the result of one message."""
        self._results[place] = error
        self._missing -= 1
        if not self._missing and not self.future.done():
            self.future.set_result(self._results)


class PublishItem(NamedTuple):
    """One message to publish."""

    envelope: Envelope
    group: PublishGroup
    place: int
    returned: bool = False
    """The broker returned it once because no queue took it."""

    @property
    def wanted(self) -> bool:
        """Whether a caller still waits for it."""
        return not self.group.future.done()


class PublishWindow:
    """The messages that wait for, or are in flight to, one queue."""

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
        """Note that a message was confirmed."""
        self.in_flight -= 1
        self._limit = min(self._largest, self._limit * 2)
        self._backoff.reset()

    def dropped(self) -> None:
        """Note that a message was given up: no queue took it."""
        self.in_flight -= 1

    def hold(self, item: PublishItem) -> None:
        """Put back a message that no queue took, and send nothing until ``release``: its queue is being declared again."""
        self.in_flight -= 1
        self.waiting.appendleft(item._replace(returned=True))
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
        """Put back the messages that were in flight on a lost channel."""
        self.in_flight -= len(items)
        self.waiting.extendleft(reversed(items))
