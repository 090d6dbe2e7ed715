"""A stage: a process that consumes queues until it is stopped, and then finishes the messages in progress.

A stage's ``__main__`` is::

    async def main(stage: Stage[ParserSettings]) -> None:
        store = Store(stage.database, stage.crm, ...)
        await stage.bus.consume(route, partial(handle, store=store))
        await stage.run(periodic("sweep", sweep, seconds=5, log=stage.log))


    if __name__ == "__main__":
        run_stage(ParserSettings, main)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from services.amqp.delivery.bus import Bus
from services.amqp.rabbitmq.bus import open_bus
from services.runtime.process import Process, open_process, run_process
from services.runtime.settings import StageSettings

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing

S = TypeVar("S", bound=StageSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Process[S]):
    """A process that handles messages. Made by ``open_stage``."""

    bus: Bus
    tracing: Tracing | None = None
    """None if nothing is traced."""

    async def _stop_consuming(self, grace: float) -> bool:
        return await self.bus.stop_consuming(grace)


@asynccontextmanager
async def open_stage(settings: S) -> AsyncIterator[Stage[S]]:
    """Open logs, database, bus and the HTTP server; close them in reverse.

    Raises:
        NotReadyError: the broker or the database does not answer.
        TopologyError: the broker has a queue or exchange that differs from ours.
        SettingsError: the port for metrics is taken.
    """
    async with open_process(settings) as process:
        tracing = tracing_of(process)
        async with (
            open_bus(settings, settings.process, metrics=process.metrics, log=process.log, tracing=tracing) as bus,
            process.serving(rabbitmq=bus.ready),
        ):
            yield Stage(
                bus=bus, tracing=tracing, **{field.name: getattr(process, field.name) for field in fields(Process)}
            )


def tracing_of(process: Process[Any]) -> Tracing | None:
    """Return what makes the spans of messages; None if nothing is traced."""
    if process.tracer_provider is None:
        return None
    from services.amqp.delivery import tracing  # noqa: PLC0415 - takes memory: loaded only if used

    return tracing.Tracing(process.tracer_provider)


def run_stage(settings: type[S], main: Callable[[Stage[S]], Awaitable[None]]) -> None:
    """Run a stage in this process: read its settings, then run ``main`` until it returns. An expected failure is one line of output."""
    run_process(settings, main, open_stage)
