"""Messages as AMQP sees them: CloudEvents 1.0 in binary mode, attributes in headers ``ce-...``, the message's fields as JSON body.

``MailFetched`` carries the raw mail as the body and its own fields in the header ``leadmail`` (JSON text).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson
from pydantic import ValidationError

from schemas.errors import PermanentError, UndecodableError
from schemas.messages import MESSAGES, Event, MailFetched
from schemas.routes import DEAD_EXCHANGE, EXCHANGE, RETRY_EXCHANGE
from services.amqp.delivery.retry import Retry
from services.amqp.delivery.trace_context import PARENT, STATE, UNTRACED, TraceContext

JSON = "application/json"
RAW_MAIL = "message/rfc822"
MAX_BODY = 8 * 1024 * 1024
"""Octets. RabbitMQ closes the channel, with everything in flight on it, over a message of more than 16 MiB."""

ID, TYPE, TIME, FIELDS = "ce-id", "ce-type", "ce-time", "leadmail"
ATTEMPT, ERROR, REASON, QUEUE = "x-leadmail-attempt", "x-leadmail-error", "x-leadmail-reason", "x-leadmail-queue"
REPLAY = "x-leadmail-replay"
"""How often the message was replayed. If it dies again, it is stored as another dead letter."""
CONTENT_TYPE = "content-type"
_KEPT = ("ce-", FIELDS, "x-leadmail-", PARENT, STATE)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as it is sent."""

    exchange: str
    routing_key: str
    headers: dict[str, str]
    content_type: str
    body: bytes


SendEnvelopes = Callable[[Sequence[Envelope]], Awaitable[list[Exception | None]]]
"""Sends messages. Returns, in order, None for each that the broker has confirmed, else the error."""


@lru_cache(maxsize=64)
def event_type(message: type[Event]) -> str:
    """Return the CloudEvents ``type`` of a message, e.g. ``leadmail.mail.fetched.v1``."""
    return f"leadmail.{message.TYPE}.v{message.VERSION}"


_CLASSES = {event_type(message): message for message in MESSAGES}


def encode(message: Event, body: bytes | None, *, source: str, context: TraceContext = UNTRACED) -> Envelope:
    """Return a message as it is sent to the exchange.

    ``body`` is the raw mail of ``MailFetched``, ``source`` the CloudEvents attribute, e.g. ``/leadmail/poller``.

    Raises:
        PermanentError: it is too large for a queue (``message-too-large``).
    """
    fields = type(message).__pydantic_serializer__.to_json(message, exclude={"id"})
    headers = {
        "ce-specversion": "1.0",
        ID: message.id,
        TYPE: event_type(type(message)),
        "ce-source": source,
        TIME: datetime.now(UTC).isoformat(timespec="milliseconds"),
        **context,
    }
    if isinstance(message, MailFetched):
        headers[FIELDS] = fields.decode()
        content, content_type = body or b"", RAW_MAIL
    else:
        content, content_type = fields, JSON
    if len(content) > MAX_BODY:
        raise PermanentError("message-too-large", f"{len(content)} octets in a {message.TYPE}")
    return Envelope(EXCHANGE, message.routing_key, headers, content_type, content)


def decode(headers: Mapping[str, Any], body: bytes) -> Event:
    """Return the message in these headers and this body.

    Raises:
        UndecodableError: it is not one of our messages. The text quotes nothing of it.
    """
    kind = headers.get(TYPE)
    message = _CLASSES.get(kind) if isinstance(kind, str) else None
    if message is None:
        raise UndecodableError("unknown ce-type")
    event = headers.get(ID)
    if not isinstance(event, str):
        raise UndecodableError("no ce-id")
    fields = headers.get(FIELDS) if message is MailFetched else body
    if isinstance(fields, str):
        fields = fields.encode()
    if not isinstance(fields, bytes):
        raise UndecodableError(f"no header {FIELDS}")
    # The id is appended as JSON text: validating the JSON text costs a third of parsing it first, and only pydantic's JSON mode
    # decodes bytes from base64. It comes last, so that it takes precedence over an "id" in the body.
    text = fields.rstrip()
    if not text.startswith(b"{") or not text.endswith(b"}"):
        raise UndecodableError("its fields are not a JSON object")
    try:
        return message.model_validate_json(text[:-1] + b',"id":' + orjson.dumps(event) + b"}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise UndecodableError(f"{kind}: {'.'.join(map(str, first['loc'])) or 'body'}: {first['type']}") from None


def attempt_of(headers: Mapping[str, Any]) -> int:
    """Return the number of this attempt, from 1; 1 if the header is not a number."""
    return max(1, _number(headers.get(ATTEMPT, "1"), 1))


def replays_of(headers: Mapping[str, Any]) -> int:
    """Return how often this message was replayed; 0 if the header is not a number."""
    return _number(headers.get(REPLAY, "0"), 0)


def _number(value: object, otherwise: int) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise  # noqa: PLR2004 - fits any budget


def own_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Return the text headers that are ours; the broker's (``x-death`` ...) would disturb a message that is sent again."""
    return {name: value for name, value in headers.items() if isinstance(value, str) and name.startswith(_KEPT)}


def for_retry(headers: Mapping[str, Any], content_type: str, body: bytes, decision: Retry, error: str) -> Envelope:
    """Return a message, unchanged apart from attempt and error, addressed to a delay queue."""
    changed = own_headers(headers) | {ATTEMPT: str(decision.attempt), ERROR: error}
    return Envelope(RETRY_EXCHANGE, decision.queue, changed, content_type, body)


def for_dead_letters(
    headers: Mapping[str, Any], content_type: str, body: bytes, *, queue: str, reason: str, error: str
) -> Envelope:
    """Return a message addressed to the dead letters."""
    changed = own_headers(headers) | {QUEUE: queue, REASON: reason, ERROR: error}
    return Envelope(DEAD_EXCHANGE, "", changed, content_type, body)


def for_isolation(headers: Mapping[str, Any], content_type: str, body: bytes, *, queue: str) -> Envelope:
    """Return a poison candidate addressed to the isolated queue ``queue``, as the same attempt."""
    return Envelope(RETRY_EXCHANGE, queue, own_headers(headers), content_type, body)


def for_replay(queue: str, headers: Mapping[str, str], body: bytes) -> Envelope:
    """Return a dead letter addressed to the queue in which it failed, as attempt 1."""
    fresh = {name: value for name, value in own_headers(headers).items() if not name.startswith("x-leadmail-")}
    fresh[REPLAY] = str(replays_of(headers) + 1)
    return Envelope("", queue, fresh, headers.get(CONTENT_TYPE, JSON), body)
