"""A retry decision is a value computed from error, attempt and route; an error's description quotes no mail."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, DuplicateKeyError, OperationFailure, ServerSelectionTimeoutError

from schemas.errors import NotReadyError, PermanentError, TransientError, UndecodableError
from schemas.messages import SyncCompleted
from schemas.routes import SECOND, Route, delay_queue, routes_to
from services.amqp.delivery.retry import Dead, Retry, RetryDecision, decide
from services.runtime.failures import describe, is_bug, is_outage, trace

QUICKLY = routes_to("parser")[0]._replace(retry=tuple(n * SECOND for n in (1, 5, 30, 120, 600)))
PATIENTLY = next(route for route in routes_to("notifier") if route.message is SyncCompleted)._replace(
    retry=tuple(n * SECOND for n in (5, 30, 120, 600, 1800, 3600, 3600, 3600))
)
SECRET = "dear John, the password is hunter2"


def labelled(label: str) -> OperationFailure:
    """Return a server's error with a label."""
    return OperationFailure("x", details={"errorLabels": [label]})


@pytest.mark.parametrize(
    ("error", "attempt", "route", "decision"),
    [
        (TransientError("x"), 1, QUICKLY, Retry("parser.mail-fetched.live.retry-1s", 2)),
        (TransientError("x"), 2, QUICKLY, Retry("parser.mail-fetched.live.retry-5s", 3)),
        (TransientError("x"), 5, QUICKLY, Retry("parser.mail-fetched.live.retry-600s", 6)),
        (TransientError("x"), 6, QUICKLY, Dead("retries-exhausted")),
        (TransientError("x"), 99, QUICKLY, Dead("retries-exhausted")),
        (TransientError("x"), 8, PATIENTLY, Retry("notifier.sync-completed.retry-3600s", 9)),
        (TransientError("x"), 9, PATIENTLY, Dead("retries-exhausted")),
        (KeyError("bug"), 1, QUICKLY, Retry("parser.mail-fetched.live.retry-1s", 2)),
        (KeyError("bug"), 6, QUICKLY, Dead("retries-exhausted")),
        (PermanentError("parser-died"), 1, QUICKLY, Dead("parser-died")),
        (PermanentError("parser-died"), 6, QUICKLY, Dead("parser-died")),
        (UndecodableError("x"), 1, QUICKLY, Dead("undecodable")),
        (ServerSelectionTimeoutError("x"), 6, QUICKLY, Retry("parser.mail-fetched.live.retry-5s", 6)),
        (AutoReconnect("x"), 1, QUICKLY, Retry("parser.mail-fetched.live.retry-5s", 1)),
        (labelled("RetryableWriteError"), 3, QUICKLY, Retry("parser.mail-fetched.live.retry-5s", 3)),
        (labelled("TransientTransactionError"), 3, PATIENTLY, Retry("notifier.sync-completed.retry-30s", 3)),
        (OperationFailure("x", 14031), 3, QUICKLY, Retry("parser.mail-fetched.live.retry-5s", 3)),
        (OperationFailure("x", 1), 3, QUICKLY, Retry("parser.mail-fetched.live.retry-30s", 4)),
        (NotReadyError("x"), 4, QUICKLY, Retry("parser.mail-fetched.live.retry-5s", 4)),
        (DuplicateKeyError("x"), 2, QUICKLY, Retry("parser.mail-fetched.live.retry-5s", 3)),
        (TransientError("x"), 1, QUICKLY._replace(retry=()), Dead("retries-exhausted")),
    ],
)
def test_decision(error: Exception, attempt: int, route: Route, decision: RetryDecision) -> None:
    """Each kind of error at each attempt has exactly one consequence."""
    assert decide(error, attempt, route) == decision


def test_every_delay_has_a_queue() -> None:
    """Attempts walk through the delays of their route in order and end."""
    names = [delay_queue(QUICKLY, attempt) for attempt in range(1, len(QUICKLY.retry) + 2)]
    assert names[-1] is None
    assert len(set(names)) == len(QUICKLY.retry) + 1


def test_only_unexpected_errors_are_bugs() -> None:
    """Errors that handlers raise on purpose and outages are not bugs; everything else is."""
    assert not any(map(is_bug, (TransientError(), PermanentError("x"), AutoReconnect("x"), NotReadyError())))
    assert all(map(is_bug, (KeyError(), DuplicateKeyError("x"), ZeroDivisionError())))
    assert not is_outage(TransientError())


def test_texts_of_bugs_are_left_out() -> None:
    """Type and place of an unexpected error and its causes are logged; their texts, which may quote mail, are not."""

    def quote() -> None:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError(SECRET) from error

    with pytest.raises(KeyError) as caught:
        quote()
    logged = describe(caught.value), trace(caught.value)
    assert logged[0].startswith("KeyError at ")
    assert logged[0].endswith("in quote")
    assert "builtins.ValueError" in logged[1]
    assert "hunter2" not in "".join(logged)


def test_description_of_a_refusal_of_the_database_has_its_code() -> None:
    """MongoDB's error code is kept; its text may quote a document and is left out."""
    assert describe(OperationFailure("duplicate key: hunter2", 237)) == "OperationFailure 237"


def test_description_is_one_short_line() -> None:
    """An error's description fits a header: no line breaks, at most 500 characters."""
    text = describe(TransientError("busy\r\nX-Header: y " + "z" * 1000))
    assert len(text) == 500
    assert text.startswith("TransientError: busy X-Header: y zzz")
