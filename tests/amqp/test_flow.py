"""Publish windows, the batcher, periodic work, and what is logged about messages."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
import structlog

from schemas.errors import TransientError, UnroutableError
from schemas.messages import Lane as MailLane
from schemas.messages import MailFetched
from services.amqp.delivery.batcher import Batcher
from services.amqp.delivery.codec import Envelope
from services.amqp.delivery.incoming import IncomingMessage
from services.amqp.delivery.outcomes import Delivery, Done, Failed
from services.amqp.rabbitmq.acknowledgements import AckBatcher
from services.amqp.rabbitmq.publish_window import PublishGroup, PublishItem, PublishWindow
from services.runtime.logs import log_unhandled, setup_logs
from services.runtime.periodic import periodic
from services.runtime.settings import ProcessSettings
from services.runtime.tasks import cancel_and_wait
from tests.amqp.fixtures import FAST_ROUTES, RECORDS, Recorder, changed, completed, fetched, route, until
from tests.amqp.memory import MemoryBus

SECRET = "dear John, the password is hunter2"


class IgnoringSettler:
    """A settler that ignores acknowledgements."""

    async def ack(self, tags: Sequence[int]) -> None:
        """Do nothing."""


def incoming(tag: int, settler: Any = None) -> IncomingMessage:
    """Return a delivered message."""
    return IncomingMessage(
        {}, "application/json", b"", redelivered=False, tag=tag, settler=settler or IgnoringSettler()
    )


def unexpected(error: BaseException) -> None:
    """Fail the test with an unexpected error."""
    raise AssertionError from error


def item(group: PublishGroup) -> PublishItem:
    """Return a message to publish."""
    return PublishItem(Envelope("x", "k", {}, "", b""), group, 0)


async def test_a_refused_window_probes_and_reopens() -> None:
    """After a refusal a window pauses, then lets one message through at a time, and opens again as they are accepted."""
    window = PublishWindow(limit=8)
    group = PublishGroup(100)
    window.waiting.extend(item(group) for _ in range(100))

    def sent(now: float) -> int:
        count = 0
        while window.ready(now):
            window.take()
            count += 1
        return count

    assert sent(0.0) == 8
    pause = window.refused(item(group), now=0.0)
    assert pause is not None
    assert window.refused(item(group), now=pause / 2) is None
    assert len(window.waiting) == 94
    for _ in range(6):
        window.dropped()
    assert sent(pause / 2) == 0
    windows = []
    for _ in range(5):
        windows.append(sent(pause))
        for _ in range(windows[-1]):
            window.accepted()
    assert windows == [1, 2, 8, 8, 8]


async def test_pauses_grow_until_a_success() -> None:
    """The pauses of a window that is refused repeatedly grow to seconds, and are short again after a success."""
    window = PublishWindow()
    group = PublishGroup(2)
    window.waiting.append(item(group))
    now, pauses = 0.0, []
    for _ in range(12):
        pause = window.refused(window.take(), now)
        assert pause is not None
        pauses.append(pause)
        now += pause
    assert pauses[0] < 0.05
    assert 1 < pauses[-1] < 3
    window.take()
    window.accepted()
    window.waiting.append(item(group))
    pause = window.refused(window.take(), now)
    assert pause is not None
    assert pause < 0.05


async def test_a_pause_ends_with_its_timer() -> None:
    """A timer may fire slightly before the clock reaches the end of the pause. The window is then open, because no other timer follows."""
    window = PublishWindow()
    window.waiting.append(item(PublishGroup(1)))
    pause = window.refused(window.take(), now=0.0)
    assert pause is not None
    early = pause * 0.99
    assert not window.ready(early)
    window.resume()
    assert window.ready(early)


async def test_a_second_batch_fills_up_first() -> None:
    """With one batch in progress, another starts when it is full or its first message has waited, not at each message."""
    sizes: list[int] = []
    gate = asyncio.Event()

    async def process(batch: Sequence[IncomingMessage]) -> None:
        sizes.append(len(batch))
        await gate.wait()

    batcher = Batcher(process, size=3, concurrency=2, wait=0.05, failed=unexpected)
    batcher.put(incoming(1))
    await until(lambda: sizes == [1])
    batcher.put(incoming(2))
    batcher.put(incoming(3))
    await asyncio.sleep(0)
    assert sizes == [1]
    await until(lambda: sizes == [1, 2])
    gate.set()
    await until(lambda: batcher.running == 0)
    gate.clear()
    for tag in range(4):
        batcher.put(incoming(tag))
    await until(lambda: sizes == [1, 2, 1, 3])
    gate.set()
    assert await batcher.drain(5)


async def test_batches_that_are_not_eager_always_fill_up_first() -> None:
    """A single message waits for its full time. A full batch does not wait, nor does anything at the end of the work."""
    sizes: list[int] = []

    async def process(batch: Sequence[IncomingMessage]) -> None:
        sizes.append(len(batch))

    batcher = Batcher(process, size=3, concurrency=2, wait=0.05, eager=False, failed=unexpected)
    batcher.put(incoming(1))
    await asyncio.sleep(0)
    assert sizes == []
    await until(lambda: sizes == [1])
    patient = Batcher(process, size=3, concurrency=2, wait=3600.0, eager=False, failed=unexpected)
    for tag in range(4):
        patient.put(incoming(tag))
    await until(lambda: sizes == [1, 3])
    assert await patient.drain(5)
    assert sizes == [1, 3, 1]


async def test_waiting_messages_of_a_lost_channel_are_dropped() -> None:
    """Waiting messages of a closed channel are dropped, since the broker delivers them again; the rest is handled."""
    seen: list[int] = []
    gate = asyncio.Event()

    async def process(batch: Sequence[IncomingMessage]) -> None:
        seen.extend(message.tag for message in batch)
        await gate.wait()

    old, new = IgnoringSettler(), IgnoringSettler()
    batcher = Batcher(process, size=1, concurrency=1, failed=unexpected)
    for tag, settler in ((1, old), (2, old), (3, new), (4, old)):
        batcher.put(incoming(tag, settler))
    batcher.forget(old)
    gate.set()
    assert await batcher.drain(5)
    assert seen == [1, 3]


async def test_an_error_of_the_dispatcher_is_reported() -> None:
    """An error of the dispatcher itself is reported, and other messages are handled."""
    errors: list[BaseException] = []
    seen: list[int] = []

    async def process(batch: Sequence[IncomingMessage]) -> None:
        seen.append(batch[0].tag)
        if batch[0].tag == 1:
            raise ZeroDivisionError

    batcher = Batcher(process, size=1, concurrency=1, failed=errors.append)
    batcher.put(incoming(1))
    batcher.put(incoming(2))
    assert await batcher.drain(5)
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert seen == [1, 2]


class Channel:
    """Records acknowledgements as RabbitMQ interprets them: an unknown tag closes the channel there."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.frames = 0

    async def basic_ack(self, tag: int, *, multiple: bool = False, wait: bool = True) -> None:
        """Acknowledge."""
        assert tag in self.open, "PRECONDITION_FAILED - unknown delivery tag"
        self.frames += 1
        self.open -= {each for each in self.open if each <= tag} if multiple else {tag}


