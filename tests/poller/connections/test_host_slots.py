"""Connections that a server allows at once: new mail first, background work waits, accounts take turns."""

from __future__ import annotations

from typing import cast

import pytest

from services.mailbox.connection import Code, MailServerError
from services.poller.connections.errors import BudgetSpentError
from services.poller.connections.host_slots import TURN, AllHostSlots
from services.store import Store
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until

HOST = "imap.corp.test"


async def test_background_work_gives_way(world: PollerEnvironment) -> None:
    """It waits while new mail waits, gives its connection back, and learns when new mail alone takes all of them."""
    first, second = (AllHostSlots(world.store, 30).of(HOST, 2) for _ in range(2))
    closed = [await slots.take("bulk") for slots in (first, second)]
    with pytest.raises(BudgetSpentError):
        await first.take("live")
    with pytest.raises(BudgetSpentError):
        first.check("bulk", 0)
    first.check("live", TURN / 2)
    second.check("bulk", 0)  # it does not know yet
    await second.renew()
    with pytest.raises(BudgetSpentError):
        second.check("bulk", 0)
    with pytest.raises(BudgetSpentError):
        second.check("live", TURN + 1)
    closed[1]()
    assert second.changed.is_set()
    await second.renew()
    with pytest.raises(BudgetSpentError):
        await second.take("bulk")
    await first.take("live")
    first.check("bulk", 0)
    closed[0]()
    await first.renew()
    await second.take("live")
    with pytest.raises(MailServerError) as refused:
        await second.take("bulk")
    assert refused.value.code is Code.TOO_MANY_CONNECTIONS


async def test_a_server_without_a_limit_asks_no_one(world: PollerEnvironment) -> None:
    """Nothing is counted or stored."""
    every = AllHostSlots(world.store, 30)
    (await every.of(HOST, 0).take("bulk"))()
    await every.renew()
    assert not every.changed.is_set()
    assert await world.store._collections.budgets.count_documents({}) == 0


def test_one_object_per_server_is_kept() -> None:
    """Accounts of one server share theirs, and those of all servers without a limit share one: an account costs no memory."""
    every = AllHostSlots(cast("Store", None), 30)
    assert every.of(HOST, 2) is every.of(HOST, 2) is not every.of("other", 2)
    assert every.of(HOST, 0) is every.of("other", 0)


async def test_one_connection_is_enough(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A backfill gives way to new mail, then both take turns on one connection. The end of the poller gives it back."""
    await world.know(CLIENT)
    for _ in range(3):
        mailbox.append(mail(CLIENT))
    connected = await world.connect(mailbox.user)
    poller = world.start_poller(host_connections="1")
    await world.complete(connected)
    before = len(world.fetched)
    mailbox.append(mail(CLIENT, subject="fresh"))
    await until(lambda: len(world.fetched) > before, "new mail", world)
    assert "the server allows one connection only" in poller.log.read_text()
    assert poller.stop() == 0
    (left,) = await world.store._collections.budgets.find({}).to_list()
    assert left["parts"] == []
