"""Spans of messages: their parents, their attributes, and what happens if nothing is traced."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from prometheus_client import CollectorRegistry

from schemas.errors import PermanentError, TransientError
from schemas.messages import RecordChanged
from schemas.routes import isolated_queue
from services.amqp.delivery import codec
from services.amqp.delivery.codec import Envelope
from services.amqp.delivery.dispatch import Dispatcher, one_by_one
from services.amqp.delivery.outcomes import Delivery, Done, Failed
from services.amqp.delivery.trace_context import UNTRACED, context_of, is_unsampled, trace_id
from services.amqp.delivery.tracing import Tracing
from services.amqp.rabbitmq.poison_isolation import PoisonIsolation
from services.runtime.logs import setup_logs
from services.runtime.metrics import Metrics
from services.runtime.settings import ProcessSettings
from tests.amqp.fixtures import FAST_ROUTES, NOW, RECORDS, SYNCS, DeadRecorder, Recorder, changed, completed, fetched
from tests.amqp.memory import MemoryBus

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
RECORDED = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}
LEFT_OUT = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
SECRET = "jane.doe@private.example"


class TracedBus:
    """A bus with tracing, and the spans that it made."""

    def __init__(self, share: float = 1.0) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(share)))
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)
        self.bus = MemoryBus(routes=FAST_ROUTES, tracing=self.tracing)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The recorded spans, in order of their start."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, start: str) -> list[ReadableSpan]:
        """Return the spans whose names start with a text."""
        return [span for span in self.spans if span.name.startswith(start)]


def said(span: ReadableSpan) -> Mapping[str, Any]:
    """Return the attributes and events of a span."""
    return span.attributes or {}


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    """Whether a span follows from another."""
    return span.parent is not None and parent.context is not None and span.parent.span_id == parent.context.span_id


async def announce(delivery: Delivery[RecordChanged]) -> Sequence[Any]:
    """Handle a message by publishing another."""
    return [completed(int(delivery.message.record, 16))]


async def test_a_trace_goes_through_the_queues() -> None:
    """What a handler publishes belongs to the trace of the message that it handled, hop after hop, by the messaging conventions."""
    watched = TracedBus()
    await watched.bus.consume(RECORDS, announce)
    await watched.bus.consume(SYNCS, Recorder())
    await watched.bus.publish(changed(1))
    await watched.bus.join()
    names = [
        "publish leadmail:record.changed.v1",
        "process leadmail:record.changed.v1:matcher.record-changed",
        "publish leadmail:sync.completed.v1",
        "process leadmail:sync.completed.v1:notifier.sync-completed",
    ]
    assert [span.name for span in watched.spans] == names
    first, *others = watched.spans
    assert first.parent is None
    assert all(is_child(span, before) for before, span in zip(watched.spans, others, strict=False))
    assert [span.kind for span in watched.spans] == [SpanKind.PRODUCER, SpanKind.CONSUMER] * 2
    assert said(watched.spans[3]) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "leadmail:sync.completed.v1:notifier.sync-completed",
        "messaging.rabbitmq.destination.routing_key": "sync.completed.v1",
        "messaging.message.body.size": len(completed(1).model_dump_json(exclude={"id"})),
        "leadmail.attempt": 1,
        "leadmail.batch_messages": 1,
        "leadmail.outcome": "done",
    }
    assert said(first)["messaging.operation.type"] == "send"


async def test_a_retried_message_keeps_its_trace() -> None:
    """Each attempt is a span of the same trace, with the same parent and its own outcome."""
    watched = TracedBus()

    async def fail_once(delivery: Delivery[Any]) -> Sequence[Any]:
        if delivery.attempt == 1:
            raise TransientError(SECRET)
        return ()

    await watched.bus.consume(RECORDS, fail_once)
    await watched.bus.publish(changed(1))
    await watched.bus.join()
    sent, first, second = watched.spans
    assert is_child(first, sent)
    assert is_child(second, sent)
    assert (said(first)["leadmail.attempt"], said(first)["leadmail.outcome"]) == (1, "retried")
    assert said(first)["error.type"] == "TransientError"
    assert not first.status.is_ok
    assert (said(second)["leadmail.attempt"], said(second)["leadmail.outcome"]) == (2, "done")
    assert SECRET not in "".join(span.to_json() for span in watched.spans)


async def test_a_dead_letter_keeps_its_trace() -> None:
    """The trace contains the death of the message, its storage, and the outcome of its replay."""
    watched = TracedBus()
    recorder, letters = Recorder(), DeadRecorder()

    async def refuse(delivery: Delivery[Any]) -> Sequence[Any]:
        await recorder(delivery)
        if len(recorder.deliveries) == 1:
            raise PermanentError("bad", SECRET)
        return ()

    await watched.bus.consume(RECORDS, refuse)
    await watched.bus.consume_dead(letters)
    await watched.bus.publish(changed(1))
    await watched.bus.join()
    (letter,) = letters.letters
    await watched.bus.replay(letter.queue, letter.body, letter.headers)
    await watched.bus.join()
    sent, died, kept, again = watched.spans
    assert all(is_child(span, sent) for span in (died, kept, again))
    assert (said(died)["leadmail.outcome"], said(died)["leadmail.reason"]) == ("dead", "bad")
    assert (kept.name, said(kept)["leadmail.reason"]) == ("process leadmail.dead-letters", "bad")
    assert said(again)["leadmail.outcome"] == "done"
    assert SECRET not in "".join(span.to_json() for span in watched.spans)


async def test_a_message_without_context_starts_one_trace() -> None:
    """A message from a sender that traces nothing starts a trace where it is handled; its retry belongs to that trace."""
    watched = TracedBus()
    sent = codec.encode(changed(1), None, source="/leadmail/cli")

    async def fail_once(delivery: Delivery[Any]) -> Sequence[Any]:
        if delivery.attempt == 1:
            raise TransientError("later")
        return ()

    await watched.bus.consume(RECORDS, fail_once)
    await watched.bus.replay(RECORDS.queue, sent.body, sent.headers)
    await watched.bus.join()
    first, second = watched.spans
    assert first.parent is None
    assert is_child(second, first)


async def test_each_message_of_a_batch_has_its_own_trace() -> None:
    """A batch has one span per message, in the trace of that message, also if another message of the batch fails."""
    watched = TracedBus()

    async def handle(deliveries: Sequence[Delivery[Any]]) -> Sequence[Done | Failed]:
        return [
            Failed(PermanentError("bad")) if delivery.message.id == "record-2" else Done([completed(number)])
            for number, delivery in enumerate(deliveries)
        ]

    await watched.bus.publish_many([(changed(number), None) for number in (1, 2, 3)])
    await watched.bus.consume_batches(RECORDS, handle, size=3, wait=5.0, eager=False)
    await watched.bus.join()
    sent, handled = watched.named("publish leadmail:record"), watched.named("process leadmail:record")
    assert len({span.context.trace_id for span in sent if span.context}) == 3
    assert all(is_child(after, before) for before, after in zip(sent, handled, strict=True))
    assert [said(span)["leadmail.outcome"] for span in handled] == ["done", "dead", "done"]
    assert {said(span)["leadmail.batch_messages"] for span in handled} == {3}
    announced = watched.named("publish leadmail:sync")
    assert all(is_child(after, before) for before, after in zip((handled[0], handled[2]), announced, strict=True))


async def test_an_unsampled_trace_stays_unsampled() -> None:
    """Sampling is decided once, where the trace starts; later stages neither record nor decide again."""
    none, all_of_it = TracedBus(share=0.0), TracedBus(share=1.0)
    recorder = Recorder()
    await none.bus.consume(RECORDS, recorder)
    await none.bus.publish(changed(1))
    await none.bus.join()
    context = recorder.deliveries[0].context
    assert is_unsampled(context)
    assert trace_id(context) is None
    await all_of_it.bus.consume(RECORDS, announce)
    last = Recorder()
    await all_of_it.bus.consume(SYNCS, last)
    await all_of_it.bus.publish_many([(changed(1), None)], contexts=[context])
    await all_of_it.bus.join()
    assert none.spans == all_of_it.spans == []
    assert last.deliveries[0].context == context


async def test_a_stage_without_tracing_passes_the_context_on() -> None:
    """A stage without a collector is a gap in a trace, not its end: messages, retries and dead letters keep the headers."""
    bus = MemoryBus(routes=FAST_ROUTES)
    last = Recorder()
    await bus.consume(RECORDS, announce)
    await bus.consume(SYNCS, last)
    await bus.publish_many([(changed(1), None), (changed(2), None)], contexts=[RECORDED, UNTRACED])
    await bus.join()
    assert [dict(delivery.context) for delivery in last.deliveries] == [RECORDED, {}]


@pytest.mark.parametrize(
    ("headers", "context"),
    [
        (RECORDED, RECORDED),
        ({**RECORDED, "tracestate": "x" * 513}, {"traceparent": RECORDED["traceparent"]}),
        ({**RECORDED, "tracestate": 7}, {"traceparent": RECORDED["traceparent"]}),
        ({"tracestate": "vendor=1"}, {}),
        ({"traceparent": SECRET}, {}),
        ({"traceparent": RECORDED["traceparent"] + "\n"}, {}),
        ({"traceparent": RECORDED["traceparent"].encode()}, {}),
        ({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, {}),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, {}),
        ({"traceparent": f"ff-{TRACE}-{SPAN}-01"}, {}),
    ],
)
def test_a_malformed_context_is_dropped(headers: dict[str, Any], context: dict[str, str]) -> None:
    """A header that is not in W3C's form is ignored: no one can put text into headers, logs or traces that way."""
    assert dict(context_of(headers)) == context


