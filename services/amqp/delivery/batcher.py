"""Starts the handling of messages: one by one up to the prefetch, or in batches that fill while others are in progress."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from services.amqp.delivery.incoming import IncomingMessage, Settler
from services.runtime.tasks import cancel_once


class Batcher:
    """Starts batches. A batch starts at once when none is in progress; see ``Bus.consume_batches``."""

    def __init__(
        self,
        process: Callable[[Sequence[IncomingMessage]], Awaitable[None]],
        *,
        size: int,
        concurrency: int,
        wait: float = 0.0,
        eager: bool = True,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Take the handler of a batch. If it raises, ``failed`` is called and its messages stay unacknowledged."""
        self._process = process
        self._size = size
        self._concurrency = concurrency
        self._wait = wait
        self._eager = eager
        self._failed = failed
        self._pending: deque[IncomingMessage] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """The number of batches in progress."""
        return len(self._running)

    def put(self, message: IncomingMessage) -> None:
        """Add a message."""
        self._pending.append(message)
        self._idle.clear()
        self._start()

    def forget(self, settler: Settler) -> None:
        """Drop the waiting messages of a closed channel: the broker delivers them again."""
        self._pending = deque(message for message in self._pending if message.settler is not settler)
        self._note_idle()

    async def drain(self, grace: float | None) -> bool:
        """Wait until every message was handled; after ``grace`` seconds cancel the rest. Returns whether all were handled."""
        self._wait = 0.0
        self._start()
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            await self.cancel()
            return False
        return True

    async def finished(self, seconds: float) -> bool:
        """Wait up to ``seconds`` until every message was handled. Returns whether all were; cancels nothing."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def cancel(self) -> None:
        """Cancel everything in progress."""
        self._pending.clear()
        self._stop_timer()
        await cancel_once(*self._running)
        self._note_idle()

    def _start(self, *, overdue: bool = False) -> None:
        while self._pending and len(self._running) < self._concurrency:
            due = overdue or (self._eager and not self._running) or len(self._pending) >= self._size or not self._wait
            if not due:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(self._wait, self._overdue)
                return
            overdue = False
            self._stop_timer()
            batch = [self._pending.popleft() for _ in range(min(self._size, len(self._pending)))]
            task = asyncio.create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._finished)

    async def _run(self, batch: Sequence[IncomingMessage]) -> None:
        await self._process(batch)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
        self._start()
        self._note_idle()

    def _overdue(self) -> None:
        self._timer = None
        self._start(overdue=True)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _note_idle(self) -> None:
        if not self._pending and not self._running:
            self._idle.set()
