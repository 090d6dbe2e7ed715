"""How many log-ins to one mail server run at the same time: more while all of them work, fewer as soon as it refuses some.

Where thousands of mailboxes are on one server, their log-ins decide how long a start takes, and how long it takes to go on with the
accounts of a poller that died. A log-in takes about eight round trips, so at 30 ms each and five at a time, 20 a second.
"""

from __future__ import annotations

import asyncio
from collections import deque

FIRST, LEAST, MOST = 5, 2, 16
"""Log-ins at the same time."""


class LoginGate:
    """Lets log-ins to one server through, in the order in which they come."""

    def __init__(self) -> None:
        self._limit = float(FIRST)
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may run at the same time."""
        return int(self._limit)

    async def __aenter__(self) -> None:
        if self._running < self.limit and not self._waiting:
            self._running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        self._running -= 1
        while self._waiting and self._running < self.limit:
            if not (turn := self._waiting.popleft()).done():
                self._running += 1
                turn.set_result(None)

    def worked(self) -> None:
        """Note a log-in: as many as run now bring one more."""
        self._limit = min(MOST, self._limit + 1 / self._limit)

    def refused(self) -> None:
        """Note that the server could not serve a log-in at the moment."""
        self._limit = max(LEAST, self._limit / 2)
