"""Complete needs evidence: what the server says it holds and what it names must agree, by other commands than those that made the rows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from schemas.accounts import Account
from schemas.ledger import EpochState, Folder, RowState
from testbed.servers.scripted import Dialect, ScriptedMailbox, ScriptedServer
from testbed.servers.scripted.faults import Rewrite
from tests.conftest import MailUser
from tests.poller.fixtures import CLIENT, PollerEnvironment, mail, until

USER = MailUser("me@company.test", "secret")
MAILS = 12


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server."""
    async with ScriptedServer() as server:
        yield server


async def start(
    world: PollerEnvironment, server: ScriptedServer, dialect: Dialect | None = None
) -> tuple[Account, ScriptedMailbox]:
    """Connect a mailbox with mails of a client."""
    box = server.add(USER.address, USER.password)
    for _ in range(MAILS):
        box.add(mail(CLIENT))
    await world.know(CLIENT)
    listener = await server.listen(dialect or Dialect())
    return await world.connect(USER, port=listener.port), box


def says_no_uids(seconds: float | None = None) -> list[Rewrite]:
    """Return faults that leave every uid out of what the server names, by SEARCH and by FETCH."""
    return [
        Rewrite("UID SEARCH", pattern=rb"SEARCH[ 0-9]*$", to=b"SEARCH", seconds=seconds),
        Rewrite("UID FETCH", what="flags", pattern=rb"FETCH", seconds=seconds),
    ]


async def attached(world: PollerEnvironment, account: Account) -> int:
    """Return how many mails have come."""
    return (await world.states(account)).get("attached", 0)


async def inbox(world: PollerEnvironment, account: Account) -> Folder:
    """Return INBOX as stored."""
    return next(folder for folder in await world.store.folders.of(account.id) if folder.raw_name == b"INBOX")


async def test_what_search_does_not_name_fetch_does(world: PollerEnvironment, server: ScriptedServer) -> None:
    """A server whose SEARCH finds nothing: the comparison finds everything, and what was expected is kept beside what was found."""
    account, box = await start(world, server)
    box.faults.append(says_no_uids()[0])
    world.start_poller()
    await world.complete(account)
    await until(lambda: _all(world, account, MAILS), "every mail comes", world)
    folder = await inbox(world, account)
    assert (folder.expected, folder.found) == (MAILS, MAILS)
    totals = (await world.store.ledger_counts.totals(account.id))[folder.id]
    assert (totals.rows, dict(totals.states), totals.left_out) == (MAILS, {RowState.ATTACHED: MAILS}, {})


async def test_a_server_that_names_no_uids_is_not_empty(world: PollerEnvironment, server: ScriptedServer) -> None:
    """EXISTS says twelve: the backfill is not sealed, the reason is shown, and when the server names them they come."""
    account, box = await start(world, server)
    box.faults += says_no_uids()
    world.start_poller()
    await until(lambda: _troubled(world, account, "empty-folder-contradicted"), "the contradiction shows", world)
    epoch = await world.store.epochs.get(account.id, 1)
    assert epoch is not None
    assert epoch.state is EpochState.ENUMERATING
    box.faults.clear()
    await world.complete(account)
    await until(lambda: _all(world, account, MAILS), "every mail comes", world)


@pytest.mark.parametrize("exists", [True, False], ids=["EXISTS contradicts it", "EXISTS agrees"])
async def test_mail_that_is_not_named_for_a_moment_is_not_gone(
    world: PollerEnvironment, server: ScriptedServer, exists: bool
) -> None:
    """On a server that does not name expunged mail, no row ends while the server seems to be empty; one does for a mail that is gone."""
    account, box = await start(world, server, Dialect().without("CONDSTORE", "QRESYNC"))
    world.start_poller(poll_seconds="1")
    await world.complete(account)
    await until(lambda: _all(world, account, MAILS), "every mail comes", world)
    box.faults += says_no_uids(seconds=4)
    if not exists:
        box.faults.append(Rewrite("EXAMINE", pattern=rb"\d+ EXISTS", to=b"0 EXISTS", seconds=4))
    box.delete([3])
    box.add(mail(CLIENT))
    await until(lambda: _gone(world, account), "the expunged mail is gone", world)
    await until(lambda: _all(world, account, MAILS), "the others stay, and the new one comes", world)
    assert (await world.states(account))["gone"] == 1


async def test_new_mail_below_the_next_uid_is_seen(world: PollerEnvironment, server: ScriptedServer) -> None:
    """A server that says a UIDNEXT that is too high delivers mail under lower uids."""
    account, box = await start(world, server)
    box.faults.append(Rewrite("EXAMINE|STATUS|LIST", pattern=rb"UIDNEXT \d+", to=b"UIDNEXT 5000"))
    world.start_poller(poll_seconds="1")
    await world.complete(account)
    for count in (1, 2):
        box.add(mail(CLIENT))
        await until(lambda count=count: _all(world, account, MAILS + count), "the new mail comes", world)


async def _all(world: PollerEnvironment, account: Account, count: int) -> bool:
    return await attached(world, account) == count


async def _gone(world: PollerEnvironment, account: Account) -> bool:
    return (await world.states(account)).get("gone") == 1


async def _troubled(world: PollerEnvironment, account: Account, code: str) -> bool:
    trouble = (await world.store.accounts.get(account.id)).trouble
    return trouble is not None and trouble.code == code
