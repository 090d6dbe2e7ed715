"""A consumer on RabbitMQ that outlives its channel and connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import ChannelClosed, ChannelInvalidStateError, ChannelNotFoundEntity

from services.amqp.delivery.batcher import Batcher
from services.amqp.delivery.codec import JSON
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.rabbitmq.connection import (
    RabbitConnection,
    close_channel,
    is_connection_loss,
    suppress_connection_loss,
)

_FRAMES = 600
"""Frames buffered between connection and channel. A message has three: aiormq's ten would pass three messages at a time."""


Restore = Callable[[AbstractConnection], Awaitable[None]]
"""Declares what is missing in the broker."""


class AckBatcher:
    """Acknowledges the messages of one channel in as few frames as possible: one for a whole prefix of the unacknowledged messages.

    Messages finished in one iteration of the event loop are acknowledged together in the next.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._outstanding: deque[int] = deque()
        self._acknowledged: set[int] = set()
        self._finished: set[int] = set()
        self._flushing: asyncio.Task[None] | None = None

    def delivered(self, tag: int) -> None:
        """Note a message that was delivered."""
        self._outstanding.append(tag)

    async def ack(self, tags: Sequence[int]) -> None:
        """Acknowledge messages, in any order."""
        self._finished.update(tags)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def flushed(self) -> None:
        """Wait until every acknowledgement so far was passed to the connection."""
        while self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def _flush(self) -> None:
        try:
            while self._finished:
                new, self._finished = self._finished, set()
                for tag, multiple in self._frames(new):
                    await self._channel.basic_ack(tag, multiple=multiple, wait=False)
        except ChannelInvalidStateError:
            pass  # the channel is closed: the broker delivers these again
        finally:
            self._flushing = None

    def _frames(self, new: set[int]) -> list[tuple[int, bool]]:
        """Return the acknowledgements (tag, multiple) that cover exactly these tags."""
        last, several = 0, False
        while self._outstanding and (self._outstanding[0] in new or self._outstanding[0] in self._acknowledged):
            tag = self._outstanding.popleft()
            if tag in new:
                # "multiple" may span tags that were acknowledged before, but has to end at one that was not.
                several = last > 0
                last = tag
                new.discard(tag)
            self._acknowledged.discard(tag)
        self._acknowledged |= new
        prefix = [(last, several)] if last else []
        return prefix + [(tag, False) for tag in sorted(new)]


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
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

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


def incoming_message(message: DeliveredMessage, settler: AckBatcher) -> IncomingMessage:
    """Return a delivered message as one that the channel's settler acknowledges."""
    tag = message.delivery_tag
    assert tag is not None
    settler.delivered(tag)
    properties = message.header.properties
    return IncomingMessage(
        headers=properties.headers or {},
        content_type=properties.content_type or JSON,
        body=message.body,
        redelivered=bool(message.redelivered),
        tag=tag,
        settler=settler,
    )
