"""A connection to RabbitMQ that reconnects whenever it is lost.

aio-pika connects; publishing and consuming use the aiormq connection below it: aio-pika's own channels and "robust" classes cancel
running handlers when a channel closes, and cost three times as much per message.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import aio_pika
import aiormq
import structlog
from aiormq.abc import AbstractChannel, AbstractConnection
from yarl import URL

from schemas.errors import BusClosedError, NotReadyError, TopologyError
from services.runtime.backoff import Backoff
from services.runtime.failures import describe, trace
from services.runtime.metrics import Metrics
from services.runtime.tasks import cancel_and_wait

HEARTBEAT_SECONDS = 20
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
_CONNECT_SECONDS = 15.0
_CLOSE_SECONDS = 5.0


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
        await asyncio.wait([asyncio.ensure_future(channel.close())], timeout=_CLOSE_SECONDS)


def reason(error: BaseException | None) -> str:
    """Return in one short line why there is no connection."""
    words = " ".join(str(word) for word in error.args) if error else ""
    return f"{type(error).__name__} {words}".strip()[:300] if error else "no answer in time"


class RabbitConnection:
    """One connection for one purpose. Publishing and consuming each have their own, because a full broker blocks publishing connections."""

    def __init__(
        self,
        url: str,
        *,
        purpose: str,
        instance: str,
        ca_file: str,
        metrics: Metrics,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        address = URL(url)
        query = {"heartbeat": str(HEARTBEAT_SECONDS), "name": f"{instance} ({purpose})"} | dict(address.query)
        self._url = address.with_query(query)
        self._purpose = purpose
        self._ca_file = ca_file
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
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_connected(self) -> None:
        backoff = Backoff()
        context = await asyncio.to_thread(self._tls_context) if self._url.scheme == "amqps" else None
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
                await asyncio.wait([asyncio.ensure_future(connection.close())], timeout=_CLOSE_SECONDS)

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

    def _tls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca_file:
            context.load_verify_locations(cafile=self._ca_file)
        return context
