"""Tables on narrow terminals: a heading is never broken within a word."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console
from rich.text import Text

from schemas.accounts import AccountState
from services.cli.overview.status_view import StatusView
from services.cli.terminal import output
from services.store import AccountStatus
from services.store.core.documents import now
from services.usecases.overview import Overview
from tests.factories import account

WIDE = "a-rather-long-address-of-someone@a-rather-long-domain-of-a-company.example"
TABLES = (
    (("", "date", "thread", "subject", "with", "held by", "", "id"), ("subject", "with", "held by")),
    (("", "date", "subject", "with", "on", "id"), ("subject", "with")),
    (("user", "name", "admin", "state"), ()),
    (("account", "owner", "provider", "sharing", "state", "connected"), ()),
    (("folder", "synchronised"), ()),
    (("queue", "ready", "of", "in progress", "consumers", "in/s", "out/s", "done/s"), ()),
)


@pytest.mark.parametrize(("columns", "cut"), TABLES, ids=lambda one: "-".join(one) if one else "none")
@pytest.mark.parametrize("width", [72, 80, 100])
def test_headings_stay_whole(
    columns: tuple[str, ...], cut: tuple[str, ...], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells are folded or shortened instead, however little a column with a short text has, and however much another."""
    page = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=page, width=width, highlight=False))
    long = {"subject", "with", "held by", "account", "owner", "user", "queue", "folder"}
    rows = [[Text(WIDE if name in long else "#1") for name in columns] for _ in range(2)]
    output.table(None, columns, rows, cut=cut)
    shown = page.getvalue().split()
    for word in " ".join(columns).split():
        assert word in shown, page.getvalue()
    assert max(map(len, page.getvalue().splitlines())) <= width


@pytest.mark.parametrize("width", [60, 80])
def test_headings_of_the_status_stay_whole(width: int) -> None:
    """Also if a queue has a long name."""
    page = io.StringIO()
    queues = {f"matcher.{'record-changed.' * 5}live": Depth()}
    overview = Overview(accounts=[], queues=queues, dead_letters=0, pollers=1)
    Console(file=page, width=width).print(StatusView(overview))
    for word in ("queue", "ready", "in", "progress", "consumers"):
        assert word in page.getvalue().split(), page.getvalue()


class Depth:
    """The depth of a queue."""

    ready = unacknowledged = consumers = 1


def test_the_first_number_is_that_of_active_accounts() -> None:
    """Rows of a paused account wait for its owner, however long. While the broker is down, missing pollers are known."""
    active, paused = account("a@firm.example"), account("b@firm.example", state=AccountState.PAUSED)
    lines = [
        AccountStatus(account=one, holder=None, epoch=None, counts={}, counted_at=since, oldest_unfinished=since)
        for one, since in ((active, now()), (paused, now() - timedelta(days=90)))
    ]
    overview = Overview(accounts=lines, queues=None, dead_letters=0, pollers=0)
    assert overview.oldest == lines[0].oldest_unfinished
    assert overview.stages == {"poller": 0}
    page = io.StringIO()
    Console(file=page, width=80).print(StatusView(overview))
    assert page.getvalue().startswith("no poller is running: mail waits")
