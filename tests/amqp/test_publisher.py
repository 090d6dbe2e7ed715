"""What the publisher does with each answer of the broker: confirmed, refused, returned, none before the channel was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest
import structlog
from aiormq.exceptions import ChannelInvalidStateError, DeliveryError, PublishError
from pamqp.commands import Basic
from structlog.testing import LogCapture

from schemas.errors import BusClosedError, UnroutableError
from services.amqp.delivery import codec
from services.amqp.delivery.codec import Envelope
from services.amqp.rabbitmq.publisher import Publisher
from services.runtime.metrics import Metrics
from tests.amqp.fixtures import changed, until

KEY = "record.changed"


_SECONDS = 5.0
"""How long a test waits for what takes milliseconds."""


async def result(sending: asyncio.Task[list[Exception | None]]) -> list[Exception | None]:
    """Return the results of a call; fail if it does not return."""
    return await asyncio.wait_for(sending, _SECONDS)


def sample(number: int, *, exchange: str = "leadmail", routing_key: str = KEY) -> Envelope:
    """Return a message to publish."""
    envelope = codec.encode(changed(number), None, source="/leadmail/test")
    return Envelope(exchange, routing_key, envelope.headers, envelope.content_type, b"%d" % number)


class Channel:
    """A channel whose broker answers when the test says so."""

    number, max_content_size = 1, 1000

    def __init__(self, connection: Broker) -> None:
        self.delivery_tag = 0
        self.confirmations: dict[int, asyncio.Future[object]] = {}
        self.message_id_delivery_tag: dict[str, int] = {}
        self.write_queue: asyncio.Queue[object] = asyncio.Queue()
        self.connection = connection

    async def sent(self, count: int) -> None:
        """Return once this many messages have been written."""
        await until(lambda: self.delivery_tag >= count, seconds=_SECONDS)
        assert self.delivery_tag == count

    async def answer(self, tag: int, error: Exception | None = None) -> None:
        """Confirm a message, or refuse it with an error."""
        confirmation = self.confirmations[tag]
        if error is None:
            confirmation.set_result(None)
        else:
            confirmation.set_exception(error)
        for _ in range(5):
            await asyncio.sleep(0)


class Broker:
    """Stands for the connection and the topology; each ``lose`` starts a new channel."""

    def __init__(self) -> None:
        self.channels: list[Channel] = []
        self.restored = 0
        self.lost, self.may_restore = asyncio.Event(), asyncio.Event()
        self.may_restore.set()
        self.publisher: Publisher | None = None

    async def connection(self) -> Broker:
        """Return the connection."""
        return self

    async def declare(self, _: object) -> None:
        """Declare everything."""

    async def restore(self, _: object) -> None:
        """Declare what is missing."""
        await self.may_restore.wait()
        self.restored += 1

    async def serve(self, _: Callable[[Any], Awaitable[None]]) -> None:
        """Do what the publisher does on each connection, without a real channel."""
        assert self.publisher is not None
        while True:
            self.channels.append(Channel(self))
            self.publisher._connection = cast("Any", self)
            pump = asyncio.create_task(self.publisher._pump(cast("Any", self.channels[-1])))
            try:
                await self.lost.wait()
            finally:
                pump.cancel()
                self.publisher._connection = None
                await asyncio.gather(pump, return_exceptions=True)
                self.publisher._put_back()
            self.lost.clear()

    async def lose(self) -> None:
        """Lose the channel."""
        count = len(self.channels)
        self.lost.set()
        await until(lambda: len(self.channels) > count, seconds=_SECONDS)


class Setup:
    """A publisher with its broker, metrics and log."""

    def __init__(self) -> None:
        self.broker, self.metrics, self.log = Broker(), Metrics("test"), LogCapture()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[self.log])
        self.publisher = Publisher(cast("Any", self.broker), cast("Any", self.broker), self.metrics, log)
        self.broker.publisher = self.publisher

    @property
    def channel(self) -> Channel:
        """The open channel."""
        return self.broker.channels[-1]

    def sending(self, *envelopes: Envelope) -> asyncio.Task[list[Exception | None]]:
        """Start to send messages."""
        return asyncio.create_task(self.publisher.send(envelopes))

    def counted(self, name: str, routing_key: str) -> float:
        """Return the value of a counter."""
        labels = {"stage": "test", "routing_key": routing_key}
        return self.metrics.registry.get_sample_value(name, labels) or 0


@pytest.fixture
async def opened() -> AsyncIterator[Setup]:
    """A publisher that is open. No callback of the event loop may fail."""
    setup, failures = Setup(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    await setup.publisher.open()
    await until(lambda: setup.broker.channels, seconds=_SECONDS)
    yield setup
    await setup.publisher.close()
    assert failures == []


def refused() -> DeliveryError:
    """Return what a full queue answers."""
    return DeliveryError(None, Basic.Nack())


def returned() -> PublishError:
    """Return what the broker answers if no queue takes a message."""
    error = PublishError.__new__(PublishError)
    Exception.__init__(error, "NO_ROUTE")
    return error


async def test_a_message_is_sent_when_the_broker_confirms_it(opened: Setup) -> None:
    """The caller gets the result of each message in order, once all are confirmed; each is counted by its routing key."""
    sending = opened.sending(sample(1), sample(2), sample(3, exchange="retry", routing_key=""))
    await opened.channel.sent(3)
    for tag in (2, 3):
        await opened.channel.answer(tag)
    assert not sending.done()
    await opened.channel.answer(1)
    assert await result(sending) == [None, None, None]
    assert opened.counted("leadmail_published_total", KEY) == 2
    assert opened.counted("leadmail_published_total", "retry") == 1
    assert opened.channel.message_id_delivery_tag == {}
    assert opened.publisher._bytes_in_flight == 0


async def test_nothing_to_send_needs_no_broker(opened: Setup) -> None:
    """An empty list is sent at once."""
    assert await result(opened.sending()) == []


async def test_a_publisher_that_is_not_open_reports_every_message(opened: Setup) -> None:
    """Before ``open`` and after ``close`` each message fails, and the caller does not wait."""
    await opened.publisher.close()
    for publisher in (Setup().publisher, opened.publisher):
        results = await asyncio.wait_for(publisher.send([sample(1), sample(2)]), 5)
        assert [(type(one), str(one)) for one in results] == [(BusClosedError, "the bus is closed")] * 2


async def test_a_full_queue_is_asked_again_after_a_pause(opened: Setup) -> None:
    """A refused message is sent again when the pause ends, is counted as a refusal, and the log says so once a pause."""
    sending = opened.sending(sample(1), sample(2), sample(3, exchange="retry", routing_key=""))
    await opened.channel.sent(3)
    await opened.channel.answer(1, refused())
    await opened.channel.answer(2, refused())  # within the pause
    await opened.channel.answer(3, refused())
    (paused, _) = opened.log.entries
    assert (paused["event"], paused["routing_key"]) == ("queue is full", KEY)
    assert paused["pause"] == round(paused["pause"], 3)
    assert opened.counted("leadmail_publish_refusals_total", KEY) == 2
    assert opened.counted("leadmail_publish_refusals_total", "retry") == 1
    await opened.channel.sent(5)  # one message to each queue: the window is narrow
    await opened.channel.answer(4)
    await opened.channel.answer(5)
    await opened.channel.sent(6)
    await opened.channel.answer(6)
    assert await result(sending) == [None, None, None]


async def test_a_missing_queue_is_declared_again(opened: Setup) -> None:
    """A returned message is sent again after its queue was declared; messages to that queue wait meanwhile."""
    opened.broker.may_restore.clear()
    sending = opened.sending(sample(1), sample(2))
    await opened.channel.sent(2)
    await opened.channel.answer(1, returned())
    await opened.channel.answer(2, returned())
    third = opened.sending(sample(3))
    await opened.channel.sent(2)
    opened.broker.may_restore.set()
    await opened.channel.sent(5)
    for tag in (3, 4, 5):
        await opened.channel.answer(tag)
    assert await result(sending) + await result(third) == [None, None, None]
    assert opened.broker.restored == 1
    assert [(one["event"], one["routing_key"]) for one in opened.log.entries] == [
        ("a queue is missing: declaring it again", KEY)
    ]


async def test_a_closed_channel_is_no_refusal(opened: Setup) -> None:
    """A message whose channel closes is not counted as refused; it is sent again."""
    sending = opened.sending(sample(1))
    await opened.channel.sent(1)
    await opened.channel.answer(1, ChannelInvalidStateError())
    await opened.channel.sent(2)
    await opened.channel.answer(2)
    assert await result(sending) == [None]
    assert opened.counted("leadmail_publish_refusals_total", KEY) == 0


async def test_a_message_that_is_returned_twice_fails(opened: Setup) -> None:
    """If no queue takes a message even after declaring again, its caller learns what and where; later messages are sent."""
    sending = opened.sending(sample(1))
    await opened.channel.sent(1)
    await opened.channel.answer(1, returned())
    await opened.channel.sent(2)
    await opened.channel.answer(2, returned())
    (error,) = await result(sending)
    assert isinstance(error, UnroutableError)
    assert "leadmail.record.changed.v1" in str(error)
    assert repr(KEY) in str(error)
    assert opened.broker.restored == 1
    again = opened.sending(sample(2))
    await opened.channel.sent(3)
    await opened.channel.answer(3)
    assert await result(again) == [None]
    foreign = opened.sending(replace(sample(3), headers={}))
    await opened.channel.sent(4)
    await opened.channel.answer(4, returned())
    await opened.channel.sent(5)
    await opened.channel.answer(5, returned())
    assert [str(one) for one in await result(foreign)] == [f"no queue takes message at {KEY!r}"]
    assert opened.publisher._windows["leadmail", KEY].in_flight == 0


async def test_unconfirmed_messages_are_sent_on_the_next_channel(opened: Setup) -> None:
    """What a lost channel did not confirm is sent again in order; a late answer of the lost channel changes nothing."""
    sending = opened.sending(sample(1), sample(2), sample(3, routing_key="other"))
    await opened.channel.sent(3)
    lost = opened.channel
    await opened.broker.lose()
    assert opened.publisher._bytes_in_flight == 3
    await opened.channel.sent(3)
    await lost.answer(1)
    await lost.answer(2, refused())
    assert not sending.done()
    assert opened.counted("leadmail_publish_refusals_total", KEY) == 0
    for tag in (1, 2, 3):
        await opened.channel.answer(tag)
    assert await result(sending) == [None, None, None]
    assert opened.counted("leadmail_published_total", KEY) == 2
    assert [window.in_flight for window in opened.publisher._windows.values()] == [0, 0]


async def test_a_message_returned_after_its_channel_was_lost_is_not_given_up(opened: Setup) -> None:
    """Without a connection nothing can be declared: such a message fails, and its caller decides."""
    sending = opened.sending(sample(1))
    await opened.channel.sent(1)
    opened.publisher._connection = None
    await opened.channel.answer(1, returned())
    assert isinstance((await result(sending))[0], UnroutableError)
    assert opened.broker.restored == 0


async def test_closing_reports_what_is_not_confirmed(opened: Setup) -> None:
    """Waiting and unconfirmed messages fail, and a declaration that is under way ends."""
    opened.broker.may_restore.clear()
    sending, waiting = opened.sending(sample(1), sample(2)), opened.sending(sample(3, routing_key="other"))
    await opened.channel.sent(3)
    await opened.channel.answer(1, returned())
    restoring = opened.publisher._restoring
    assert restoring is not None
    await opened.broker.lose()
    await asyncio.wait_for(opened.publisher.close(), 5)
    assert restoring.done()
    results = await result(sending) + await result(waiting)
    assert {type(one) for one in results} == {BusClosedError}
    assert "was closed before the broker confirmed" in str(results[0])
    assert not any(window.waiting for window in opened.publisher._windows.values())
