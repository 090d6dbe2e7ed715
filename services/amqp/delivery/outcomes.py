"""What a handler gets and what it says became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from schemas.messages import Event
from services.amqp.delivery.trace_context import UNTRACED, TraceContext

CRASHED = "delivery-limit"
"""The reason of a dead letter that consumers died with even in isolation."""

M_co = TypeVar("M_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Delivery(Generic[M_co]):
    """A message as it was taken from its queue."""

    message: M_co
    body: bytes
    """The AMQP body: for ``MailFetched`` the raw mail (empty when ``message.blob`` names it), else the JSON that ``message`` came from."""
    attempt: int
    """From 1; grows with each retry, not with a redelivery after a crash."""
    redelivered: bool
    """A consumer had it before and did not finish: its effects may be there already."""
    queue: str
    context: TraceContext = field(default_factory=lambda: UNTRACED)
    """The trace that it belongs to."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message for which there is no more hope, as it was taken from the dead letters."""

    queue: str
    """Where it failed; ``""`` when not known."""
    reason: str
    """A stable code: a ``PermanentError``'s, ``undecodable``, ``retries-exhausted`` or ``CRASHED``."""
    error: str
    """The last error's type and text, at most 500 characters; ``""`` after crashes."""
    attempt: int
    message: Event | None
    """None when it cannot be decoded."""
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """What ``Bus.replay`` needs, apart from queue and body, to send the same message again: text headers and ``content-type``."""


class Done(NamedTuple):
    """One message of a batch was handled; ``publish`` is sent before the message is acknowledged."""

    publish: Sequence[Event] = ()


class Failed(NamedTuple):
    """One message of a batch failed; the error decides about a retry as if a handler had raised it."""

    error: Exception


class QueueDepth(NamedTuple):
    """How full a queue is."""

    ready: int
    """Messages that wait."""
    consumers: int
    unacknowledged: int | None = None
    """Unacknowledged messages; None if the broker's management interface is not set up."""