@pytest.mark.parametrize(
    ("steps", "frames"),
    [
        ([[1, 2, 3, 4, 5]], 1),
        ([[1], [2], [3], [4], [5]], 5),
        ([[3], [1, 2], [4, 5]], 3),
        ([[5, 4], [3, 2, 1]], 3),
        ([[2, 4], [1], [3], [5]], 5),
        ([[5], [1, 2, 3, 4]], 2),
    ],
)
async def test_acknowledgements_are_exact(steps: list[list[int]], frames: int) -> None:
    """In any order, exactly the finished messages are acknowledged, a whole prefix by one frame."""
    channel = Channel()
    settler = AckBatcher(channel)  # type: ignore[arg-type]
    for tag in range(1, 6):
        channel.open.add(tag)
        settler.delivered(tag)
    done: set[int] = set()
    for tags in steps:
        await settler.ack(tags)
        await settler.flushed()
        done |= set(tags)
        assert channel.open == set(range(1, 6)) - done
    assert channel.frames == frames


async def test_acknowledgements_of_one_iteration_are_joined() -> None:
    """Messages that finish in the same iteration of the event loop are acknowledged by one frame."""
    channel = Channel()
    settler = AckBatcher(channel)  # type: ignore[arg-type]
    for tag in range(1, 6):
        channel.open.add(tag)
        settler.delivered(tag)
    for tag in (2, 1, 3, 5):
        await settler.ack([tag])
    await settler.flushed()
    assert (channel.open, channel.frames) == ({4}, 2)


async def test_periodic_work_survives_errors() -> None:
    """A round that fails is logged without the error's text, and the next round follows."""
    rounds: list[int] = []

    async def work() -> None:
        rounds.append(1)
        raise ValueError(SECRET)

    with structlog.testing.capture_logs() as lines:
        task = asyncio.create_task(periodic("sweep", work, seconds=0.01, log=structlog.get_logger()))
        await until(lambda: len(rounds) >= 3)
        await cancel_and_wait(task)
    assert lines[0]["work"] == "sweep"
    assert lines[0]["error"].startswith("ValueError at ")
    assert "hunter2" not in str(lines)


async def test_periodic_work_takes_no_more_than_its_share_of_the_time() -> None:
    """A long round is followed by a proportionally longer pause."""
    loop = asyncio.get_running_loop()
    began: list[float] = []

    async def work() -> None:
        began.append(loop.time())
        await asyncio.sleep(0.05)

    task = asyncio.create_task(periodic("slow", work, seconds=0.001, share=0.25, log=structlog.get_logger()))
    await until(lambda: len(began) == 3)
    task.cancel()
    assert began[2] - began[0] >= 2 * (0.05 + 0.9 * 0.15)


