"""Publishes with confirmations, many in flight. Refused messages are resent after a pause, those of a lost channel on the next."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import count

import structlog
from aiormq.abc import AbstractConnection, ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from schemas.errors import BusClosedError, UnroutableError
from services.amqp.delivery import codec
from services.amqp.delivery.codec import Envelope
from services.amqp.rabbitmq.connection import RabbitConnection
from services.amqp.rabbitmq.connection_loss import close_channel, suppress_connection_loss
from services.amqp.rabbitmq.publish_window import PublishGroup, PublishItem, PublishWindow
from services.amqp.rabbitmq.topology import Topology
from services.runtime.metrics import Metrics
from services.runtime.tasks import cancel_once

_CHUNK_MESSAGES = 50
_CHUNK_BYTES = 256 * 1024
_BYTES_IN_FLIGHT = 16 * 1024 * 1024
_PERSISTENT = 2


class Publisher:
    """Sends envelopes. Writing the frames of many messages at once costs a third of aiormq's own publishing."""

    def __init__(
        self, rabbit: RabbitConnection, topology: Topology, metrics: Metrics, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        self._rabbit = rabbit
        self._topology = topology
        self._metrics = metrics
        self._log = log
        self._windows: dict[tuple[str, str], PublishWindow] = defaultdict(PublishWindow)
        self._in_flight: dict[int, PublishItem] = {}
        self._bytes_in_flight = 0
        self._wake = asyncio.Event()
        self._numbers = count(1)
        self._declared: AbstractConnection | None = None
        """The connection on which ``open`` declared the topology, until it is used."""
        self._connection: AbstractConnection | None = None
        """The connection in use."""
        self._task: asyncio.Task[None] | None = None
        self._restoring: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Declare the topology and start.

        Raises:
            TopologyError: something in the broker has other properties than ours.
        """
        self._declared = await self._rabbit.connection()
        await self._topology.declare(self._declared)
        self._task = asyncio.create_task(self._rabbit.serve(self._serve), name="publisher")

    async def send(self, envelopes: Sequence[Envelope]) -> list[Exception | None]:
        """Send messages; return, in order, None for those that the broker has confirmed, else the error."""
        if not envelopes:
            return []
        if self._task is None or self._task.done():
            return [BusClosedError("the bus is closed")] * len(envelopes)
        group = PublishGroup(len(envelopes))
        for place, envelope in enumerate(envelopes):
            self._windows[envelope.exchange, envelope.routing_key].waiting.append(PublishItem(envelope, group, place))
        self._wake.set()
        return await group.future

    async def close(self) -> None:
        """Stop. Waiting and unconfirmed messages are reported as failed, although an unconfirmed one may have arrived."""
        for task in (self._task, self._restoring):
            if task is not None:
                await cancel_once(task)
        for window in self._windows.values():
            for item in window.waiting:
                item.group.finish(item.place, BusClosedError("the bus was closed before the broker confirmed"))
            window.waiting.clear()

    async def _serve(self, connection: AbstractConnection) -> None:
        if connection is not self._declared:
            await self._topology.declare(connection)
        # Declare again after every loss: the broker may have been rebuilt, or the channel closed because an exchange was deleted.
        self._declared = None
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        assert isinstance(channel, Channel)
        closing = channel.closing
        self._connection = connection
        pump = asyncio.create_task(self._pump(channel))
        try:
            await asyncio.wait([closing, pump], return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                await pump
            await closing
        finally:
            self._connection = None
            await cancel_once(pump)
            self._put_back()
            await close_channel(channel)

    async def _pump(self, channel: Channel) -> None:
        while True:
            chunk = self._take()
            if chunk:
                await channel.write_queue.put(ChannelFrame.marshall(channel.number, self._frames(channel, chunk)))
            else:
                self._wake.clear()
                await self._wake.wait()

    def _take(self) -> list[PublishItem]:
        """Return the messages to send now, one window after the other."""
        chunk: list[PublishItem] = []
        size = 0
        now = asyncio.get_running_loop().time()
        for window in self._windows.values():
            while window.ready(now) and len(chunk) < _CHUNK_MESSAGES and size < _CHUNK_BYTES:
                if self._bytes_in_flight + size >= _BYTES_IN_FLIGHT:
                    return chunk
                if not window.waiting[0].wanted:
                    window.waiting.popleft()
                    continue
                item = window.take()
                size += len(item.envelope.body)
                chunk.append(item)
        return chunk

    def _frames(
        self, channel: Channel, chunk: Sequence[PublishItem]
    ) -> list[Basic.Publish | ContentHeader | ContentBody]:
        """Return the frames of messages, registered for confirmation as ``Channel.basic_publish`` does."""
        frames: list[Basic.Publish | ContentHeader | ContentBody] = []
        loop = asyncio.get_running_loop()
        step = channel.max_content_size
        for item in chunk:
            envelope = item.envelope
            number = next(self._numbers)
            # Unlike the event's id it must not repeat: it identifies a returned message.
            message_id = f"{number}.{envelope.headers.get(codec.ID, '')}"[:255]
            properties = Basic.Properties(
                content_type=envelope.content_type,
                delivery_mode=_PERSISTENT,
                message_id=message_id,
                headers=dict(envelope.headers),
            )
            frames.append(Basic.Publish(exchange=envelope.exchange, routing_key=envelope.routing_key, mandatory=True))
            frames.append(ContentHeader(properties=properties, body_size=len(envelope.body)))
            frames += [ContentBody(envelope.body[start : start + step]) for start in range(0, len(envelope.body), step)]
            confirmation = loop.create_future()
            confirmation.add_done_callback(partial(self._confirmed, channel, number, message_id))
            channel.delivery_tag += 1
            channel.confirmations[channel.delivery_tag] = confirmation
            channel.message_id_delivery_tag[message_id] = channel.delivery_tag
            self._in_flight[number] = item
            self._bytes_in_flight += len(envelope.body)
        return frames

    def _confirmed(self, channel: Channel, number: int, message_id: str, confirmation: asyncio.Future[object]) -> None:
        channel.message_id_delivery_tag.pop(message_id, None)
        error = confirmation.exception()
        item = self._in_flight.pop(number, None)
        if item is None:
            return  # its channel was lost meanwhile, and it is being sent again
        envelope = item.envelope
        window = self._windows[envelope.exchange, envelope.routing_key]
        self._bytes_in_flight -= len(envelope.body)
        if error is None:
            window.accepted()
            self._metrics.published(envelope.routing_key or envelope.exchange)
            item.group.finish(item.place, None)
        elif isinstance(error, DeliveryError) and not isinstance(error, PublishError):
            self._metrics.refused(envelope.routing_key or envelope.exchange)
            loop = asyncio.get_running_loop()
            pause = window.refused(item, loop.time())
            if pause is not None:
                self._log.debug("queue is full", routing_key=envelope.routing_key, pause=round(pause, 3))
                loop.call_later(pause, self._resume, window)
        elif not item.returned and self._connection is not None:
            window.hold(item)
            if self._restoring is None:
                self._log.warning("a queue is missing: declaring it again", routing_key=envelope.routing_key)
                self._restoring = asyncio.create_task(self._restore(self._connection))
        else:
            window.dropped()
            what = envelope.headers.get(codec.TYPE, "message")
            item.group.finish(item.place, UnroutableError(f"no queue takes {what} at {envelope.routing_key!r}"))
        self._wake.set()

    async def _restore(self, connection: AbstractConnection) -> None:
        """Declare what is missing, then release the messages that wait for it. A new connection declares everything anyway."""
        try:
            with suppress_connection_loss():
                await self._topology.restore(connection)
        finally:
            self._restoring = None
            for window in self._windows.values():
                window.release()
            self._wake.set()

    def _resume(self, window: PublishWindow) -> None:
        window.resume()
        self._wake.set()

    def _put_back(self) -> None:
        """Send everything unconfirmed again, with the same ids: consumers recognize duplicates."""
        lost: dict[tuple[str, str], list[PublishItem]] = defaultdict(list)
        for item in self._in_flight.values():
            lost[item.envelope.exchange, item.envelope.routing_key].append(item)
        for key, items in lost.items():
            self._windows[key].put_back(items)
        self._in_flight.clear()
        self._bytes_in_flight = 0
