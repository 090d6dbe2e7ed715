"""``leadmail status`` on small terminals: what gives way, and what does not. No servers."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from schemas.accounts import AccountState, Trouble
from schemas.ledger import Epoch, EpochState, RowState
from services.cli.overview.accounts_table import AccountsTable
from services.cli.overview.status_view import StatusView
from services.store import AccountStatus
from services.store.core.documents import now
from services.usecases.overview import Overview
from tests.factories import account

BAR = "━"
NAMES = ("anna.lindqvist@northwind.example", "a-rather-long-name-of-someone@a-rather-long-domain.example")


def status(
    address: str, *, state: AccountState = AccountState.ACTIVE, trouble: str = "", **fields: object
) -> AccountStatus:
    """Return an account whose backfill is complete."""
    since = now() - timedelta(minutes=3)
    changes: dict[str, Any] = {"state": state, "reason": "wrong-password" if state is AccountState.BLOCKED else None}
    if trouble:
        changes["trouble"] = Trouble(code=trouble, phase="live", since=since)
    one = account(address, epoch=1, **changes)
    epoch = Epoch(account=one.id, number=1, state=EpochState.COMPLETE, opened_at=since, sent_at=since, expected=1)
    values = {"holder": "poller", "epoch": epoch, "counts": {RowState.ATTACHED: 1204, RowState.UNMATCHED: 73_110}}
    return AccountStatus(account=one, counted_at=since, oldest_unfinished=None, **values | fields)


def shown(what: object, width: int) -> list[str]:
    """Return the lines of an output."""
    page = io.StringIO()
    Console(file=page, width=width).print(what)
    return page.getvalue().splitlines()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", range(60, 161, 5))
def test_no_name_is_broken(name: str, width: int) -> None:
    """At any width a name is whole, and so are the numbers beside or below it; no line is wider than the terminal."""
    lines = shown(AccountsTable([status(name), status("b@x.example", state=AccountState.BLOCKED)]), width)
    assert name in " ".join(lines).split()
    assert "74,314/74,314" in " ".join(lines).split()
    assert "wrong-password" in " ".join(lines)
    assert max(map(len, lines)) <= width


def test_the_bar_goes_first_then_the_counts() -> None:
    """What has no number of its own gives way before the numbers."""
    table = AccountsTable([status(NAMES[0])])
    pages = ["\n".join(shown(table, width)) for width in (120, 90, 70)]
    assert [BAR in page for page in pages] == [True, False, False]
    assert ["73,110" in page for page in pages] == [True, True, False]


def test_a_hundred_accounts_fit() -> None:
    """Those in trouble come first; what does not fit is counted by what it is."""
    many = [status(f"user{number}@x.example") for number in range(97)]
    urgent = [
        status("paused@x.example", state=AccountState.PAUSED),
        status("slow@x.example", trouble="throttled"),
        status("wrong@x.example", state=AccountState.BLOCKED),
    ]
    overview = Overview(accounts=many + urgent, queues={}, dead_letters=0, pollers=1)
    lines = shown(StatusView(overview, lines=24), 80)
    assert len(lines) <= 24
    named = [word for line in lines for word in line.split()[:1] if "@" in word]
    assert named[:3] == ["wrong@x.example", "slow@x.example", "paused@x.example"]
    assert f"and {100 - len(named)} more: {100 - len(named)} complete" in lines
    assert len(shown(StatusView(overview), 80)) > 100


def test_what_is_in_trouble_and_does_not_fit_is_counted() -> None:
    """A screen full of blocked accounts says how many more there are."""
    blocked = [status(f"wrong{number}@x.example", state=AccountState.BLOCKED) for number in range(40)]
    lines = shown(AccountsTable([*blocked, status("well@x.example")], lines=10), 100)
    assert len(lines) == 10
    assert lines[-1] == "and 35 more: 34 blocked, 1 complete"
