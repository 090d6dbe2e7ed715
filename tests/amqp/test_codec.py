"""Encodes messages as AMQP and decodes them."""

from __future__ import annotations

import json

import pytest

from schemas.errors import PermanentError, UndecodableError
from schemas.messages import MailFetched
from services.amqp.delivery import codec
from services.amqp.delivery.retry import Retry
from tests.amqp.fixtures import changed, fetched


def test_cloudevents_attributes() -> None:
    """A message is a CloudEvents 1.0 event in binary mode; its body has its fields without the id."""
    envelope = codec.encode(changed(1), None, source="/leadmail/matcher")
    time = envelope.headers.pop("ce-time")
    assert time.endswith("+00:00")
    assert envelope.headers == {
        "ce-specversion": "1.0",
        "ce-id": "record-1",
        "ce-type": "leadmail.record.changed.v1",
        "ce-source": "/leadmail/matcher",
    }
    assert (envelope.exchange, envelope.routing_key, envelope.content_type) == (
        "leadmail",
        "record.changed.v1",
        "application/json",
    )
    assert json.loads(envelope.body) == {"kind": "lead", "record": f"{1:024x}", "at": "2026-03-01T12:00:00Z"}


def test_raw_mail_is_the_body() -> None:
    """A fetched mail's body is the raw mail, whatever bytes it has; its fields are a header."""
    envelope = codec.encode(fetched(5), b"\x00\xff raw", source="/leadmail/poller")
    assert (envelope.body, envelope.content_type, envelope.routing_key) == (
        b"\x00\xff raw",
        "message/rfc822",
        "mail.fetched.v1.live",
    )
    assert codec.decode(envelope.headers, envelope.body) == fetched(5)


def test_the_id_is_the_header() -> None:
    """An id in the body does not override the event's."""
    envelope = codec.encode(changed(1), None, source="/x")
    body = b'{"id":"forged",' + envelope.body[1:]
    assert codec.decode(envelope.headers, body).id == "record-1"


def test_newer_senders_may_add_fields() -> None:
    """An unknown field is ignored."""
    envelope = codec.encode(changed(1), None, source="/x")
    assert codec.decode(envelope.headers, b'{"colour":"red",' + envelope.body[1:] + b"\n") == changed(1)


@pytest.mark.parametrize(
    ("headers", "body", "why"),
    [
        ({}, b"{}", "unknown ce-type"),
        ({"ce-type": "leadmail.record.changed.v99", "ce-id": "x"}, b"{}", "unknown ce-type"),
        ({"ce-type": b"leadmail.record.changed.v1", "ce-id": "x"}, b"{}", "unknown ce-type"),
        ({"ce-type": "leadmail.record.changed.v1"}, b"{}", "no ce-id"),
        ({"ce-type": "leadmail.record.changed.v1", "ce-id": 5}, b"{}", "no ce-id"),
        ({"ce-type": "leadmail.record.changed.v1", "ce-id": "x"}, b"", "not a JSON object"),
        ({"ce-type": "leadmail.record.changed.v1", "ce-id": "x"}, b"{}", "json_invalid"),
        ({"ce-type": "leadmail.record.changed.v1", "ce-id": "x"}, b'{"kind":"secret"}', "kind: literal_error"),
        ({"ce-type": "leadmail.record.changed.v1", "ce-id": "x"}, b"\xff\xfe{", "not a JSON object"),
        ({"ce-type": "leadmail.mail.fetched.v1", "ce-id": "x"}, b"raw", "no header leadmail"),
        ({"ce-type": "leadmail.mail.fetched.v1", "ce-id": "x", "leadmail": "[]"}, b"raw", "not a JSON object"),
    ],
)
def test_undecodable(headers: dict[str, object], body: bytes, why: str) -> None:
    """A message that is not ours is undecodable, with a reason that quotes nothing of it."""
    with pytest.raises(UndecodableError, match=why) as caught:
        codec.decode(headers, body)
    assert "secret" not in str(caught.value)


def test_a_message_that_is_too_large_is_refused() -> None:
    """A body over the limit is refused, because the broker would close the channel with everything else on it."""
    with pytest.raises(PermanentError, match="message-too-large"):
        codec.encode(fetched(1), bytes(codec.MAX_BODY + 1), source="/x")


@pytest.mark.parametrize(
    ("value", "attempt"), [("3", 3), (None, 1), ("0", 1), ("-1", 1), ("x", 1), ("٣", 1), (7, 7), ("9" * 99, 1)]
)
def test_attempt(value: object, attempt: int) -> None:
    """Attempts count from 1, also if the header is missing or malformed."""
    headers = {} if value is None else {codec.ATTEMPT: value}
    assert codec.attempt_of(headers) == attempt


def test_retries_dead_letters_and_replays_keep_the_message() -> None:
    """Retries, dead letters and replays keep id and body and drop the broker's own headers; a replay keeps only its count."""
    sent = codec.encode(fetched(1), b"raw", source="/leadmail/poller")
    received = sent.headers | {"x-death": [{"reason": "expired"}], "x-first-death-queue": "q"}
    retried = codec.for_retry(received, sent.content_type, sent.body, Retry("q.retry-1s", 2), "TransientError: x")
    assert (retried.exchange, retried.routing_key, retried.body) == ("leadmail.retry", "q.retry-1s", b"raw")
    assert retried.headers == sent.headers | {"x-leadmail-attempt": "2", "x-leadmail-error": "TransientError: x"}
    dead = codec.for_dead_letters(
        retried.headers, retried.content_type, retried.body, queue="q", reason="bad", error="e"
    )
    assert dead.headers["x-leadmail-queue"] == "q"
    again = codec.for_replay("q", dead.headers | {"content-type": dead.content_type}, dead.body)
    assert again == codec.Envelope("", "q", sent.headers | {"x-leadmail-replay": "1"}, "message/rfc822", b"raw")
    assert isinstance(codec.decode(again.headers, again.body), MailFetched)


def test_the_trace_context_is_kept_everywhere() -> None:
    """A message carries its trace in W3C's own headers. Retries, dead letters and replays keep them; it decodes with and without."""
    context = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=1"}
    sent = codec.encode(fetched(1), b"raw", source="/leadmail/poller", context=context)
    assert codec.decode(sent.headers, sent.body) == fetched(1)
    retried = codec.for_retry(sent.headers, sent.content_type, sent.body, Retry("q.retry-1s", 2), "TransientError: x")
    dead = codec.for_dead_letters(retried.headers, "", sent.body, queue="q", reason="bad", error="e")
    alone = codec.for_isolation(sent.headers, sent.content_type, sent.body, queue="q")
    again = codec.for_replay("q", dead.headers, dead.body)
    for each in (sent, retried, dead, alone, again):
        assert each.headers.items() >= context.items()
    assert not any(name.startswith("trace") for name in codec.encode(fetched(1), b"raw", source="/x").headers)
