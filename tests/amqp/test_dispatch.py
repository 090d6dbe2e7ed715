"""When the dispatcher acknowledges: only after the broker has confirmed everything that follows from a message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from schemas.errors import BusClosedError, UnroutableError
from schemas.messages import Event
from schemas.routes import EXCHANGE
from services.amqp.delivery import codec
from services.amqp.delivery.codec import Envelope
from services.amqp.delivery.dispatch import Dispatcher, one_by_one
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.delivery.outcomes import Delivery, Done, Failed, HandleBatch
from services.runtime.metrics import Metrics
from tests.amqp.fixtures import LOG, RECORDS, changed, completed


class Acks:
    """A settler that records acknowledgements."""

    def __init__(self) -> None:
        self.tags: list[int] = []

    async def ack(self, tags: Sequence[int]) -> None:
        """Record acknowledgements."""
        self.tags += tags


class Broker:
    """Sends envelopes nowhere: published messages get the result ``published``, retries and dead letters ``returned``."""

    def __init__(self, published: Exception | None = None, returned: Exception | None = None) -> None:
        self._published, self._returned = published, returned
        self.sent: list[Envelope] = []
        self.asked, self.confirms = asyncio.Event(), asyncio.Event()
        self.confirms.set()

    async def send(self, envelopes: Sequence[Envelope]) -> list[Exception | None]:
        """Answer once the broker confirms."""
        self.sent += envelopes
        self.asked.set()
        await self.confirms.wait()
        return [self._published if each.exchange == EXCHANGE else self._returned for each in envelopes]


async def announce(delivery: Delivery[Any]) -> Sequence[Event]:
    """Handle a message by publishing another."""
    return [completed(delivery.attempt)]


ANNOUNCE = one_by_one(announce)


def dispatcher(broker: Broker, handle: HandleBatch = ANNOUNCE) -> Dispatcher:
    """Return a dispatcher of record changes."""
    metrics = Metrics("test").queue(RECORDS.queue)
    return Dispatcher(RECORDS, handle, send=broker.send, source="/leadmail/test", metrics=metrics, log=LOG)


def incoming(settler: Acks, tag: int = 1) -> IncomingMessage:
    """Return a delivered message."""
    envelope = codec.encode(changed(tag), None, source="/leadmail/test")
    return IncomingMessage(
        envelope.headers, envelope.content_type, envelope.body, redelivered=False, tag=tag, settler=settler
    )


async def test_nothing_is_acknowledged_before_the_confirmation() -> None:
    """While the broker has not confirmed what the handler published, its message is not acknowledged."""
    broker, acks = Broker(), Acks()
    broker.confirms.clear()
    handling = asyncio.create_task(dispatcher(broker).process([incoming(acks)]))
    await broker.asked.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert acks.tags == []
    broker.confirms.set()
    await handling
    assert acks.tags == [1]


async def test_a_closed_bus_leaves_the_message_unacknowledged() -> None:
    """When the bus closes before the confirmation, the message is neither acknowledged nor retried: the broker delivers it again."""
    broker, acks = Broker(published=BusClosedError("closed")), Acks()
    await dispatcher(broker).process([incoming(acks)])
    assert acks.tags == []
    assert [each.exchange for each in broker.sent] == [EXCHANGE]


async def test_an_unroutable_result_fails_its_message() -> None:
    """If a handler's message cannot be routed, its own message is acknowledged only after the confirmation of its retry."""
    broker, acks = Broker(published=UnroutableError("no queue")), Acks()
    await dispatcher(broker).process([incoming(acks)])
    assert acks.tags == [1]
    (retry,) = (each for each in broker.sent if each.exchange != EXCHANGE)
    assert retry.body == incoming(acks).body


async def test_a_message_that_cannot_be_retried_stays_unacknowledged() -> None:
    """If the retry is refused, too, the message is not acknowledged."""
    broker, acks = Broker(published=UnroutableError("no queue"), returned=UnroutableError("no queue")), Acks()
    await dispatcher(broker).process([incoming(acks)])
    assert acks.tags == []


async def test_the_messages_of_a_batch_are_acknowledged_separately() -> None:
    """Of a batch, only the messages whose results could not be published stay unacknowledged."""

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        return [Done([completed(1)] if place == 1 else ()) for place, _ in enumerate(deliveries)]

    broker, acks = Broker(published=BusClosedError("closed")), Acks()
    await dispatcher(broker, handle).process([incoming(acks, tag) for tag in (1, 2, 3)])
    assert acks.tags == [1, 3]
