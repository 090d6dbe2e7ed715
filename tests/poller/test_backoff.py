"""How long a poller waits before it tries a mailbox again."""

from __future__ import annotations

import imaplib

import pytest

from services.mailbox.connection import Code, MailServerError
from services.mailbox.imap import ConnectionLostError, RefusedError
from services.mailbox.imap.async_connection import describe_error
from services.poller.connections import backoff
from services.poller.connections.backoff import FIRST_PAUSE, ConnectionBackoff
from tests.cpu_cost import MOST, growth

LOST = ConnectionLostError("abort", "the server closed the connection")


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The module's clock."""
    made = Clock()
    monkeypatch.setattr(backoff, "monotonic", made)
    return made


def test_two_connections_that_break_together_count_once(clock: Clock) -> None:
    """A network cut breaks both connections of an account: the next pause is twice as long, not four times."""
    trouble = ConnectionBackoff()
    mean = FIRST_PAUSE
    for _ in range(6):
        first = trouble.pause(LOST)
        clock.now += first / 2
        assert trouble.pause(LOST) == first
        assert mean * 0.75 <= first <= mean * 1.25
        clock.now += first
        mean *= 2


def test_a_working_connection_resets_the_pauses(clock: Clock) -> None:
    """After a steady connection the next failure starts with the shortest pause, even within the last one."""
    trouble = ConnectionBackoff()
    for _ in range(6):
        clock.now += trouble.pause(LOST)
    trouble.reset()
    assert trouble.pause(LOST) <= FIRST_PAUSE * 1.25


THROTTLED = {
    "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds": 299.961,
    "NO [UNAVAILABLE] Request is throttled. Suggested Backoff Time: 289341 milliseconds": 289.341,
    "System Error (Suggested Backoff Time: 300000)": 300.0,
    "Suggested Backoff Time (ms): 250000": 250.0,
}
"""What servers say, and the seconds that it means."""


@pytest.mark.parametrize("answer", THROTTLED)
def test_the_pause_that_a_server_suggests_is_kept(clock: Clock, answer: str) -> None:
    """Exchange names the pause in a refused command, a refused login or a closed connection: the next attempt waits that long."""
    errors: list[Exception] = [
        MailServerError(Code.TOO_MANY_CONNECTIONS, answer=answer),
        RefusedError(describe_error(imaplib.IMAP4.error(f"UID command error: {answer}"))),
        ConnectionLostError(describe_error(imaplib.IMAP4.abort(f"command: UID => {answer}"))),
    ]
    for error in errors:
        assert ConnectionBackoff().pause(error) == THROTTLED[answer]


def test_a_suggested_pause_has_a_limit(clock: Clock) -> None:
    """No server delays a mailbox for longer than twice our longest pause."""
    error = RefusedError("Request is throttled. Suggested Backoff Time: 99999999999 milliseconds")
    assert ConnectionBackoff().pause(error) == 2 * backoff.LONGEST_PAUSE


@pytest.mark.parametrize("answer", ["NO Service temporarily unavailable", "BYE Connection closed. 14"])
def test_other_numbers_are_no_suggestion(clock: Clock, answer: str) -> None:
    """A refusal without a suggestion leads to the shortest pause."""
    assert ConnectionBackoff().pause(RefusedError(answer)) <= FIRST_PAUSE * 1.25


def test_hint_is_sought_in_linear_time() -> None:
    """What a server says may be long; only its beginning is looked at."""
    pause = ConnectionBackoff()
    words = {size: RefusedError("backoff time" + " " * 500 * size + "x") for size in (1, 4)}
    assert growth(lambda size: [pause.pause(words[size]) for _ in range(20)]) < MOST
    assert pause.pause(RefusedError("Suggested Backoff Time (ms) : 299961")) == 299.961
