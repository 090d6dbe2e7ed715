"""What a handler is, what it receives, and the outcomes that it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from schemas.messages import Event
from services.amqp.delivery.trace_context import UNTRACED, TraceContext

CRASHED = "delivery-limit"
"""The reason of a dead letter whose consumers died even when it was handled in isolation."""

M_co = TypeVar("M_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Delivery(Generic[M_co]):
    """A message as it was taken from its queue."""

    message: M_co
    body: bytes
    """The AMQP body: the raw mail of ``MailFetched`` (empty if it is in ``message.blob``), else the JSON of ``message``."""
    attempt: int
    """From 1; grows with each retry, not with a redelivery after a crash."""
    redelivered: bool
    """An earlier consumer did not finish it. Its effects may already be stored."""
    queue: str
    context: TraceContext = field(default_factory=lambda: UNTRACED)
    """The trace that it belongs to."""


@dataclass(frozen=True, slots=True)
class DeadLetterDelivery:
    """A message that was given up, as it was taken from the dead-letter queue."""

    queue: str
    """The queue in which it failed; ``""`` if unknown."""
    reason: str
    """A stable code: a ``PermanentError``'s, ``undecodable``, ``retries-exhausted`` or ``CRASHED``."""
    error: str
    """The last error's type and text, at most 500 characters; ``""`` after crashes."""
    attempt: int
    message: Event | None
    """None if it cannot be decoded."""
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """What ``Bus.replay`` needs, apart from queue and body, to send the same message again: text headers and ``content-type``."""


class Done(NamedTuple):
    """The message was handled. ``publish`` is sent before the message is acknowledged."""

    publish: Sequence[Event] = ()


class Failed(NamedTuple):
    """The message failed. The error decides about a retry as if the handler had raised it."""

    error: Exception


class QueueDepth(NamedTuple):
    """How full a queue is."""

    ready: int
    """Messages that wait in the queue."""
    consumers: int
    unacknowledged: int | None = None
    """Unacknowledged messages; None if the broker's management interface is not set up."""
    ready_bytes: int | None = None
    """Bytes of the bodies that wait; None as above."""


Handle = Callable[[Delivery[Any]], Awaitable[Sequence[Event]]]
"""Handles one message and returns what to publish. It raises ``TransientError`` or ``PermanentError``; anything else is a bug."""

HandleBatch = Callable[[Sequence[Delivery[Any]]], Awaitable[Sequence[Done | Failed]]]
"""Handles a batch and returns the outcome of each message, in order. Raising fails every message of the batch."""

HandleDead = Callable[[DeadLetterDelivery], Awaitable[None]]
"""Stores a dead letter. If it raises, it is called again after a pause."""