def test_the_sampled_bit_decides() -> None:
    """Log lines name only traces that are recorded; other bits of the flags do not matter."""
    assert trace_id(RECORDED) == TRACE
    assert trace_id({"traceparent": f"00-{TRACE}-{SPAN}-03"}) == TRACE
    assert not is_unsampled(RECORDED)
    assert not is_unsampled(UNTRACED)
    assert is_unsampled({"traceparent": f"00-{TRACE}-{SPAN}-02"})
    assert trace_id(LEFT_OUT) is trace_id(UNTRACED) is None


@pytest.mark.parametrize(
    ("identifier", "shown"),
    [
        (fetched(7).id, True),
        (f"{fetched(7).id}/parsed", True),
        (f"contact:{7:024x}@1764000000.123", True),
        ("lead:4711@1764000000.123", True),
        ("lead:1b4e28ba-2fa1-11d2-883f-0016d3cca427@1764000000.123", True),
        (f"{7:024x}.gone.{8:024x}.0", True),
        (f"{7:024x}.attention.3", True),
        (f"contact:{SECRET}@1764000000.123", False),
        ("contact:jane@1764000000.123", False),
        ("contact:ada@1764000000.123", False),
        (SECRET, False),
    ],
)
async def test_only_ids_of_numbers_are_recorded(identifier: str, shown: bool) -> None:
    """A CRM may use addresses or names as record ids: such an id is in no span."""
    watched = TracedBus()
    await watched.bus.consume(RECORDS, Recorder())
    await watched.bus.publish(RecordChanged(id=identifier, kind="lead", record="x", at=NOW))
    await watched.bus.join()
    assert [said(span).get("messaging.message.id") for span in watched.spans] == [identifier if shown else None] * 2


