"""Threads for calls that may hang: those that wait for long do not keep the others from starting."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from time import monotonic
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SLOW = 2.0
"""Seconds after which a call no longer counts: it waits for a server that may never answer."""
MOST = 1_000
"""Threads in all. One that waits costs its stack."""
KEEP = 30.0
"""Seconds for which a thread without work is kept."""


class PatientThreads(Executor):
    """Runs ``active`` calls at a time, besides those that have been waiting for long."""

    def __init__(self, active: int, name: str, *, slow: float = SLOW, most: int = MOST) -> None:
        self._active, self._name, self._slow, self._most = active, name, slow, most
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._started: dict[Future[Any], float] = {}
        """When the calls that count started, the oldest first."""
        self._threads = self._idle = 0
        self._closed = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call as soon as fewer than ``active`` count."""
        future: Future[T] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("no calls after the shutdown")
            self._waiting.append((future, partial(fn, *args, **kwargs)))
            self._have_one_waiting()
            self._changed.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no further calls. Never waits: a thread may hang for as long as a server is silent."""
        del wait
        with self._changed:
            self._closed = True
            if cancel_futures:
                while self._waiting:
                    self._waiting.popleft()[0].cancel()
            self._changed.notify_all()

    def _have_one_waiting(self) -> None:
        """Start a thread if none is free: one must be there to notice that a call has become slow."""
        if not self._idle and self._threads < self._most:
            self._threads += 1
            self._idle += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while (call := self._next()) is not None:
            future, run = call
            if future.set_running_or_notify_cancel():
                try:
                    result = run()
                except BaseException as error:  # noqa: BLE001 - it belongs to the caller
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            with self._changed:
                self._started.pop(future, None)
                self._idle += 1
                self._changed.notify()
            del future, run, call

    def _next(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        """Return the next call, or None when the thread is to end. The thread counts as idle meanwhile."""
        with self._changed:
            kept = monotonic() + KEEP
            while self._waiting or not self._closed:
                moment = monotonic()
                while self._started and moment - next(iter(self._started.values())) > self._slow:
                    del self._started[next(iter(self._started))]
                if self._waiting and len(self._started) < self._active:
                    call = self._waiting.popleft()
                    self._started[call[0]] = moment
                    self._idle -= 1
                    if self._waiting:
                        self._have_one_waiting()
                        self._changed.notify()
                    return call
                if not self._waiting and moment > kept:
                    break
                self._changed.wait(self._slow / 2 if self._waiting else KEEP)
            self._idle -= 1
            self._threads -= 1
            return None
