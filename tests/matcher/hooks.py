"""A store whose methods can be interrupted: run something just before or after a call, or crash there."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast

from services.store import Store

Hook = Callable[[str], Awaitable[None]]
"""Called with ``before links.save_many`` and ``after links.save_many``."""


class CrashError(BaseException):
    """The process died: a BaseException, so that no error handler catches it."""


class _Part:
    def __init__(self, name: str, part: object, hook: Hook) -> None:
        self._name, self._part, self._hook = name, part, hook

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)
        if not inspect.iscoroutinefunction(method):
            return method
        called = f"{self._name}.{name}"

        async def hooked(*args: Any, **kwargs: Any) -> Any:
            """Return the store with a hook around each call."""
            await self._hook(f"before {called}")
            result = await method(*args, **kwargs)
            await self._hook(f"after {called}")
            return result

        return hooked


class _Hooked:
    def __init__(self, store: Store, hook: Hook) -> None:
        self._store, self._hook = store, hook

    def __getattr__(self, name: str) -> Any:
        return _Part(name, getattr(self._store, name), self._hook)


def hooked(store: Store, hook: Hook) -> Store:
    """Return the store with a hook around each call."""
    return cast("Store", _Hooked(store, hook))


class Once:
    """A hook that runs an action the first time a place is reached."""

    def __init__(self, where: str, what: Callable[[], Awaitable[object]]) -> None:
        self._where, self._what = where, what
        self.passed = False

    async def __call__(self, place: str) -> None:
        """Run the action if this is the place."""
        if place == self._where and not self.passed:
            self.passed = True
            await self._what()


class CrashAt:
    """A hook that crashes before the n-th call of the store, counted from 1."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0

    async def __call__(self, place: str) -> None:
        """Count the calls and crash at the n-th."""
        if place.startswith("before "):
            self.calls += 1
            if self.calls == self.number:
                raise CrashError(place)
