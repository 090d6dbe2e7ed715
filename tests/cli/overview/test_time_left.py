"""The estimate of a backfill's remaining time in ``leadmail status --watch``. No servers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from rich.console import Console

from schemas.ledger import Epoch, EpochState, RowState
from services.cli.overview.accounts_table import AccountsTable
from services.store import AccountStatus
from services.usecases.time_left import TimeLeftEstimator
from tests.factories import account

AT = datetime(2026, 1, 1, tzinfo=UTC)
ACCOUNT = "0123456789abcdef01234567"


def time_left(*looks: tuple[float, int, int]) -> float | None:
    """Return the time left after readings (moment, done, total)."""
    estimator = TimeLeftEstimator()
    for at, done, total in looks:
        estimator.note(ACCOUNT, done, total, at=at)
    return estimator.seconds_left(ACCOUNT)


@pytest.mark.parametrize(
    ("looks", "left"),
    [
        ([], None),
        ([(0.0, 0, 100)], None),
        ([(0.0, 0, 100), (2.0, 50, 100)], None),  # too early to say
        ([(0.0, 0, 100), (10.0, 50, 100)], 10.0),
        ([(0.0, 0, 100), (10.0, 50, 150)], 20.0),  # the mailbox has grown
        ([(0.0, 10, 100), (30.0, 10, 100)], None),  # no progress: unknown
        ([(0.0, 0, 100), (10.0, 100, 100)], None),  # done
        ([(0.0, 0, 900), (50.0, 500, 900), (100.0, 600, 900), (110.0, 620, 900)], 140.0),  # the last minute counts
        ([(0.0, 90, 100), (10.0, 5, 1000), (20.0, 105, 1000)], 89.5),  # a new backfill starts from zero
    ],
)
def test_the_time_left_follows_from_the_last_minute(looks: list[tuple[float, int, int]], left: float | None) -> None:
    """It appears after some seconds of progress, follows the last minute's rate, and is never guessed."""
    assert time_left(*looks) == (None if left is None else pytest.approx(left))


@pytest.mark.parametrize(("state", "shown"), [(EpochState.ENUMERATING, True), (EpochState.COMPLETE, False)])
def test_it_is_shown_beside_an_open_backfill(state: EpochState, shown: bool) -> None:
    """It is in words, and only beside an open backfill."""
    one_account = account("anna@nw.example", id=ACCOUNT, epoch=1, created_at=AT)
    epoch = Epoch(account=ACCOUNT, number=1, state=state, opened_at=AT, expected=100)
    one = AccountStatus(
        account=one_account,
        holder="poller",
        epoch=epoch,
        counts={RowState.ATTACHED: 50},
        counted_at=AT,
        oldest_unfinished=None,
    )
    console = Console(width=160)
    with console.capture() as capture:
        console.print(AccountsTable([one], {ACCOUNT: 200.0}))
    assert ("enumerating, 3 min left" in capture.get()) is shown
    assert ("left" in capture.get()) is shown