async def test_periodic_work_can_be_woken() -> None:
    """Setting the event starts a round at once, and only one."""
    rounds: list[int] = []

    async def work() -> None:
        rounds.append(1)

    wake = asyncio.Event()
    task = asyncio.create_task(
        periodic("sweep", work, seconds=600, log=structlog.get_logger(), at_once=False, wake=wake)
    )
    await asyncio.sleep(0)
    assert rounds == []
    wake.set()
    await until(lambda: rounds == [1])
    await asyncio.sleep(0)
    assert not wake.is_set()
    task.cancel()


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("auto", True), ("console", False)])
def test_log_lines(form: Any, is_json: bool) -> None:
    """Logs are JSON unless a person reads them, and each line has its stage, also a library's warning."""
    output = io.StringIO()
    log = setup_logs(ProcessSettings(log_format=form, instance="one"), "parser", output)
    log.debug("not at this level")
    log.info("started", port=5)
    logging.getLogger("library").warning("careful %s", "now")
    lines = output.getvalue().splitlines()
    assert len(lines) == 2
    if is_json:
        first, second = map(json.loads, lines)
        assert (first["event"], first["stage"], first["instance"], first["level"], first["port"]) == (
            "started",
            "parser",
            "one",
            "info",
            5,
        )
        assert (second["event"], second["level"]) == ("careful now", "warning")
    else:
        assert "started" in lines[0]
        assert not lines[0].startswith("{")
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


async def test_exceptions_in_logs_quote_nothing() -> None:
    """A logged exception is its type and its traceback, whether our code, a library or the event loop logs it."""
    output = io.StringIO()
    log = setup_logs(ProcessSettings(log_format="json"), "parser", output)
    log_unhandled(log)

    async def stumble() -> None:
        secret = SECRET
        raise ValueError(secret)

    try:
        await stumble()
    except ValueError as error:
        log.exception("ours")
        log.error("ours too", exc_info=error)  # noqa: TRY400
        logging.getLogger("library").exception("theirs")
    task = asyncio.create_task(stumble())
    await asyncio.wait([task])
    del task
    gc.collect()
    await until(lambda: len(output.getvalue().splitlines()) == 4)
    text = output.getvalue()
    for line in map(json.loads, text.splitlines()):
        assert line["error"].startswith("ValueError at test_flow.py")
        assert "in stumble" in line["trace"]
    assert "hunter2" not in text
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


async def test_no_mail_in_logs() -> None:
    """The log of a failing mail has its id and the attempt, and none of its content, even if the error quotes it."""
    bus = MemoryBus(routes=FAST_ROUTES)

    async def stumble(_: Delivery[Any]) -> Sequence[Any]:
        raise ValueError(SECRET)

    with structlog.testing.capture_logs() as lines:
        await bus.consume(route(MailFetched, MailLane.LIVE), stumble)
        await bus.publish(fetched(1), SECRET.encode())
        with pytest.raises(ValueError, match="hunter2"):
            await bus.join()
    await bus.close()
    assert any(fetched(1).id in line.get("ids", ()) for line in lines)
    assert "hunter2" not in str(lines)


async def test_memory_bus_shows_the_handlers_error() -> None:
    """``join`` raises a handler's unexpected error, and otherwise returns once everything was handled."""
    bus = MemoryBus(routes=FAST_ROUTES)
    seen = Recorder()
    await bus.consume(RECORDS, seen)
    await bus.publish(changed(1))
    await bus.join()
    assert seen.ids == ["record-1"]
    assert bus.published == [changed(1)]

    async def bug(_: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        return []

    await bus.stop_consuming()
    await bus.consume_batches(RECORDS, bug, size=2)
    await bus.publish(changed(2))
    with pytest.raises(RuntimeError, match="one outcome per message"):
        await bus.join()
    await bus.close()


async def test_memory_bus_refuses_unroutable_messages() -> None:
    """A message that no queue of the topology takes is unroutable in memory, too."""
    bus = MemoryBus(routes=[RECORDS])
    with pytest.raises(UnroutableError):
        await bus.publish(completed(1))
    await bus.close()


async def test_slow_handler_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that hangs is stopped and its message retried, long before the broker takes it back."""
    monkeypatch.setattr("services.amqp.delivery.dispatch.HANDLING_SECONDS", 0.05)
    attempts: list[int] = []

    async def hang_once(delivery: Delivery[Any]) -> Sequence[Any]:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            await asyncio.Event().wait()
        return ()

    bus = MemoryBus(routes=FAST_ROUTES)
    await bus.consume(RECORDS, hang_once)
    await bus.publish(changed(1))
    await asyncio.wait_for(bus.join(), 5)
    await bus.close()
    assert attempts == [1, 2]


async def test_failure_of_a_batch_is_one_line() -> None:
    """A hundred messages that fail for the same reason are one log line with their number."""
    bus = MemoryBus(delay_scale=1000, routes=FAST_ROUTES)

    async def away(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        raise TransientError("the database is away")

    await bus.publish_many([(changed(number), None) for number in range(101)])
    with structlog.testing.capture_logs() as lines:
        await bus.consume_batches(RECORDS, away, size=100)
        await until(lambda: any(line["event"] == "message failed" for line in lines))
    await bus.close()
    failures = [line for line in lines if line["event"] == "message failed"]
    assert [(line["count"], len(line["ids"])) for line in failures] == [(1, 1), (100, 5)]
