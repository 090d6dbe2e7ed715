"""Tells the loss of a connection or channel from other errors, and closes channels that may be lost."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import aiormq
from aiormq.abc import AbstractChannel

CLOSE_SECONDS = 5.0


def is_connection_loss(error: BaseException) -> bool:
    """Whether an error means that the connection or channel is gone.

    aiormq raises CancelledError in every task that waits for a connection that closes. It is a real cancellation only if our own
    task was cancelled. A connection that ends while it is being opened raises StopAsyncIteration, one that closes without a reason
    a bare Exception.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    known = aiormq.exceptions.AMQPError | OSError | TimeoutError | RuntimeError | StopAsyncIteration
    return type(error) is Exception or isinstance(error, known)


@contextmanager
def suppress_connection_loss() -> Iterator[None]:
    """Suppress the loss of the connection or channel within the block: the task that serves the connection notices and reconnects."""
    try:
        yield
    except BaseException as error:
        if not is_connection_loss(error):
            raise


async def close_channel(channel: AbstractChannel) -> None:
    """Close a channel after what was written to it. Does not wait for a broker that does not answer."""
    if not channel.is_closed:
        await asyncio.wait([asyncio.ensure_future(channel.close())], timeout=CLOSE_SECONDS)


def reason(error: BaseException | None) -> str:
    """Return in one short line why there is no connection."""
    words = " ".join(str(word) for word in error.args) if error else ""
    return f"{type(error).__name__} {words}".strip()[:300] if error else "no answer in time"