async def test_log_lines_of_a_message_name_its_trace() -> None:
    """Every line that is logged while a message is handled, including its outcome, has ``trace_id``; without a trace none has."""
    lines = io.StringIO()
    log = setup_logs(ProcessSettings(log_level="debug", log_format="json"), "matcher", lines)
    watched = TracedBus()

    async def handle(delivery: Delivery[Any]) -> Sequence[Any]:
        log.info("at work")
        if delivery.attempt == 1:
            raise TransientError("later")
        return ()

    await watched.bus.consume(RECORDS, handle)
    await watched.bus.publish_many([(changed(1), None)], contexts=[RECORDED])
    await watched.bus.publish_many([(changed(2), None)], contexts=[LEFT_OUT])
    await watched.bus.join()
    logged_lines = [json.loads(line) for line in lines.getvalue().splitlines()]
    for event in ("at work", "message handled", "message failed"):
        named = [(line.get("message"), line.get("trace_id")) for line in logged_lines if line["event"] == event]
        assert set(named) == {("record-1", TRACE), ("record-2", None)}, event
    assert {
        line.get("trace_id"): line.get("trace_ids") for line in logged_lines if line["event"] == "message failed"
    } == {
        TRACE: [TRACE],
        None: None,
    }


class CandidateChannel:
    """A channel with a queue of poison candidates."""

    def __init__(self, *envelopes: Envelope) -> None:
        self._waiting = list(enumerate(envelopes, 1))

    async def basic_get(self, queue: str) -> SimpleNamespace:
        """Return the next message, or the answer of an empty queue."""
        if not self._waiting:
            return SimpleNamespace(delivery=Basic.GetEmpty())
        tag, envelope = self._waiting.pop(0)
        properties = Basic.Properties(headers={**envelope.headers}, content_type=envelope.content_type)
        return SimpleNamespace(
            delivery=Basic.GetOk(tag),
            delivery_tag=tag,
            header=ContentHeader(properties=properties),
            body=envelope.body,
            redelivered=False,
        )

    async def basic_ack(self, tag: int, **_: object) -> None:
        """Remove a message."""


async def test_poison_candidates_are_logged_with_their_own_trace() -> None:
    """Candidates are handled one after the other; lines about the second name nothing of the first."""
    lines = io.StringIO()
    log = setup_logs(ProcessSettings(log_level="debug", log_format="json"), "matcher", lines)
    bus = MemoryBus(routes=FAST_ROUTES)
    metrics = Metrics("test", CollectorRegistry()).queue(RECORDS.queue)
    dispatcher = Dispatcher(RECORDS, one_by_one(Recorder()), send=bus._deliver, source="/x", metrics=metrics, log=log)
    alone: Any = PoisonIsolation(cast("Any", None), list, cast("Any", None), log)
    alone._dispatchers[isolated_queue(RECORDS)] = dispatcher
    traced = codec.encode(changed(1), None, source="/x", context=RECORDED)
    await alone._work(CandidateChannel(traced, codec.encode(changed(2), None, source="/x")), [isolated_queue(RECORDS)])
    handled = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["message"], line.get("trace_id")) for line in handled] == [("record-1", TRACE), ("record-2", None)]


@pytest.mark.parametrize("stage", ["poller", "parser", "matcher", "notifier"])
def test_opentelemetry_is_loaded_only_if_needed(stage: str) -> None:
    """OpenTelemetry takes memory and start-up time: a stage that traces nothing does not load it."""
    look = f"import sys, services.{stage}.__main__; print(sorted({{'opentelemetry', 'requests'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
