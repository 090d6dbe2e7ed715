"""A stage: a process that takes messages from queues, runs until told to stop, and lets work in hand finish.

A stage's ``__main__`` is::

    async def main(stage: Stage) -> None:
        store = Store(stage.database, stage.crm, ...)
        await stage.bus.consume(route, partial(handle, store=store))
        await stage.run(periodic("sweep", sweep, seconds=5, log=stage.log))


    if __name__ == "__main__":
        run_stage("parser", main)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields

from services.runtime.bus import Bus
from services.runtime.process import Process, open_process, run_process
from services.runtime.rabbit import open_bus
from services.runtime.settings import Settings
from services.runtime.settings import Stage as StageName


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Process):
    """A process that handles messages. Made by ``open_stage``."""

    bus: Bus

    async def _stop_consuming(self, grace: float) -> bool:
        return await self.bus.stop_consuming(grace)


@asynccontextmanager
async def open_stage(name: StageName, settings: Settings) -> AsyncIterator[Stage]:
    """Open logs, database, bus and the HTTP server; close them in reverse.

    Raises:
        NotReadyError: the broker or the database does not answer.
        TopologyError: the broker has a queue or exchange that differs from ours.
        SettingsError: the port for metrics is taken.
    """
    async with (
        open_process(name, settings) as process,
        open_bus(settings, name, metrics=process.metrics, log=process.log, tracing=process.tracing) as bus,
        process.serving(rabbitmq=bus.ready),
    ):
        yield Stage(bus=bus, **{field.name: getattr(process, field.name) for field in fields(Process)})


def run_stage(name: StageName, main: Callable[[Stage], Awaitable[None]]) -> None:
    """Run a stage as this process: settings, event loop, ``main`` until it returns. What stops it is said in one line."""
    run_process(name, main, open_stage)
