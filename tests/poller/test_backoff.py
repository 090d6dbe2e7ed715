"""How long a poller waits before it tries a mailbox again."""

from __future__ import annotations

import pytest

from services.mailbox.imap import ConnectionLostError
from services.poller.connections import backoff
from services.poller.connections.backoff import FIRST_PAUSE, ConnectionBackoff

LOST = ConnectionLostError("abort", "the server closed the connection")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the module."""
    made = Clock()
    monkeypatch.setattr(backoff, "monotonic", made)
    return made


def test_two_connections_that_break_together_are_one_trouble(clock: Clock) -> None:
    """A cut of the network breaks both connections of an account: it makes the next pause twice as long, not four times."""
    trouble = ConnectionBackoff()
    longest = FIRST_PAUSE
    for _ in range(6):
        first = trouble.pause(LOST)
        clock.now += first / 2
        assert trouble.pause(LOST) == first
        assert longest / 2 <= first <= longest
        clock.now += first
        longest *= 2


def test_a_connection_that_worked_makes_pauses_short_again(clock: Clock) -> None:
    """After a steady connection the next trouble begins with the shortest pause, even within the last one."""
    trouble = ConnectionBackoff()
    for _ in range(6):
        clock.now += trouble.pause(LOST)
    trouble.reset()
    assert trouble.pause(LOST) <= FIRST_PAUSE
