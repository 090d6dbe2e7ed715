"""What follows from a failure: a small value computed from (error, attempt, route)."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import NamedTuple

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from schemas.routes import Route, delay_queue
from services.runtime.errors import NotReadyError, PermanentError, TransientError

MAX_ERROR_TEXT = 500
_OUTAGE_STEP = 2
_OUT_OF_DISK_SPACE = 14031
"""What MongoDB says before its disk is quite full; of a full one it dies."""


class Retry(NamedTuple):
    """The message waits in a delay queue and comes back as this attempt."""

    queue: str
    attempt: int


class Dead(NamedTuple):
    """The message goes to the dead letters."""

    reason: str


Decision = Retry | Dead


def decide(error: BaseException, attempt: int, route: Route) -> Decision:
    """Return what to do with a message whose ``attempt``-th handling (from 1) failed with ``error``.

    An outage of the database is not the message's fault and uses up none of its attempts: a database that is away for an
    hour must not turn a whole backfill into dead letters.
    """
    if isinstance(error, PermanentError):
        return Dead(error.reason)
    if is_outage(error):
        queue = delay_queue(route, min(_OUTAGE_STEP, len(route.retry)))
        return Retry(queue, attempt) if queue else Dead("retries-exhausted")
    queue = delay_queue(route, attempt)
    return Retry(queue, attempt + 1) if queue else Dead("retries-exhausted")


def is_outage(error: BaseException) -> bool:
    """Whether the broker or the database was not there, as opposed to: refused this message."""
    if isinstance(error, PyMongoError):
        labels = ("RetryableWriteError", "TransientTransactionError")
        full = isinstance(error, OperationFailure) and error.code == _OUT_OF_DISK_SPACE
        return full or isinstance(error, ConnectionFailure) or any(error.has_error_label(label) for label in labels)
    return isinstance(error, NotReadyError)


def is_bug(error: BaseException) -> bool:
    """Whether nobody foresaw this error."""
    return not (isinstance(error, TransientError | PermanentError) or is_outage(error))


def describe(error: BaseException) -> str:
    """Return an error in one short line for logs and headers.

    The text of an error that nobody foresaw is left out, since it may quote mail: its type and place are told instead.
    """
    if isinstance(error, TransientError | PermanentError | NotReadyError | ConnectionFailure):
        text = f"{type(error).__name__}: {error}"
    else:
        frame = next(reversed(traceback.extract_tb(error.__traceback__)), None)
        code = f" {error.code}" if isinstance(error, OperationFailure) and error.code is not None else ""
        text = f"{type(error).__name__}{code}" + (
            f" at {Path(frame.filename).name}:{frame.lineno} in {frame.name}" if frame else ""
        )
    return " ".join(text.split())[:MAX_ERROR_TEXT]


def trace(error: BaseException) -> str:
    """Return where an error came from, with that of what caused it, without the errors' texts."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        lines += [
            *traceback.format_tb(current.__traceback__),
            f"{type(current).__module__}.{type(current).__qualname__}\n",
        ]
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "".join(lines)
