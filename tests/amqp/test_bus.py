"""What every bus guarantees, on the real broker and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pymongo.errors import ServerSelectionTimeoutError

from schemas.errors import PermanentError, TransientError
from schemas.messages import Lane, MailboxChanged, MailFetched
from services.amqp.delivery.outcomes import DeadLetterDelivery, Delivery, Done, Failed
from tests.amqp.fixtures import (
    RECORDS,
    SYNCS,
    AnyBus,
    DeadRecorder,
    Recorder,
    changed,
    completed,
    fetched,
    mailbox_changed,
    route,
    until,
    until_depth,
)

SECRET = "the body of a private mail"


async def test_message_arrives(bus: AnyBus) -> None:
    """A published message is delivered once, as attempt 1, and leaves its queue."""
    seen = Recorder()
    await bus.consume(RECORDS, seen)
    await bus.publish(changed(1))
    await until(lambda: seen.deliveries)
    (delivery,) = seen.deliveries
    assert delivery.message == changed(1)
    assert (delivery.attempt, delivery.redelivered, delivery.queue) == (1, False, RECORDS.queue)
    assert await bus.stop_consuming(5)
    assert (await bus.queue_depths())[RECORDS.queue].ready == 0


async def test_raw_mail_travels_as_the_body(bus: AnyBus) -> None:
    """A fetched mail arrives byte for byte beside its fields, and each lane has its own queue."""
    raw = bytes(range(256)) * 1200  # more than one AMQP frame
    live, backfill = Recorder(), Recorder()
    await bus.consume(route(MailFetched, Lane.LIVE), live)
    await bus.consume(route(MailFetched, Lane.BACKFILL), backfill)
    await bus.publish_many([(fetched(1), raw), (fetched(2, Lane.BACKFILL), b"")])
    await until(lambda: live.deliveries and backfill.deliveries)
    assert (live.deliveries[0].message, live.deliveries[0].body) == (fetched(1), raw)
    assert (backfill.deliveries[0].message, backfill.deliveries[0].body) == (fetched(2, Lane.BACKFILL), b"")


async def test_handler_publishes(bus: AnyBus) -> None:
    """What a handler returns is published."""

    async def follow(delivery: Delivery[Any]) -> Sequence[Any]:
        return [completed(int(delivery.message.record, 16))]

    end = Recorder()
    await bus.consume(SYNCS, end)
    await bus.consume(RECORDS, Recorder(follow))
    await bus.publish(changed(7))
    await until(lambda: end.deliveries)
    assert end.deliveries[0].message == completed(7)


async def test_transient_errors_are_retried(bus: AnyBus) -> None:
    """A message that fails comes back unchanged after its route's delay, with an increasing attempt, until it succeeds."""

    async def fail_twice(delivery: Delivery[Any]) -> Sequence[Any]:
        if delivery.attempt < 3:
            raise TransientError("not yet")
        return ()

    seen = Recorder(fail_twice)
    await bus.consume(RECORDS, seen)
    started = asyncio.get_running_loop().time()
    await bus.publish(changed(1))
    await until(lambda: len(seen.deliveries) == 3)
    assert asyncio.get_running_loop().time() - started >= 0.2
    assert [delivery.attempt for delivery in seen.deliveries] == [1, 2, 3]
    assert {delivery.message.id for delivery in seen.deliveries} == {"record-1"}
    assert await bus.stop_consuming(5)
    assert sum(depth.ready for depth in (await bus.queue_depths()).values()) == 0


async def test_a_message_out_of_retries_is_a_dead_letter(bus: AnyBus) -> None:
    """After the last retry a message is a dead letter that says where, why and after how many attempts it failed."""

    async def fail(_: Delivery[Any]) -> Sequence[Any]:
        raise TransientError("the server is busy")

    seen, dead = Recorder(fail), DeadRecorder()
    await bus.consume(RECORDS, seen)
    await bus.consume_dead(dead)
    await bus.publish(changed(1))
    await until(lambda: dead.letters)
    (letter,) = dead.letters
    assert len(seen.deliveries) == 4
    assert (letter.queue, letter.reason, letter.attempt) == (RECORDS.queue, "retries-exhausted", 4)
    assert letter.error == "TransientError: the server is busy"
    assert letter.message == changed(1)


async def test_a_permanent_error_is_not_retried(bus: AnyBus) -> None:
    """A permanent error uses no retry; its reason is kept."""

    async def refuse(_: Delivery[Any]) -> Sequence[Any]:
        raise PermanentError("parser-died", "out of memory")

    seen, dead = Recorder(refuse), DeadRecorder()
    await bus.consume(RECORDS, seen)
    await bus.consume_dead(dead)
    await bus.publish(changed(1))
    await until(lambda: dead.letters)
    assert len(seen.deliveries) == 1
    assert (dead.letters[0].reason, dead.letters[0].attempt) == ("parser-died", 1)


