"""Servers that do not answer harm no other account."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.poller.__main__ import BACKGROUND_SLOTS, COMMAND_THREADS
from testbed.servers.scripted import ScriptedServer
from testbed.servers.scripted.faults import Pause
from tests.conftest import MailUser
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until

HANGING = 40


@pytest.fixture
async def hanging() -> AsyncIterator[tuple[list[MailUser], int]]:
    """Users of a server that accepts their login and never answers EXAMINE."""
    async with ScriptedServer() as server:
        users = []
        for number in range(HANGING):
            user = MailUser(f"user{number}@silent.test", "secret")
            server.add(user.address, user.password).faults.append(Pause("EXAMINE"))
            users.append(user)
        listener = await server.listen()
        yield users, listener.port


async def test_forty_accounts_that_hang_stop_no_mail(
    world: PollerEnvironment,
    mailbox: Mailbox,
    hanging: tuple[list[MailUser], int],
) -> None:
    """More accounts hang than there are threads and slots: backfill and live mail of another go on."""
    assert max(COMMAND_THREADS, BACKGROUND_SLOTS) < HANGING
    users, port = hanging
    await world.know(CLIENT)
    for user in users:
        await world.connect(user, port=port)
    poller = world.start_poller()
    leased = '"account leased"'
    await until(lambda: poller.log.read_text().count(leased) >= HANGING, "the silent accounts are leased", world)
    mailbox.append(mail(CLIENT))
    account = await world.connect(mailbox.user)
    await world.complete(account)
    mailbox.append(mail(CLIENT))
    await until(lambda: len(world.fetched) == 2, "live mail", world)
