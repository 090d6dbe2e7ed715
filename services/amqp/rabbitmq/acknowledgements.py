"""Turns what RabbitMQ delivers into messages, and acknowledges them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelInvalidStateError

from services.amqp.delivery.codec import JSON
from services.amqp.delivery.incoming import IncomingMessage


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