async def test_a_bug_is_retried_and_its_text_is_dropped(bus: AnyBus) -> None:
    """An unexpected error is retried within the budget; its text, which may quote mail, is written nowhere."""

    async def stumble(_: Delivery[Any]) -> Sequence[Any]:
        raise ValueError(SECRET)

    seen, dead = Recorder(stumble), DeadRecorder()
    await bus.consume(RECORDS, seen)
    await bus.consume_dead(dead)
    await bus.publish(changed(1))
    await until(lambda: dead.letters)
    assert len(seen.deliveries) == 4
    assert dead.letters[0].error.startswith("ValueError at ")
    assert SECRET not in str(dead.letters[0])


async def test_an_outage_uses_no_attempt(bus: AnyBus) -> None:
    """While the database is down, messages are retried without using up their attempts."""
    away = True

    async def needs_database(_: Delivery[Any]) -> Sequence[Any]:
        if away:
            raise ServerSelectionTimeoutError("no primary")
        return ()

    seen = Recorder(needs_database)
    await bus.consume(RECORDS, seen)
    await bus.publish(changed(1))
    await until(lambda: len(seen.deliveries) == 6)
    away = False
    count = len(seen.deliveries)
    await until(lambda: len(seen.deliveries) > count)
    assert {delivery.attempt for delivery in seen.deliveries} == {1}


async def test_an_undecodable_message_is_a_dead_letter(bus: AnyBus) -> None:
    """A message that is not ours never reaches the handler; it becomes a dead letter with its body."""
    seen, dead = Recorder(), DeadRecorder()
    await bus.consume(RECORDS, seen)
    await bus.consume_dead(dead)
    good = {"ce-id": "x", "ce-type": "leadmail.record.changed.v1", "content-type": "application/json"}
    await bus.replay(RECORDS.queue, b"not json", good)
    await bus.replay(RECORDS.queue, b"{}", {"ce-id": "x", "ce-type": "someone.else"})
    await bus.replay(
        RECORDS.queue,
        b'{"account":"%s","epoch":1}' % b"0123456789abcdef01234567",
        good | {"ce-type": "leadmail.sync.completed.v1"},
    )
    await bus.publish(changed(1))
    await until(lambda: len(dead.letters) == 3 and seen.deliveries)
    assert {letter.reason for letter in dead.letters} == {"undecodable"}
    assert b"not json" in {letter.body for letter in dead.letters if letter.message is None}
    assert seen.ids == ["record-1"]


async def test_each_message_of_a_batch_has_its_own_outcome(bus: AnyBus) -> None:
    """In a batch each message has its own outcome: done and published, retried, or dead."""
    attempts: dict[str, int] = {}

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        outcomes: list[Done | Failed] = []
        for delivery in deliveries:
            attempts[delivery.message.id] = delivery.attempt
            number = int(delivery.message.record, 16)
            if number == 2 and delivery.attempt == 1:
                outcomes.append(Failed(TransientError("later")))
            elif number == 3:
                outcomes.append(Failed(PermanentError("bad")))
            else:
                outcomes.append(Done([completed(number)]))
        return outcomes

    end, dead = Recorder(), DeadRecorder()
    await bus.publish_many([(changed(number), None) for number in range(1, 6)])
    await bus.consume(SYNCS, end)
    await bus.consume_dead(dead)
    await bus.consume_batches(RECORDS, handle, size=10)
    await until(lambda: len(end.deliveries) == 4 and dead.letters)
    assert sorted(end.ids) == ["sync-1", "sync-2", "sync-4", "sync-5"]
    assert attempts == {"record-1": 1, "record-2": 2, "record-3": 1, "record-4": 1, "record-5": 1}
    assert [letter.message for letter in dead.letters] == [changed(3)]


async def test_a_batch_handler_that_raises_fails_the_batch(bus: AnyBus) -> None:
    """When a batch handler raises, every message of the batch is retried."""
    calls: list[list[str]] = []

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        calls.append([delivery.message.id for delivery in deliveries])
        if all(delivery.attempt == 1 for delivery in deliveries):
            raise TransientError("all of it")
        return [Done()] * len(deliveries)

    await bus.publish_many([(changed(number), None) for number in range(3)])
    await bus.consume_batches(RECORDS, handle, size=10)
    await until(lambda: sum(map(len, calls)) == 6)
    assert sorted(each for call in calls for each in call) == sorted(["record-0", "record-1", "record-2"] * 2)


async def test_batches_accumulate_while_busy(bus: AnyBus) -> None:
    """The first message on an idle queue is handled at once; messages that arrive meanwhile form the next batch, up to its size."""
    sizes: list[int] = []
    gate = asyncio.Event()

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        sizes.append(len(deliveries))
        await gate.wait()
        return [Done()] * len(deliveries)

    consumer = await bus.consume_batches(RECORDS, handle, size=10, wait=5)
    await bus.publish(changed(0))
    await until(lambda: sizes == [1], seconds=2)
    await bus.publish_many([(changed(number), None) for number in range(1, 16)])
    await until_depth(bus, RECORDS.queue, 0)
    gate.set()
    await until(lambda: sum(sizes) == 16)
    assert sizes == [1, 10, 5]
    assert await consumer.stop(5)


