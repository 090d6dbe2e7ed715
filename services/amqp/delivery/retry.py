"""Decides between a retry and the dead letters, from the error, the attempt and the route."""

from __future__ import annotations

from typing import NamedTuple

from schemas.errors import PermanentError
from schemas.routes import Route, delay_queue
from services.runtime.failures import is_outage

_OUTAGE_STEP = 2


class Retry(NamedTuple):
    """The message waits in a delay queue and is then delivered as this attempt."""

    queue: str
    attempt: int


class Dead(NamedTuple):
    """The message goes to the dead letters."""

    reason: str


RetryDecision = Retry | Dead


def decide(error: BaseException, attempt: int, route: Route) -> RetryDecision:
    """Return what to do with a message whose ``attempt``-th handling (from 1) failed with ``error``.

    An outage of the database uses up none of the message's attempts: a database that is down for an hour must not turn a whole
    backfill into dead letters.
    """
    if isinstance(error, PermanentError):
        return Dead(error.reason)
    if is_outage(error):
        queue = delay_queue(route, min(_OUTAGE_STEP, len(route.retry)))
        return Retry(queue, attempt) if queue else Dead("retries-exhausted")
    queue = delay_queue(route, attempt)
    return Retry(queue, attempt + 1) if queue else Dead("retries-exhausted")
