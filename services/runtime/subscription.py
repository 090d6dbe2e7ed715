"""A consumer on RabbitMQ that outlives its channel and connection."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from aiormq.exceptions import ChannelClosed, ChannelInvalidStateError

from services.runtime.codec import JSON
from services.runtime.intake import Intake
from services.runtime.link import Link, close_channel, lost
from services.runtime.received import Received

_FRAMES = 600
"""Frames (three a message) between the connection and the channel; aiormq's ten would hand over three messages at a time."""


class ChannelSettler:
    """Acknowledges the messages of one channel, with as few frames as possible: one for a whole prefix of what is in hand.

    What is finished in one turn of the event loop is acknowledged together in the next.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._outstanding: deque[int] = deque()
        self._acknowledged: set[int] = set()
        self._finished: set[int] = set()
        self._flushing: asyncio.Task[None] | None = None

    def took(self, tag: int) -> None:
        """Note a message that was delivered."""
        self._outstanding.append(tag)

    async def ack(self, tags: Sequence[int]) -> None:
        """Acknowledge messages, in any order."""
        self._finished.update(tags)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def flushed(self) -> None:
        """Return when every acknowledgement so far was handed to the connection."""
        while self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def _flush(self) -> None:
        try:
            while self._finished:
                new, self._finished = self._finished, set()
                for tag, multiple in self._frames(new):
                    await self._channel.basic_ack(tag, multiple=multiple, wait=False)
        except ChannelInvalidStateError:
            pass  # the channel is gone: the broker delivers these again
        finally:
            self._flushing = None

    def _frames(self, new: set[int]) -> list[tuple[int, bool]]:
        """Return the acknowledgements (tag, multiple) that say that these are done, and only they."""
        last, several = 0, False
        while self._outstanding and (self._outstanding[0] in new or self._outstanding[0] in self._acknowledged):
            tag = self._outstanding.popleft()
            if tag in new:
                # "multiple" may reach over what was acknowledged before, but has to end at a tag that was not.
                several = last > 0
                last = tag
                new.discard(tag)
            self._acknowledged.discard(tag)
        self._acknowledged |= new
        prefix = [(last, several)] if last else []
        return prefix + [(tag, False) for tag in sorted(new)]


class Subscription:
    """Takes the messages of a queue into an intake, on one channel after the other."""

    def __init__(
        self, link: Link, queue: str, prefetch: int, intake: Intake, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self._link = link
        self._queue = queue
        self._prefetch = prefetch
        self._intake = intake
        self._log = log.bind(queue=queue)
        self._channel: AbstractChannel | None = None
        self._tag = ""
        self._started = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe; returns when the broker has agreed."""
        self._task = asyncio.create_task(self._link.serve(self._serve), name=f"consumer-{self._queue}")
        started = asyncio.create_task(self._started.wait())
        await asyncio.wait([started, self._task], return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._task.done():
            await self._task

    async def stop(self, grace: float | None = None) -> bool:
        """See ``bus.Consumer.stop``."""
        self._stopping = True
        try:
            await self._cancel_consumer()
            finished = await self._intake.drain(grace)
        finally:
            await self._end()
        return finished

    async def abandon(self) -> None:
        """Stop at once; what is in hand is cancelled and comes again."""
        await self._intake.cancel()
        await self._end()

    async def _cancel_consumer(self) -> None:
        channel = self._channel
        if channel is None or channel.is_closed:
            await self._end()  # it must not come back on the next connection
            return
        try:
            await channel.basic_cancel(self._tag)
        except BaseException as error:
            if not lost(error):
                raise
            await self._end()

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _serve(self, connection: AbstractConnection) -> None:
        if self._stopping:
            return  # the channel was lost while work in hand finishes: there is nothing left to take
        channel = await connection.channel(publisher_confirms=False, frame_buffer_size=_FRAMES)
        settler = ChannelSettler(channel)
        taken_away = asyncio.Event()

        async def take(message: DeliveredMessage) -> None:
            tag = message.delivery_tag
            assert tag is not None
            settler.took(tag)
            properties = message.header.properties
            self._intake.put(
                Received(
                    headers=properties.headers or {},
                    content_type=properties.content_type or JSON,
                    body=message.body,
                    redelivered=bool(message.redelivered),
                    tag=tag,
                    settler=settler,
                )
            )

        channel.on_consumer_cancel_callbacks.add(lambda _: taken_away.set())
        closing = channel.closing
        waiter = asyncio.create_task(taken_away.wait())
        try:
            await channel.basic_qos(prefetch_count=self._prefetch)
            self._tag = str((await channel.basic_consume(self._queue, take)).consumer_tag)
            self._channel = channel
            self._started.set()
            await asyncio.wait([closing, waiter], return_when=asyncio.FIRST_COMPLETED)
            if taken_away.is_set():
                raise ChannelClosed(0, "the broker cancelled the consumer: the queue was deleted or moved")
            await closing
        finally:
            waiter.cancel()
            self._channel = None
            self._intake.forget(settler)
            if not channel.is_closed:
                await settler.flushed()
            await close_channel(channel)
