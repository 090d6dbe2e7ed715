"""Wires the console: ``python -m services.console``."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack

from services.amqp import Bus, open_bus, tracing_of
from services.console.app import make_app, make_console
from services.console.web.endpoints import request_histogram
from services.runtime.http import listen, serve_app
from services.runtime.process import Process, open_process, run_process
from services.settings import ConsoleSettings
from services.usecases.overview import OptionalBus
from services.wiring import make_store, note_sender

_BROKER_SECONDS = 2.0
"""How long a page waits for a broker that is down."""


async def main(process: Process[ConsoleSettings]) -> None:
    """Serve pages, and send sign-in links by mail."""
    settings, log, registry = process.settings, process.log, process.metrics.registry
    store = make_store(process.database, process.crm, settings)
    await store.setup()
    await note_sender(store, settings)

    def connect() -> AbstractAsyncContextManager[Bus]:
        return open_bus(
            settings, "console", metrics=process.metrics, log=log, tracing=tracing_of(process), seconds=_BROKER_SECONDS
        )

    async with AsyncExitStack() as stack:
        broker = None
        if settings.rabbitmq_url.get_secret_value():
            broker = await stack.enter_async_context(OptionalBus(connect))
        console = make_console(store, settings, broker=broker, registry=registry, log=log)
        app = make_app(console, request_histogram(registry))
        listening = listen("LEADMAIL_CONSOLE_PORT", settings.console_host, settings.console_port)
        await stack.enter_async_context(process.serving())
        await process.run(
            serve_app(
                app,
                listening,
                proxies=[str(network) for network in settings.console_proxies],
                grace=settings.shutdown_seconds,
            ),
            *([console.mails.run()] if console.mails else ()),
            *([_connected(broker)] if broker else ()),
        )


async def _connected(broker: OptionalBus) -> None:
    """Connect before the first page needs the broker."""
    await broker.bus()


if __name__ == "__main__":
    run_process(ConsoleSettings, main, open_process)
