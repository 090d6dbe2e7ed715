"""Classify and describe errors without quoting mail: outages, bugs, and everything else."""

from __future__ import annotations

import traceback
from pathlib import Path

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from schemas.errors import NotReadyError, PermanentError, TransientError

DatabaseError = PyMongoError
"""The base of all errors of the driver."""
DatabaseRefusedError = OperationFailure
"""The server refused an operation."""
MAX_ERROR_TEXT = 500


_OUT_OF_DISK_SPACE = 14031
"""MongoDB's error when its disk is almost full. A full disk stops it."""


def is_outage(error: BaseException) -> bool:
    """Whether the broker or the database was unavailable, as opposed to having refused this message."""
    if isinstance(error, PyMongoError):
        labels = ("RetryableWriteError", "TransientTransactionError")
        full = isinstance(error, OperationFailure) and error.code == _OUT_OF_DISK_SPACE
        return full or isinstance(error, ConnectionFailure) or any(error.has_error_label(label) for label in labels)
    return isinstance(error, NotReadyError)


def is_bug(error: BaseException) -> bool:
    """Whether an error is unexpected."""
    return not (isinstance(error, TransientError | PermanentError) or is_outage(error))


def describe(error: BaseException) -> str:
    """Return an error in one short line for logs and headers.

    The text of an unexpected error is left out, because it may quote mail; its type and place are reported instead.
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


def facts(error: BaseException) -> dict[str, str]:
    """Return what is logged about an error: its description, and of a bug the traceback. Not its text, which may quote mail."""
    return {"error": describe(error), **({"trace": trace(error)} if is_bug(error) else {})}


def trace(error: BaseException) -> str:
    """Return the traceback of an error and its causes, without the errors' texts."""
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
