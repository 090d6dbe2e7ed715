"""How long a poller waits before it tries a mailbox again."""

from __future__ import annotations

import pytest

from services.mailbox.connection import Code, MailServerError, suggested_pause
from services.poller.connections import backoff
from services.poller.connections.backoff import FIRST_PAUSE, ConnectionBackoff, hinted
from tests.cpu_cost import MOST, growth


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


DOWN = MailServerError(Code.UNAVAILABLE)
WRONG = MailServerError(Code.WRONG_PASSWORD)
HINTED = "BAD Request is throttled. Suggested Backoff Time: 299961 milliseconds"


def fail(backoff: ConnectionBackoff, clock: Clock, error: MailServerError, times: int = 1) -> list[float]:
    """Fail that often, each time when the pause is over. Returns the pauses."""
    pauses = []
    for _ in range(times):
        backoff.failed(error)
        pauses.append(backoff.left)
        if backoff.needs_owner(error):
            break
        clock.now += backoff.left
    return pauses


def test_pauses_grow_and_a_working_connection_resets_them(clock: Clock) -> None:
    """Each failed login doubles the pause; after a steady connection the next failure starts with the shortest."""
    trouble = ConnectionBackoff()
    mean = FIRST_PAUSE
    for pause in fail(trouble, clock, DOWN, 6):
        assert mean * 0.75 <= pause <= mean * 1.25
        mean *= 2
    trouble.reset()
    assert fail(trouble, clock, DOWN)[0] <= FIRST_PAUSE * 1.25


def test_a_wrong_password_needs_its_owner_after_three_refusals_over_ten_minutes(clock: Clock) -> None:
    """Few attempts are made, since servers lock accounts; the first ones soon, since a server may be wrong for a moment."""
    trouble, start = ConnectionBackoff(), clock.now
    pauses = fail(trouble, clock, WRONG, 20)
    assert 600 <= clock.now - start < 1_200
    assert 3 <= len(pauses) <= 8
    assert pauses[0] < 15


def test_refusals_at_once_are_no_proof(clock: Clock) -> None:
    """However often a server refuses within the time, and however rarely over it, the owner need not act yet."""
    often, rarely = ConnectionBackoff(), ConnectionBackoff()
    for _ in range(10):
        often.failed(WRONG)
    assert not often.needs_owner(WRONG)
    rarely.failed(WRONG)
    clock.now += 3_600
    rarely.failed(WRONG)
    assert not rarely.needs_owner(WRONG)


def test_an_outage_between_two_refusals_starts_the_count_again(clock: Clock) -> None:
    """A server that is down says nothing about passwords, and neither did what it said before."""
    trouble = ConnectionBackoff()
    fail(trouble, clock, WRONG, 3)
    fail(trouble, clock, DOWN)
    assert trouble.refusals == 0


def test_clear_words_need_two_refusals_some_time_apart(clock: Clock) -> None:
    """A server that asks for an app password is believed sooner, but not at its first word."""
    trouble, start = ConnectionBackoff(), clock.now
    assert 2 <= len(fail(trouble, clock, MailServerError(Code.APP_PASSWORD_NEEDED), 20)) <= 4
    assert clock.now - start >= 60


@pytest.mark.parametrize("code", [Code.REFUSED, Code.CERTIFICATE, Code.TLS_FAILED, Code.WRONG_SERVER, Code.NOT_PUBLIC])
def test_what_may_be_an_outage_is_tolerated_for_an_hour(clock: Clock, code: Code) -> None:
    """Unknown words and broken servers need the owner only when they last."""
    trouble, start = ConnectionBackoff(), clock.now
    fail(trouble, clock, MailServerError(code), 100)
    assert 3_600 <= clock.now - start < 2 * 3_600


def test_a_login_that_is_not_allowed_here_needs_its_owner_at_once(clock: Clock) -> None:
    """No time makes a plain-text login possible that the operator forbids."""
    assert len(fail(ConnectionBackoff(), clock, MailServerError(Code.PLAINTEXT_REFUSED), 5)) == 1


def test_the_pause_that_a_server_suggests_for_a_login_is_kept(clock: Clock) -> None:
    """Exchange names the pause also when it refuses a login."""
    assert 299.961 <= fail(ConnectionBackoff(), clock, MailServerError(Code.THROTTLED, answer=HINTED))[0] < 330


def test_a_suggested_pause_is_kept_with_jitter_up_to_an_hour() -> None:
    """The pause is never shorter than what the server asks for, except that no server stops a mailbox for more than an hour."""
    assert len({hinted(1.0, 300.0) for _ in range(5)}) > 1
    assert all(300.0 <= hinted(1.0, 300.0) <= 330.1 for _ in range(100))
    assert all(3_590 <= hinted(1.0, 1e9) <= 3_970 for _ in range(100))
    assert hinted(7.0, 0.0) == 7.0


def test_hint_is_sought_in_linear_time() -> None:
    """What a server says may be long; only its beginning is looked at."""
    words = {size: "backoff time" + " " * 500 * size + "x" for size in (1, 4)}
    assert growth(lambda size: [suggested_pause(words[size]) for _ in range(20)]) < MOST
