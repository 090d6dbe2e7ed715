"""What idle mailboxes wait for. An asyncio.Event takes a kilobyte, and a task to be waited for beside a socket; this takes neither."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Wakeup:
    """Is set or not, and wakes up who waits for it, like asyncio's Event."""

    __slots__ = ("_set", "_waiting")

    def __init__(self) -> None:
        self._set = False
        self._waiting: tuple[asyncio.Future[bool], ...] = ()

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def set(self) -> None:
        """Set it, and wake up whoever waits."""
        self._set = True
        for future in self._waiting:
            finish(future, False)

    def clear(self) -> None:
        """Take it back."""
        self._set = False

    def wait(self) -> Coroutine[Any, Any, None]:
        """Wait until it is set."""
        return wait_for_any(self)

    def add(self, future: asyncio.Future[bool]) -> None:
        """Have the result of a future set to False when this is set, until ``remove``."""
        self._waiting += (future,)

    def remove(self, future: asyncio.Future[bool]) -> None:
        """Leave a future alone."""
        self._waiting = tuple(one for one in self._waiting if one is not future)


async def wait_for_any(*wakeups: Wakeup) -> None:
    """Wait until one of them is set."""
    if any(one.is_set() for one in wakeups):
        return
    woken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    for one in wakeups:
        one.add(woken)
    try:
        await woken
    finally:
        for one in wakeups:
            one.remove(woken)


async def wait_for_data(descriptor: int, seconds: float, wakeup: Wakeup) -> bool:
    """Wait until a socket has data. Returns False when ``wakeup`` is set or the time is up instead."""
    if wakeup.is_set():
        return False
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[bool] = loop.create_future()
    loop.add_reader(descriptor, finish, woken, True)
    timer = loop.call_later(seconds, finish, woken, False)
    wakeup.add(woken)
    try:
        return await woken
    finally:
        loop.remove_reader(descriptor)
        timer.cancel()
        wakeup.remove(woken)


def finish(future: asyncio.Future[bool], result: bool) -> None:
    """Set the result of a future, unless it has ended."""
    if not future.done():
        future.set_result(result)
