"""Wires the console: ``python -m services.console``."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager

import uvicorn
from starlette.applications import Starlette

from services.amqp.delivery.bus import Bus
from services.amqp.rabbitmq.bus import open_bus
from services.amqp.stage import tracing_of
from services.console.app import make_app, make_console
from services.console.web.endpoints import ConsoleMetrics
from services.runtime.process import Process, listening, open_process, run_process
from services.settings import ConsoleSettings
from services.usecases.overview import Broker
from services.wiring import make_store

_BROKER_SECONDS = 2.0
"""How long a page waits for a broker that is down."""


class Server(uvicorn.Server):
    """An HTTP server that leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


async def serve(app: Starlette, settings: ConsoleSettings) -> None:
    """Serve pages until cancelled; then finish the requests in progress and return.

    Raises:
        SettingsError: the port is taken.
    """
    where = settings.console_host, settings.console_port
    with listening("LEADMAIL_CONSOLE_PORT", *where):
        opened = socket.create_server(where, family=socket.AF_INET6 if ":" in where[0] else socket.AF_INET, backlog=512)
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.console_proxies),
        forwarded_allow_ips=[str(network) for network in settings.console_proxies],
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.shutdown_seconds),
        h11_max_incomplete_event_size=32 * 1024,
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[opened]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


async def main(process: Process[ConsoleSettings]) -> None:
    """Serve pages, and send sign-in links by mail."""
    settings, log, registry = process.settings, process.log, process.metrics.registry
    store = make_store(process.database, process.crm, settings)
    await store.setup()

    def connect() -> AbstractAsyncContextManager[Bus]:
        return open_bus(
            settings, "console", metrics=process.metrics, log=log, tracing=tracing_of(process), seconds=_BROKER_SECONDS
        )

    async with AsyncExitStack() as stack:
        broker = None
        if settings.rabbitmq_url.get_secret_value():
            broker = await stack.enter_async_context(Broker(connect))
        console = make_console(store, settings, broker=broker, registry=registry, log=log)
        app = make_app(console, ConsoleMetrics(registry))
        await stack.enter_async_context(process.serving())
        await process.run(
            serve(app, settings),
            *([console.mails.run()] if console.mails else ()),
            *([_connected(broker)] if broker else ()),
        )


async def _connected(broker: Broker) -> None:
    """Connect before the first page needs the broker."""
    await broker.bus()


if __name__ == "__main__":
    run_process(ConsoleSettings, main, open_process)
