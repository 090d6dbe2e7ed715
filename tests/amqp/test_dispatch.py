"""When the dispatcher acknowledges: only after the broker has confirmed everything that follows from a message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture
from structlog.typing import FilteringBoundLogger

from schemas.errors import BusClosedError, TransientError, UnroutableError
from schemas.messages import Event
from schemas.routes import EXCHANGE
from services.amqp.delivery import codec, dispatch
from services.amqp.delivery.codec import Envelope
from services.amqp.delivery.dispatch import Dispatcher, one_by_one
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.delivery.outcomes import Delivery, Done, Failed, HandleBatch
from services.amqp.delivery.trace_context import PARENT, UNTRACED, TraceContext
from services.runtime.metrics import Metrics
from tests.amqp.fixtures import LOG, RECORDS, changed, completed, mailbox_changed


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
        self.calls = 0
        self.asked, self.confirms = asyncio.Event(), asyncio.Event()
        self.confirms.set()

    async def send(self, envelopes: Sequence[Envelope]) -> list[Exception | None]:
        """Answer once the broker confirms."""
        self.sent += envelopes
        self.calls += 1
        self.asked.set()
        await self.confirms.wait()
        return [self._published if each.exchange == EXCHANGE else self._returned for each in envelopes]


async def announce(delivery: Delivery[Any]) -> Sequence[Event]:
    """Handle a message by publishing another."""
    return [completed(delivery.attempt)]


def dispatcher(broker: Broker, handle: HandleBatch | None = None, log: FilteringBoundLogger = LOG) -> Dispatcher:
    """Return a dispatcher of record changes."""
    metrics = Metrics("test").queue(RECORDS.queue)
    return Dispatcher(
        RECORDS, handle or one_by_one(announce), send=broker.send, source="/leadmail/test", metrics=metrics, log=log
    )


def captured() -> tuple[LogCapture, FilteringBoundLogger]:
    """Return a log, and what is written to it."""
    lines = LogCapture()
    return lines, structlog.wrap_logger(
        structlog.PrintLogger(), processors=[lines], wrapper_class=structlog.make_filtering_bound_logger(logging.INFO)
    )


def incoming(settler: Acks, tag: int = 1, context: TraceContext = UNTRACED) -> IncomingMessage:
    """Return a delivered message."""
    envelope = codec.encode(changed(tag), None, source="/leadmail/test", context=context)
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


TRACED = {PARENT: f"00-{'1' * 32}-{'2' * 16}-01"}


async def test_a_handler_that_returns_too_few_outcomes_is_retried() -> None:
    """No message is lost when a handler forgets one: all are retried, as for any bug."""

    async def forget(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        return [Done()] * (len(deliveries) - 1)

    broker, acks = Broker(), Acks()
    await dispatcher(broker, forget).process([incoming(acks, 1), incoming(acks, 2)])
    assert acks.tags == [1, 2]
    assert [each.body for each in broker.sent] == [incoming(acks, tag).body for tag in (1, 2)]
    assert all(each.exchange != EXCHANGE for each in broker.sent)


async def test_a_handler_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time limit ends a handler, its messages are retried, and the error says why."""
    monkeypatch.setattr(dispatch, "HANDLING_SECONDS", 0.01)

    async def hang(_: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        await asyncio.Event().wait()
        raise AssertionError

    broker, acks = Broker(), Acks()
    await dispatcher(broker, hang).process([incoming(acks)])
    (retry,) = broker.sent
    assert retry.headers[codec.ERROR] == "TransientError: handling took longer than 0 s"
    assert acks.tags == [1]


async def test_what_follows_belongs_to_the_same_trace() -> None:
    """A published message carries the trace of the message that it follows from."""
    broker, acks = Broker(), Acks()
    await dispatcher(broker).process([incoming(acks, context=TRACED)])
    assert [each.headers[PARENT] for each in broker.sent] == [TRACED[PARENT]]


async def test_one_refused_message_of_several_fails_its_cause() -> None:
    """A message is retried when any of the messages that follow from it is refused, and no other message of the batch is."""

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        return [Done([completed(1), mailbox_changed(1)]), Done([completed(2)]), Done()]

    class Refusing(Broker):
        async def send(self, envelopes: Sequence[Envelope]) -> list[Exception | None]:
            await super().send(envelopes)
            kinds = [each.headers[codec.TYPE] for each in envelopes]
            return [UnroutableError("no queue") if "mailbox" in kind else None for kind in kinds]

    broker, acks = Refusing(), Acks()
    await dispatcher(broker, handle).process([incoming(acks, tag) for tag in (1, 2, 3)])
    assert acks.tags == [1, 2, 3]
    assert [each.body for each in broker.sent if each.exchange != EXCHANGE] == [incoming(acks, 1).body]


async def test_a_result_that_is_too_large_fails_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message whose result cannot be sent at all goes to the dead letters; nothing of it is published."""
    broker, acks = Broker(), Acks()
    message = incoming(acks)
    monkeypatch.setattr(codec, "MAX_BODY", 10)
    await dispatcher(broker).process([message])
    (dead,) = broker.sent
    assert dead.headers[codec.REASON] == "message-too-large"
    assert acks.tags == [1]


async def test_failures_are_logged() -> None:
    """A retried message is a warning with its id; one that cannot even be retried an error."""

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        return [Failed(TransientError("the server is busy")), Done(), Failed(BusClosedError("closed"))]

    lines, log = captured()
    broker, acks = Broker(), Acks()
    await dispatcher(broker, handle, log).process([incoming(acks, tag) for tag in (1, 2, 3)])
    assert acks.tags == [1, 2]
    assert ("message failed", ["record-1"]) in [(line["event"], line["ids"]) for line in lines.entries]
    stuck, log = captured()
    await dispatcher(Broker(returned=UnroutableError("no queue")), handle, log).process(
        [incoming(acks, tag) for tag in (4, 5, 6)]
    )
    assert acks.tags == [1, 2, 5]
    last = stuck.entries[-1]
    assert (last["event"], last["ids"], last["count"]) == ("failed messages stay unacknowledged", ["record-4"], 1)
    assert "no queue" in last["error"]


async def test_nothing_is_sent_back_when_nothing_failed() -> None:
    """The broker is asked once, for what the handlers returned; nothing is logged."""
    lines, log = captured()
    broker, acks = Broker(), Acks()
    await dispatcher(broker, log=log).process([incoming(acks)])
    assert (broker.calls, lines.entries) == (1, [])
