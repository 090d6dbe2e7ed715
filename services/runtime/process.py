"""A process: logs, database, health and metrics while it runs. When it is stopped, it lets its tasks finish.

A stage is a process with queues, see ``services.amqp.stage``.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
import uvloop
from pymongo.asynchronous.database import AsyncDatabase

from schemas.errors import LayoutError, NotReadyError, TopologyError
from services.runtime import mongo
from services.runtime.environment import SettingsError, unknown_variables
from services.runtime.failures import describe, trace
from services.runtime.logs import log_unhandled, setup_logs
from services.runtime.metrics import Metrics, MongoMetrics
from services.runtime.settings import ServiceSettings, known_settings
from services.runtime.tasks import cancel_and_wait, dump_tasks

if TYPE_CHECKING:  # loading the SDK takes memory, and most deployments trace nothing
    from opentelemetry.sdk.trace import TracerProvider

Document = dict[str, Any]
S = TypeVar("S", bound=ServiceSettings)
P = TypeVar("P", bound="Process[Any]")
_MARGIN_SECONDS = 5.0
"""Time for closing connections, in addition to the grace period."""
_COLLECT_AFTER = (20_000, 20, 20)
"""Thresholds of the generations (see ``gc.set_threshold``). The defaults cost the stages 5 to 8 % of their time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process(Generic[S]):
    """What a running process has. Use ``open_process`` to make one."""

    name: str
    settings: S
    mongo: mongo.Client
    database: AsyncDatabase[Document]
    """Leadmail's own."""
    crm: AsyncDatabase[Document]
    metrics: Metrics
    """``metrics.registry`` takes a stage's own collectors too."""
    log: structlog.typing.FilteringBoundLogger
    tracer_provider: TracerProvider | None = None
    """None if nothing is traced."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is asked to stop; setting it stops ``run``."""
    working: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when ``run`` starts. Until then the process may be migrating the database, and the process that it replaces must keep running."""

    async def run(self, *tasks: Coroutine[Any, Any, None]) -> None:
        """Run tasks until SIGTERM or SIGINT, or until a task fails.

        Then consumers take no more messages and finish those in progress, and tasks are cancelled and awaited, both within
        ``shutdown_seconds``. Connections stay open meanwhile. A task that returns does not end the others.

        Raises:
            Exception: the error of the task that failed.
        """
        running = [asyncio.create_task(task) for task in tasks]
        self.working.set()
        stopping = asyncio.create_task(self.stopping.wait())
        self.log.info("running")
        try:
            waiting = {stopping, *running}
            while not stopping.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                failed = next((task for task in done - {stopping} if not task.cancelled() and task.exception()), None)
                if failed is not None:
                    raise failed.exception() or AssertionError
        finally:
            stopping.cancel()
            await self._wind_down(running)

    async def _stop_consuming(self, grace: float) -> bool:
        """Take no more messages. Returns whether those in progress finished."""
        del grace
        return True

    async def _wind_down(self, running: list[asyncio.Task[None]]) -> None:
        grace = self.settings.shutdown_seconds
        self.log.info("stopping", grace=grace)
        ending = asyncio.create_task(cancel_and_wait(*running))
        finished = await self._stop_consuming(grace)
        await asyncio.wait([ending], timeout=grace)
        left = [task for task in running if not task.done()]
        if not finished or left:
            self.log.warning("work did not finish in time and will be repeated", tasks=len(left))

    @asynccontextmanager
    async def serving(self, **needs: Callable[[], Awaitable[bool]]) -> AsyncIterator[None]:
        """Serve health and metrics for the duration of a ``with`` block, if a port is set.

        Args:
            needs: further dependencies of the process by name; each callable returns whether the dependency answers.

        Raises:
            SettingsError: the port is taken.
        """

        async def ready() -> dict[str, bool]:
            asked: dict[str, Callable[[], Awaitable[bool]]] = {**needs, "mongodb": partial(mongo.answers, self.mongo)}
            answers = await asyncio.gather(*(ask() for ask in asked.values()))
            running = self.working.is_set() and not self.stopping.is_set()
            return {**dict(zip(asked, answers, strict=True)), "running": running}

        if not self.settings.http_port:
            yield
            return
        # Imported only if needed: the server takes memory.
        from services.runtime.http import listen, serve_health  # noqa: PLC0415

        listening = listen("LEADMAIL_HTTP_PORT", self.settings.http_host, self.settings.http_port)
        async with serve_health(listening, registry=self.metrics.registry, ready=ready):
            yield


def _end_by_force(name: str, loop: asyncio.AbstractEventLoop) -> None:
    structlog.get_logger().error(
        "did not stop within its grace period and is killed; unfinished work will be repeated",
        stage=name,
        waiting=dump_tasks(loop),
    )
    os._exit(1)


def _stop_on_signals(stopping: asyncio.Event, name: str, grace: float) -> None:
    def stop(number: int) -> None:
        if stopping.is_set():
            os._exit(128 + number)  # the second signal: exit now
        stopping.set()
        # Even the event loop may hang. Being killed loses nothing, and the supervisor expects the process to exit.
        watchdog = threading.Timer(grace + _MARGIN_SECONDS, _end_by_force, (name, loop))
        watchdog.daemon = True
        watchdog.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)


@asynccontextmanager
async def open_process(settings: S) -> AsyncIterator[Process[S]]:
    """Open logs and database; close them in reverse.

    Raises:
        NotReadyError: the database does not answer.
    """
    name = settings.process
    log = setup_logs(settings, name)
    log_unhandled(log)
    for variable, near in unknown_variables(known_settings(), os.environ).items():
        log.warning("unknown setting", variable=variable, **({"did_you_mean": near} if near else {}))
    stopping = asyncio.Event()
    _stop_on_signals(stopping, name, settings.shutdown_seconds)
    async with AsyncExitStack() as stack:
        metrics = Metrics(name)
        mongo_metrics = MongoMetrics(name, metrics.registry)
        client = mongo.make_client(settings, mongo_metrics)
        mongo_metrics.watch(client)
        stack.push_async_callback(client.close)
        await mongo.require_replica_set(client)
        tracer_provider = None
        if settings.tracing_url.get_secret_value():
            # Imported only if needed: it is slow to load and takes memory.
            from services.runtime.otlp_exporter import open_tracing  # noqa: PLC0415

            tracer_provider = await stack.enter_async_context(open_tracing(settings, name, log))
        yield Process(
            name=name,
            settings=settings,
            mongo=client,
            database=client[settings.mongo_database],
            crm=client[settings.crm_database],
            metrics=metrics,
            log=log,
            tracer_provider=tracer_provider,
            stopping=stopping,
        )
    log.info("stopped")


def _tune_garbage_collector() -> None:
    """Run the garbage collector less often and never over imported objects: messages are freed without it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)


def run_process(
    of: type[S],
    main: Callable[[P], Awaitable[None]],
    opened: Callable[[S], AbstractAsyncContextManager[P]],
) -> None:
    """Run ``main`` with the settings and with what ``opened`` opens, until it returns. A known error ends it with one line of output."""
    settings = of.load()

    async def run() -> None:
        async with opened(settings) as process:
            await main(process)

    _tune_garbage_collector()

    try:
        uvloop.run(run())
    except (NotReadyError, TopologyError, LayoutError, SettingsError) as error:
        sys.exit(f"leadmail: {error}")
    except Exception as error:  # noqa: BLE001 - logged like all errors, without quoting mail
        structlog.get_logger().error("the stage failed", stage=of.process, error=describe(error), trace=trace(error))
        sys.exit(1)
