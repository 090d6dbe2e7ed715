"""One process of Leadmail: opens what a stage needs, runs it until told to stop, lets work in hand finish.

A stage's ``__main__`` is::

    async def main(stage: Stage) -> None:
        store = Store(stage.database, stage.crm, ...)
        await stage.bus.consume(route, partial(handle, store=store))
        await stage.run(periodic("sweep", sweep, seconds=5, log=stage.log))

    if __name__ == "__main__":
        run_stage("parser", main)
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvloop
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from services.runtime.bus import Bus
from services.runtime.metrics import Metrics
from services.runtime.settings import Settings
from services.runtime.settings import Stage as StageName

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """What a running stage has. Made by ``open_stage``."""

    name: StageName
    settings: Settings
    bus: Bus
    mongo: AsyncMongoClient[Document]
    database: AsyncDatabase[Document]
    """Leadmail's own."""
    crm: AsyncDatabase[Document]
    metrics: Metrics
    """``metrics.registry`` takes a stage's own collectors too."""
    log: structlog.typing.FilteringBoundLogger
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process was told to stop."""

    async def run(self, *tasks: Coroutine[Any, Any, None]) -> None:
        """Run tasks beside the consumers until SIGTERM or SIGINT, or until a task fails.

        Then: consumers take no more and finish what they have (within ``shutdown_seconds``), tasks are cancelled and awaited;
        the bus and the database are still open meanwhile. A task that merely returns ends nothing.

        Raises:
            Exception: a task's, when one failed.
        """
        raise NotImplementedError
