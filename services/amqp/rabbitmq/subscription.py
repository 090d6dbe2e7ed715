"""A consumer on RabbitMQ that outlives its channel and connection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import ChannelClosed, ChannelNotFoundEntity

from services.amqp.delivery.batcher import Batcher
from services.amqp.rabbitmq.acknowledgements import AckBatcher, incoming_message
from services.amqp.rabbitmq.connection import RabbitConnection
from services.amqp.rabbitmq.connection_loss import close_channel, is_connection_loss, suppress_connection_loss
from services.runtime.tasks import cancel_once

_FRAMES = 600
"""Frames buffered between connection and channel. A message has three: aiormq's ten would pass three messages at a time."""


Restore = Callable[[AbstractConnection], Awaitable[None]]
"""Declares what is missing in the broker."""


class Subscription:
    """Passes the messages of a queue to a batcher, on one channel after the other."""

    def __init__(
        self,
        rabbit: RabbitConnection,
        queue: str,
        batcher: Batcher,
        *,
        prefetch: int,
        log: structlog.typing.FilteringBoundLogger,
        restore: Restore,
    ) -> None:
        self._rabbit = rabbit
        self._restore = restore
        self.queue = queue
        self._prefetch = prefetch
        self._batcher = batcher
        self._log = log.bind(queue=queue)
        self._channel: AbstractChannel | None = None
        self._tag = ""
        self._settler: AckBatcher | None = None
        self._started = asyncio.Event()
        self._switching = asyncio.Lock()
        """Held while the broker is asked to start or stop delivering."""
        self._paused = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe, and wait for the broker's confirmation."""
        self._task = asyncio.create_task(self._rabbit.serve(self._serve), name=f"consumer-{self.queue}")
        started = asyncio.create_task(self._started.wait())
        await asyncio.wait([started, self._task], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._task.done():
            await self._task

    async def pause(self, seconds: float) -> bool:
        """Take no messages until ``resume``. Returns whether everything in progress was handled and acknowledged within ``seconds``."""
        async with self._switching:
            self._paused = True
            if self._channel is not None and not self._channel.is_closed:
                with suppress_connection_loss():
                    await self._channel.basic_cancel(self._tag)
        if not await self._batcher.finished(seconds):
            return False
        if self._settler is not None:
            await self._settler.flushed()
        return True

    async def resume(self) -> None:
        """Take messages again."""
        async with self._switching:
            self._paused = False
            if self._channel is not None and not self._channel.is_closed and not self._stopping:
                with suppress_connection_loss():
                    await self._start_consuming(self._channel)

    async def stop(self, grace: float | None = None) -> bool:
        """See ``bus.Consumer.stop``."""
        self._stopping = True
        try:
            await self._cancel_consumer()
            finished = await self._batcher.drain(grace)
        finally:
            await self._end()
        return finished

    async def abandon(self) -> None:
        """Stop at once; what is in progress is cancelled and delivered again."""
        await self._batcher.cancel()
        await self._end()

    async def _cancel_consumer(self) -> None:
        channel = self._channel
        if channel is None or channel.is_closed:
            await self._end()  # it must not come back on the next connection
            return
        try:
            await channel.basic_cancel(self._tag)
        except BaseException as error:
            if not is_connection_loss(error):
                raise
            await self._end()

    async def _end(self) -> None:
        if self._task is not None:
            await cancel_once(self._task)

    async def _serve(self, connection: AbstractConnection) -> None:
        if self._stopping:
            return  # the channel was lost while the last messages are handled: no more are wanted
        channel = await connection.channel(publisher_confirms=False, frame_buffer_size=_FRAMES)
        settler = self._settler = AckBatcher(channel)
        cancelled_by_broker = asyncio.Event()
        channel.on_consumer_cancel_callbacks.add(lambda _: cancelled_by_broker.set())
        closing = channel.closing
        waiter = asyncio.create_task(cancelled_by_broker.wait())
        try:
            await channel.basic_qos(prefetch_count=self._prefetch)
            async with self._switching:
                if not self._paused:
                    await self._start_consuming(channel)
                self._channel = channel
            self._started.set()
            await asyncio.wait([closing, waiter], return_when=asyncio.FIRST_COMPLETED)
            if cancelled_by_broker.is_set():
                raise ChannelClosed(0, "the broker cancelled the consumer: the queue was deleted or moved")
            await closing
        except ChannelNotFoundEntity:
            await self._restore(connection)
            raise
        finally:
            waiter.cancel()
            self._channel = None
            self._batcher.forget(settler)
            if not channel.is_closed:
                await settler.flushed()
            await close_channel(channel)

    async def _start_consuming(self, channel: AbstractChannel) -> None:
        """Start the delivery of messages on a channel."""
        settler = self._settler
        assert settler is not None

        async def take(message: DeliveredMessage) -> None:
            self._batcher.put(incoming_message(message, settler))

        self._tag = str((await channel.basic_consume(self.queue, take)).consumer_tag)