async def test_stop_lets_work_finish(bus: AnyBus) -> None:
    """A stopped consumer finishes and settles the messages in progress and takes no new ones."""
    gate = asyncio.Event()

    async def slowly(_: Delivery[Any]) -> Sequence[Any]:
        await gate.wait()
        return [completed(1)]

    seen = Recorder(slowly)
    consumer = await bus.consume(RECORDS, seen, prefetch=1)
    await bus.publish(changed(1))
    await until(lambda: seen.deliveries)
    stopping = asyncio.create_task(consumer.stop(10))
    await asyncio.sleep(0)
    await bus.publish(changed(2))
    gate.set()
    assert await stopping is True
    depths = await bus.queue_depths()
    assert seen.ids == ["record-1"]
    assert (depths[RECORDS.queue].ready, depths[SYNCS.queue].ready) == (1, 1)


async def test_stop_returns_messages_after_the_grace_period(bus: AnyBus) -> None:
    """Messages that are not finished within the grace period are cancelled and delivered again, as the same attempt."""
    cancelled = asyncio.Event()

    async def hang(_: Delivery[Any]) -> Sequence[Any]:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ()

    seen = Recorder(hang)
    consumer = await bus.consume(RECORDS, seen)
    await bus.publish(changed(1))
    await until(lambda: seen.deliveries)
    assert await consumer.stop(0.05) is False
    assert cancelled.is_set()
    again = Recorder()
    await bus.consume(RECORDS, again)
    await until(lambda: again.deliveries)
    assert (again.deliveries[0].redelivered, again.deliveries[0].attempt) == (True, 1)


async def test_lost_consumer_redelivers(bus: AnyBus) -> None:
    """Messages that a lost consumer was processing are delivered to the next one."""

    async def hang(_: Delivery[Any]) -> Sequence[Any]:
        await asyncio.Event().wait()
        return ()

    first, second = Recorder(hang), Recorder()
    consumer = await bus.consume(RECORDS, first)
    await bus.publish_many([(changed(number), None) for number in range(5)])
    await until(lambda: len(first.deliveries) == 5)
    await consumer.abandon()
    await bus.consume(RECORDS, second)
    await until(lambda: len(second.deliveries) == 5)
    assert sorted(second.ids) == sorted(first.ids)
    assert all(delivery.redelivered for delivery in second.deliveries)


async def test_a_dead_letter_is_offered_until_it_is_stored(bus: AnyBus) -> None:
    """A dead letter that could not be stored is offered again until it is."""
    offers: list[DeadLetterDelivery] = []

    async def keep(letter: DeadLetterDelivery) -> None:
        offers.append(letter)
        if len(offers) < 3:
            raise ServerSelectionTimeoutError("no primary")

    async def refuse(_: Delivery[Any]) -> Sequence[Any]:
        raise PermanentError("bad")

    await bus.consume(RECORDS, refuse)
    await bus.consume_dead(keep)
    await bus.publish(changed(1))
    await until(lambda: len(offers) == 3)
    assert await bus.stop_consuming(5)
    assert (await bus.queue_depths())["leadmail.dead-letters"].ready == 0


async def test_replay_is_a_first_attempt(bus: AnyBus) -> None:
    """A replayed dead letter is the same message in the same queue, with all its attempts left."""
    broken = True

    async def handle(_: Delivery[Any]) -> Sequence[Any]:
        if broken:
            raise PermanentError("bad")
        return ()

    raw = b"Subject: x\r\n\r\nx"
    seen, dead = Recorder(handle), DeadRecorder()
    await bus.consume(route(MailFetched, Lane.LIVE), seen)
    await bus.consume_dead(dead)
    await bus.publish(fetched(1), raw)
    await until(lambda: dead.letters)
    broken = False
    letter = dead.letters[0]
    await bus.replay(letter.queue, letter.body, letter.headers)
    await until(lambda: len(seen.deliveries) == 2)
    again = seen.deliveries[1]
    assert (again.message, again.body, again.attempt) == (fetched(1), raw, 1)


async def test_publish_many_returns_each_result_in_order(bus: AnyBus) -> None:
    """``publish_many`` returns the result of each message in its place: one that is too large fails alone."""
    items = [(fetched(1), b"x"), (fetched(2), bytes(9 * 1024 * 1024)), (fetched(3), b"x")]
    results = await bus.publish_many(items)
    assert [type(result) for result in results] == [type(None), PermanentError, type(None)]
    await until_depth(bus, route(MailFetched, Lane.LIVE).queue, 2)


async def test_queue_depths(bus: AnyBus) -> None:
    """Every queue of the system has a depth: its waiting messages and its consumers."""
    await bus.publish_many([(mailbox_changed(number), None) for number in range(3)])
    await bus.consume(RECORDS, Recorder())
    depths = await bus.queue_depths()
    assert depths[route(MailboxChanged).queue].ready == 3
    assert (depths[RECORDS.queue].ready, depths[RECORDS.queue].consumers) == (0, 1)
    assert "leadmail.dead-letters" in depths


async def test_ready_while_open(bus: AnyBus) -> None:
    """An open bus is ready, a closed one is not."""
    assert await bus.ready()
    await bus.close()
    assert not await bus.ready()
