"""A connection to RabbitMQ that reconnects whenever it is lost.

aio-pika connects; publishing and consuming use the aiormq connection below it: aio-pika's own channels and "robust" classes cancel
running handlers when a channel closes, and cost three times as much per message.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

import aio_pika
import structlog
from aiormq.abc import AbstractConnection

from schemas.errors import BusClosedError, NotReadyError, TopologyError
from services.amqp.rabbitmq.connection_loss import CLOSE_SECONDS, is_connection_loss, reason
from services.amqp.rabbitmq.queue_reader import connection_url, tls_context
from services.runtime.backoff import Backoff
from services.runtime.failures import describe, trace
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from services.runtime.tasks import cancel_and_wait, cancel_once

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
_CONNECT_SECONDS = 15.0


class RabbitConnection:
    """One connection for one purpose. Publishing and consuming each have their own, because a full broker blocks publishing connections."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        purpose: str,
        metrics: Metrics,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._url = connection_url(settings, purpose)
        self._purpose = purpose
        self._metrics = metrics
        self._log = log.bind(purpose=purpose)
        self._connection: AbstractConnection | None = None
        self._up = asyncio.Event()
        self._error: BaseException | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether it is connected."""
        return self._up.is_set() and self._connection is not None and not self._connection.is_closed

    async def open(self, seconds: float) -> None:
        """Connect, and reconnect until ``close``.

        Raises:
            NotReadyError: there was no connection within ``seconds``; the text says why.
        """
        self._task = asyncio.create_task(self._keep_connected(), name=f"rabbitmq-{self._purpose}")
        self._task.add_done_callback(lambda _: self._up.set())  # wakes everything that waits for a connection
        try:
            async with asyncio.timeout(seconds):
                await self._up.wait()
        except TimeoutError:
            await self.close()
            raise NotReadyError(
                f"RabbitMQ at {self._url.host}:{self._url.port} accepts no connection: {self._error!r}"
            ) from None

    async def connection(self) -> AbstractConnection:
        """Return the connection, waiting for it while it is lost.

        Raises:
            BusClosedError: ``close`` was called.
        """
        while True:
            if self._task is None or self._task.done():
                raise BusClosedError("the connection to RabbitMQ was closed")
            await self._up.wait()
            if self._connection is not None and not self._connection.is_closed:
                return self._connection
            await asyncio.sleep(0)

    async def serve(self, work: Callable[[AbstractConnection], Awaitable[None]]) -> None:
        """Run ``work`` on the connection until it returns; run it again whenever the connection or its channel is lost."""
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        while True:
            connection = await self.connection()
            started = loop.time()
            try:
                await work(connection)
            except TopologyError as error:
                self._log.error("broker topology differs", error=str(error))
            except BaseException as error:
                if not self._noted(error, "channel lost", error=reason(error)):
                    raise
            else:
                return
            if loop.time() - started > LONGEST_PAUSE:
                backoff.reset()
            await asyncio.sleep(backoff.next())

    async def close(self) -> None:
        """Close the connection."""
        if self._task is not None:
            await cancel_once(self._task)

    async def _keep_connected(self) -> None:
        backoff = Backoff()
        context = await asyncio.to_thread(tls_context, self._settings) if self._url.scheme == "amqps" else None
        while True:
            # In its own task: the driver cancels the tasks that wait for it, and a late cancellation would end this loop.
            attempt = asyncio.create_task(self._connect(context, backoff), name=f"connection-{self._purpose}")
            try:
                await asyncio.wait({attempt})
            finally:
                await cancel_and_wait(attempt)
            self._error = asyncio.CancelledError() if attempt.cancelled() else attempt.exception()
            pause = backoff.next()
            self._noted(self._error, "not connected to RabbitMQ", error=reason(self._error), retry_in=round(pause, 2))
            await asyncio.sleep(pause)

    async def _connect(self, context: ssl.SSLContext | None, backoff: Backoff) -> None:
        """Connect, and stay connected until the connection is lost."""
        connection = aio_pika.Connection(self._url, ssl_context=context)
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await connection.connect()
            assert connection.transport is not None  # connect() has just set it
            backoff.reset()
            await self._stay(connection.transport.connection)
        finally:
            if not connection.is_closed:
                await asyncio.wait([asyncio.ensure_future(connection.close())], timeout=CLOSE_SECONDS)

    def _noted(self, cause: BaseException | None, event: str, **details: object) -> bool:
        """Log why a connection or channel has to be opened again. Returns False if it does not, because the process is stopping.

        An unexpected error is logged as a bug and retried, too: without its connection the process would be alive but deaf.
        """
        if cause is None or is_connection_loss(cause):
            self._log.warning(event, **details)
        elif isinstance(cause, Exception):
            # Not log.exception: the text of an error may quote mail.
            self._log.error(event, **{**details, "error": describe(cause), "trace": trace(cause)})
        else:
            return False
        return True

    async def _stay(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._up.set()
        self._metrics.connected(self._purpose, up=True)
        self._log.info("connected to RabbitMQ", host=self._url.host)
        try:
            await connection.closing
        finally:
            self._up.clear()
            self._metrics.connected(self._purpose, up=False)
