"""Budgets of a mail service: a backfill waits for them in the open, new mail keeps its share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import time

import pytest

from schemas.accounts import Account
from schemas.ledger import EpochState
from services.mailbox.providers import directory
from services.poller.connections.budgets import Limits, ServiceBudgets
from services.poller.connections.errors import BudgetSpentError
from tests.factories import account
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 6_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def span_that_ends_in(seconds: float) -> float:
    """Return a span of weeks, in seconds, of which one ends in so many seconds: no other does in a test, however slow it is."""
    return (time() + seconds) / 1_000


async def spend(budget: object, *, bulk: bool, most: int = 1_000) -> int:
    """Send commands until the budget is spent; returns how many."""
    for count in range(most):
        try:
            await budget.command(bulk=bulk)  # type: ignore[attr-defined]
        except BudgetSpentError:
            return count
    return most


async def test_commands_to_one_server_are_shared_by_its_accounts(world: PollerEnvironment) -> None:
    """Two pollers with two accounts at one server send no more than the server gets, and the next minute as many again."""
    clock = Clock()
    first, second = (ServiceBudgets(world.store, Limits(host_commands=100)) for _ in range(2))
    budgets = [pollers.of(account(f"{name}@corp.com"), None) for pollers, name in ((first, "a"), (second, "b"))]
    for budget in budgets:
        budget.commands.clock = clock
    bulk = sum([await spend(budget, bulk=True) for budget in budgets])
    assert 75 <= bulk <= 80
    live = sum([await spend(budget, bulk=False) for budget in budgets])
    assert 95 <= bulk + live <= 100
    clock.now += 60
    assert await spend(budgets[0], bulk=True) > 70


async def test_a_service_without_limits_asks_no_one(world: PollerEnvironment) -> None:
    """Without a limit nothing is stored and nothing is refused."""
    budget = ServiceBudgets(world.store, Limits()).of(account("a@corp.com"), None)
    await budget.login()
    assert await spend(budget, bulk=True) == 1_000
    assert not budget.commands.bucket


def test_the_directory_knows_gmails_limit() -> None:
    """Gmail allows 2.5 GB a day and mailbox; a setting takes precedence."""
    gmail = directory().by_key["gmail"]
    assert Limits().of(gmail).mailbox_bytes == 2_500_000_000
    assert Limits(mailbox_bytes=7).of(gmail).mailbox_bytes == 7
    assert Limits().of(None) == Limits()


async def test_a_backfill_waits_for_its_budget_and_goes_on_by_itself(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """It shows what it waits for, new mail arrives meanwhile, and the import is complete some budgets later."""
    await world.know(CLIENT)
    for number in range(8):  # one command each
        mailbox.create(f"Part{number}")
        mailbox.append(mail(CLIENT, body="x" * 60_000), folder=f"Part{number}")
    connected = await world.connect(mailbox.user)
    first = world.start_poller(
        "first", mailbox_bytes="400000", mailbox_bytes_hours=str(span_that_ends_in(7_200) / 3600)
    )

    async def found() -> Account:
        return await world.store.accounts.get(connected.id)

    async def waits() -> bool:
        trouble = (await found()).trouble
        return trouble is not None and (trouble.code, trouble.phase) == ("budget", "backfill")

    await until(waits, "the backfill waits", world)
    mailbox.append(mail(CLIENT, subject="fresh"))
    await until(lambda: any(b"fresh" in raw for _, raw in world.fetched), "new mail", world)
    epoch = await world.store.epochs.get(connected.id, 1)
    assert epoch is not None
    assert epoch.state is not EpochState.COMPLETE
    assert len(world.fetched) < 9

    # Another poller waits, too, but not for hours.
    assert first.stop() == 0
    span = span_that_ends_in(10)
    spent = f"bytes.{connected.id}.{int(time() // span)}"
    await world.store.budgets.take(spent, 800_000, limit=800_000, until=datetime.now(UTC) + timedelta(hours=1))
    world.start_poller("second", mailbox_bytes="1000000", mailbox_bytes_hours=str(span / 3600))
    await world.complete(connected)

    async def over() -> bool:
        return (await found()).trouble is None

    await until(over, "no trouble any more", world)
    assert len(world.fetched) == 9


async def test_a_spent_budget_stops_the_command(world: PollerEnvironment) -> None:
    """Bytes that were used count, also beyond the chunk."""
    budget = ServiceBudgets(world.store, Limits(mailbox_bytes=1_000)).of(account("a@corp.com"), None)
    await budget.command(bulk=True)
    budget.octets.use(5_000)
    with pytest.raises(BudgetSpentError):
        await budget.command(bulk=False)
