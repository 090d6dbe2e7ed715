"""Ending asyncio tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from schemas.errors import LeadmailError

T = TypeVar("T")
_AGAIN_SECONDS = 0.5


def raise_if_cancelled() -> None:
    """Raise CancelledError if the running task was told to end and that was lost. Call it where errors are borne and work goes on.

    A task group gives its members' errors precedence over its own cancellation, and cancels its members only once: whoever bears
    errors within one would go on for ever, and with it whoever waits for the group.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def cancel_and_wait(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raise is theirs.

    A cancellation can be lost: whoever waits for a connection that closes at that moment gets its error instead (drivers
    cancel and are cancelled themselves). So it is asked for again until the task has ended.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_SECONDS)


class StrayCancellationError(LeadmailError):
    """Something was cancelled that nobody had told to end."""


async def run_isolated(work: Coroutine[Any, Any, T]) -> T:
    """Run something in a task of its own; who is told to end ends it first.

    What it leaves in its task ends with it. A task group whose member fails while the group waits for its members leaves its task
    with a cancellation that nobody takes back (Python 3.11 and 3.12): ``raise_if_cancelled`` would end who is to go on. Whoever waits for a
    driver may be cancelled by it: here that is an error like any other.

    Raises:
        StrayCancellationError: it was cancelled, and not by us.
    """
    running = asyncio.create_task(work)
    try:
        await asyncio.wait({running})
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


async def run_shielded(work: Coroutine[Any, Any, T], *, seconds: float) -> T:
    """Run something that should not be left in the middle: who is cancelled meanwhile stops after it, at most ``seconds`` later."""
    running = asyncio.create_task(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        end_by = monotonic() + seconds
        while not running.done() and (left := end_by - monotonic()) > 0:
            try:
                await asyncio.wait({running}, timeout=left)
            except asyncio.CancelledError:
                continue  # told again: ``cancel_and_wait`` does so
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        raise


def dump_tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Return where each task of a loop waits: places in the code from the outermost in, nothing of what is worked on."""
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
