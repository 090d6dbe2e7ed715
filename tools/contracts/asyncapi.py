"""The AsyncAPI 3 document, made from the messages and the routes."""

from __future__ import annotations

import json
from typing import Any

from schemas.messages import MESSAGES, Event, MailFetched
from schemas.routes import DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE, MINUTE, ROUTES, SECOND, Route, isolated_queue
from schemas.topology import DELIVERY_LIMIT

_HEADERS = {
    "ce-specversion": "CloudEvents version, `1.0`",
    "ce-id": "the event's id; the same whenever it is sent again",
    "ce-type": "CloudEvents type",
    "ce-source": "the stage that made it, e.g. `/leadmail/poller`",
    "ce-time": "when it was made, RFC 3339",
    "x-leadmail-attempt": "which attempt this is, from 1; absent at the first",
    "x-leadmail-error": "why the last attempt failed; never content of a mail",
    "traceparent": "W3C trace context: what this message follows from; absent where nothing is traced",
    "tracestate": "W3C trace context: what other tracers added to it",
}
_OPTIONAL = ("x-", "trace")
"""How the headers begin without which a message is none the less one."""


def message_name(message: type[Event]) -> str:
    """Return the name of a message with its version, e.g. ``mail.fetched.v1``."""
    return f"{message.TYPE}.v{message.VERSION}"


def first_line(documented: type) -> str:
    """Return what a class is, in one line."""
    return (documented.__doc__ or "").strip().split("\n")[0].replace("``", "`")


def duration(milliseconds: int) -> str:
    """Return a delay as people write it: ``30 s``, ``10 min``."""
    return f"{milliseconds // MINUTE} min" if milliseconds % MINUTE == 0 else f"{milliseconds // SECOND} s"


def _message(message: type[Event]) -> dict[str, Any]:
    headers: dict[str, dict[str, Any]] = {
        name: {"type": "string", "description": text} for name, text in _HEADERS.items()
    }
    headers["ce-type"]["const"] = f"leadmail.{message_name(message)}"
    schema = {"$ref": f"../schemas/json/{message_name(message)}.json"}
    raw = message is MailFetched
    if raw:
        headers["leadmail"] = {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": schema,
            "description": "the message's own fields as JSON text; the body is the raw mail, empty when the field `blob` names it",
        }
    required = [name for name in headers if not name.startswith(_OPTIONAL)]
    return {
        "name": message_name(message),
        "title": message.__name__,
        "summary": first_line(message),
        "contentType": "message/rfc822" if raw else "application/json",
        "headers": {"type": "object", "required": required, "properties": headers},
        "payload": {"type": "string", "format": "binary"} if raw else schema,
    }


def _channel(route: Route) -> dict[str, Any]:
    name = message_name(route.message)
    delays = ", ".join(map(duration, route.retry))
    return {
        "address": route.routing_key,
        "title": route.queue,
        "description": f"Bound to `{route.queue}`. After a failure it is tried again after {delays}; then it is in `{DEAD_QUEUE}`. "
        f"A message that {DELIVERY_LIMIT + 1} consumers crashed with waits in `{isolated_queue(route)}`, to be handled in isolation. "
        f"At {route.max_length} messages or {route.max_bytes} bytes the queue refuses more.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": EXCHANGE, "type": "topic", "durable": True, "autoDelete": False},
            }
        },
    }


def _operations(route: Route) -> dict[str, Any]:
    channel = {"$ref": f"#/channels/{route.queue}"}
    receive = {"action": "receive", "channel": channel, "summary": f"by the {route.consumer}"}
    bindings = {"bindings": {"amqp": {"deliveryMode": 2, "mandatory": True}}}
    return {
        **{
            f"{producer}.sends.{route.queue}": {"action": "send", "channel": channel, "summary": f"by the {producer}"}
            | bindings
            for producer in route.producers
        },
        f"{route.consumer}.receives.{route.queue}": receive,
    }


def document() -> dict[str, Any]:
    """Return the document as plain data."""
    operations: dict[str, Any] = {}
    for route in ROUTES:
        operations |= _operations(route)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leadmail",
            "version": "1",
            "description": "Events between Leadmail's stages: CloudEvents 1.0 in binary mode over AMQP 0-9-1, on quorum queues, "
            f"with publisher confirms and mandatory routing. What cannot be handled ends in the exchange `{DEAD_EXCHANGE}` with "
            "`x-leadmail-queue` and `x-leadmail-reason`. Made from schemas/ by `python -m tools.contracts.derived`.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {route.queue: _channel(route) for route in ROUTES},
        "operations": operations,
        "components": {"messages": {message_name(message): _message(message) for message in MESSAGES}},
    }


def to_yaml(value: Any, indent: int = 0) -> str:
    """Return plain data as YAML 1.2: block style, every scalar as JSON, which YAML 1.2 includes."""
    pad = "  " * indent
    match value:
        case dict() if value:
            return "".join(f"{pad}{_key(key)}:{_nested(item, indent)}" for key, item in value.items())
        case list() if value:
            return "".join(f"{pad}-{_nested(item, indent)}" for item in value)
        case _:
            return f"{pad}{json.dumps(value, ensure_ascii=False)}\n"


def _key(key: str) -> str:
    return key if key.replace("-", "").replace(".", "").isalnum() else json.dumps(key)


def _nested(value: Any, indent: int) -> str:
    if isinstance(value, dict | list) and value:
        return "\n" + to_yaml(value, indent + 1)
    return " " + to_yaml(value)
