"""Ends and protects asyncio tasks reliably.

anyio does not help here: its shielded scopes do not hold off ``Task.cancel``, which asyncio, uvloop and the drivers use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from schemas.errors import LeadmailError

T = TypeVar("T")
_AGAIN_SECONDS = 0.5


def raise_if_cancelled() -> None:
    """Raise CancelledError if the running task was cancelled and the cancellation was lost. Call it after swallowing an error.

    A task group gives its members' errors precedence over its own cancellation, and cancels its members only once. A member that swallows
    errors would run forever, and so would everything that waits for the group.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; their errors are ignored.

    A cancellation can be lost: a task that waits for a connection that closes at that moment gets the connection's error instead. So it
    is repeated until the task has ended.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_SECONDS)


async def cancel_once(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks once and wait until they have ended; their errors are ignored.

    For tasks that end in an orderly way, in their own time: ``cancel_and_wait`` would interrupt that, such as the closing of a channel.
    """
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class StrayCancellationError(LeadmailError):
    """A task was cancelled, but not by its owner."""


async def run_isolated(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in its own task. Cancelling the caller cancels that task and waits for it.

    A cancellation that the coroutine leaves pending ends with its task. A task group whose member fails while the group waits leaves
    such a cancellation behind (Python 3.11 and 3.12), and ``raise_if_cancelled`` would then end the caller. A driver may also cancel the
    tasks that wait for it: here that is an error like any other.

    Raises:
        StrayCancellationError: the coroutine was cancelled, but not by the caller.
    """
    running = asyncio.create_task(work, name=getattr(work, "__qualname__", None))  # shared: "Task-7" is one more text
    ended: asyncio.Future[None] = (
        asyncio.get_running_loop().create_future()
    )  # less memory than asyncio.wait: some wait for days
    running.add_done_callback(partial(_end, ended))
    try:
        await ended
    except asyncio.CancelledError:
        while not running.done():
            running.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({running}, timeout=_AGAIN_SECONDS)
        if not running.cancelled():
            running.exception()  # the caller's cancellation comes first
        raise
    if running.cancelled():
        raise StrayCancellationError
    return running.result()


def _end(ended: asyncio.Future[None], _: asyncio.Task[Any]) -> None:
    if not ended.done():
        ended.set_result(None)


async def run_shielded(work: Coroutine[Any, Any, T], *, seconds: float) -> T:
    """Run a coroutine that should not be interrupted: a cancelled caller stops after it, or ``seconds`` later at the latest."""
    running = asyncio.create_task(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        end_by = monotonic() + seconds
        while not running.done() and (left := end_by - monotonic()) > 0:
            try:
                await asyncio.wait({running}, timeout=left)
            except asyncio.CancelledError:
                continue  # cancelled again: ``cancel_and_wait`` does so
        await cancel_once(running)
        raise


def dump_tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Return where each task of a loop waits: source locations from the outermost call in, and no data."""
    found: list[str] = []
    for task in asyncio.all_tasks(loop):
        places: list[str] = []
        inner: Any = task.get_coro()
        while inner is not None:
            frame = getattr(inner, "cr_frame", None) or getattr(inner, "ag_frame", None)
            if frame is not None:
                places.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
            inner = getattr(inner, "cr_await", None) or getattr(inner, "ag_await", None)
        found.append(f"{task.get_name()}: {' > '.join(places)}")
    return sorted(found)
