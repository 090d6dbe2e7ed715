"""Runs work periodically, whatever errors it raises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from services.runtime.backoff import jittered
from services.runtime.failures import facts
from services.runtime.tasks import raise_if_cancelled

_JITTER = 0.1


async def periodic(
    name: str,
    work: Callable[[], Awaitable[object]],
    *,
    seconds: float,
    log: structlog.typing.FilteringBoundLogger,
    at_once: bool = True,
    wake: asyncio.Event | None = None,
    share: float = 1.0,
) -> None:
    """Run ``work`` every ``seconds`` (within a tenth, so that replicas do not act in step) until cancelled.

    An error is logged, and the next round runs as usual.

    Args:
        name: the name of the work in the log.
        work: what to run.
        seconds: from the end of one round to the start of the next.
        log: logs errors.
        at_once: whether the first round starts now, or after ``seconds``.
        wake: setting it starts the next round now; it is cleared before the round starts.
        share: the largest share of the time that the work may take (0 to 1): a long round is followed by a longer pause.
    """
    if not at_once:
        await _pause(seconds, wake)
    while True:
        began = time.monotonic()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - one bad row must not end a sweeper
            raise_if_cancelled()
            log.error("periodic work failed", work=name, **facts(error))  # noqa: TRY400 - see ``facts``
        await _pause(max(seconds, (time.monotonic() - began) * (1 / share - 1)), wake)


async def _pause(seconds: float, wake: asyncio.Event | None) -> None:
    pause = jittered(seconds, _JITTER)
    if wake is None:
        await asyncio.sleep(pause)
        return
    try:
        async with asyncio.timeout(pause):
            await wake.wait()
    except TimeoutError:
        return
    wake.clear()
