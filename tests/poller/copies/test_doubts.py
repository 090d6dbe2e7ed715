"""Mail that a server does not deliver: it takes several attempts until that is final, and no other mail waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from schemas.accounts import Account
from schemas.ledger import Row
from testbed.servers.scripted import Dialect, ImapFault, ScriptedMailbox, ScriptedServer
from testbed.servers.scripted.faults import Break, Refuse, Rewrite, SendRaw
from tests.conftest import MailUser
from tests.poller.fixtures import CLIENT, PollerEnvironment, mail, until

USER = MailUser("me@company.test", "secret")
BAD = 7
"""The uid of the mail that the server fails at."""
FAILURES: dict[str, Callable[[], ImapFault]] = {
    "the connection is cut": lambda: SendRaw("UID FETCH", uid=BAD, what="header", then_cut=True),
    "BYE": lambda: SendRaw("UID FETCH", uid=BAD, what="body", text=b"* BYE Connection closed. 14\r\n", then_cut=True),
    "a literal that is too short": lambda: Break("UID FETCH", uid=BAD, what="body", share=0.4),
}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    """A scripted server."""
    async with ScriptedServer() as server:
        yield server


async def start(world: PollerEnvironment, server: ScriptedServer) -> tuple[Account, ScriptedMailbox]:
    """Connect a mailbox with twelve mails of a client."""
    box = server.add(USER.address, USER.password)
    for _ in range(12):
        box.add(mail(CLIENT))
    await world.know(CLIENT)
    listener = await server.listen(Dialect())
    return await world.connect(USER, port=listener.port), box


def begin(world: PollerEnvironment, *, evidence_seconds: str) -> None:
    """Start a poller that tries again after short pauses."""
    world.start_poller(module="tests.poller.quick", evidence_seconds=evidence_seconds, poll_seconds="3")


async def inbox(world: PollerEnvironment, account: Account) -> dict[int, Row]:
    """Return the rows of INBOX by uid."""
    return {row.uid: row for row in await world.rows(account)}


def states(rows: dict[int, Row]) -> dict[int, str]:
    """Return the state or the reason of each row."""
    return {uid: row.reason or row.state.value for uid, row in rows.items()}


@pytest.mark.parametrize("name", FAILURES)
async def test_one_mail_that_fails_stops_no_other(world: PollerEnvironment, server: ScriptedServer, name: str) -> None:
    """The other eleven come, the backfill completes, and the mail ends as unreadable. A resync tries it again."""
    account, box = await start(world, server)
    fault = FAILURES[name]()
    box.faults.append(fault)
    begin(world, evidence_seconds="1")
    await world.complete(account)
    found = states(await inbox(world, account))
    assert found == {uid: "unreadable" if uid == BAD else "attached" for uid in range(1, 13)}
    assert 3 <= fault.count < 20

    box.add(mail(CLIENT))
    await until(lambda: _attached(world, account, 13), "new mail comes", world)
    box.faults.clear()
    await world.store.accounts.request_resync(account.id, by="operator")
    await until(lambda: _attached(world, account, BAD), "the mail is tried again", world)


@pytest.mark.parametrize("what", ["header", "body"])
async def test_a_refusal_that_may_pass_is_never_final(
    world: PollerEnvironment, server: ScriptedServer, what: str
) -> None:
    """The other eleven come, and new mail; the mail stays planned, with its trouble shown, until it comes: then all is complete."""
    account, box = await start(world, server)
    fault = Refuse("UID FETCH", uid=BAD, what=what, text="NO [SERVERBUG] FETCH Server error")
    box.faults.append(fault)
    world.start_poller(evidence_seconds="1")
    for uid in (12, 6):
        await until(lambda uid=uid: _attached(world, account, uid), f"mail {uid} comes", world)
    await until(lambda: _doubted(world, account, BAD), "it is doubted", world)
    box.add(mail(CLIENT))
    await until(lambda: _attached(world, account, 13), "new mail comes", world)
    await until(lambda: fault.count > 5, "it is asked for again", world)
    await until(lambda: _sealed(world, account), "all has its row", world)
    found = await inbox(world, account)
    assert (found[BAD].state, found[BAD].doubt) == ("planned", "unavailable")
    assert {state for uid, state in states(found).items() if uid != BAD} == {"attached"}
    trouble = (await world.store.accounts.get(account.id)).trouble
    assert trouble is not None
    assert (trouble.code, trouble.phase) == ("unavailable", "backfill")
    box.faults.clear()
    await world.complete(account)
    await until(lambda: _untroubled(world, account), "the trouble is over", world)
    assert set(states(await inbox(world, account)).values()) == {"attached"}


async def test_one_new_mail_that_fails_stops_no_other(world: PollerEnvironment, server: ScriptedServer) -> None:
    """New mail arrives behind one that breaks the connection."""
    account, box = await start(world, server)
    begin(world, evidence_seconds="1")
    await world.complete(account)
    for what in ("header", "body"):
        uid = box.folder().uidnext
        box.faults.append(SendRaw("UID FETCH", uid=uid, what=what, then_cut=True))
        for _ in range(3):
            box.add(mail(CLIENT))
        await until(lambda uid=uid: _attached(world, account, uid + 2), f"new mail comes ({what})", world)
        await until(lambda uid=uid: _ended(world, account, uid, "unreadable"), "it ends", world)
    assert set(states(await inbox(world, account)).values()) == {"attached", "unreadable"}


@pytest.mark.parametrize("what", ["body", "header"])
async def test_withheld_takes_two_answers(world: PollerEnvironment, server: ScriptedServer, what: str) -> None:
    """An OK without the mail is kept in mind; the row ends when it is still so after a while, and not if the mail comes then."""
    account, box = await start(world, server)
    for uid, times in ((BAD, None), (3, 3)):
        box.faults.append(Rewrite("UID FETCH", uid=uid, what=what, times=times, pattern=rb"UID %d " % uid))
    begin(world, evidence_seconds="2")
    await until(lambda: _doubted(world, account, BAD), "it is doubted", world)
    assert (await inbox(world, account))[BAD].state == "planned"
    await world.complete(account)
    found = await inbox(world, account)
    assert states(found) == {uid: "withheld" if uid == BAD else "attached" for uid in range(1, 13)}
    assert found[BAD].doubts >= 2
    assert found[3].doubt is None


async def test_throttling_ends_nothing(world: PollerEnvironment, server: ScriptedServer) -> None:
    """While the server refuses every FETCH, nothing is final, and it is not asked over and over."""
    account, box = await start(world, server)
    box.faults.append(Refuse("UID FETCH", seconds=4, text="NO [UNAVAILABLE] Request is throttled."))
    begin(world, evidence_seconds="1")
    await world.complete(account)
    assert set(states(await inbox(world, account)).values()) == {"attached"}
    assert box.faults[-1].count < 25


async def _attached(world: PollerEnvironment, account: Account, uid: int) -> bool:
    return states(await inbox(world, account)).get(uid) == "attached"


async def _ended(world: PollerEnvironment, account: Account, uid: int, reason: str) -> bool:
    return states(await inbox(world, account)).get(uid) == reason


async def _sealed(world: PollerEnvironment, account: Account) -> bool:
    epoch = await world.store.epochs.get(account.id, 1)
    return epoch is not None and epoch.state == "sealed"


async def _untroubled(world: PollerEnvironment, account: Account) -> bool:
    return (await world.store.accounts.get(account.id)).trouble is None


async def _doubted(world: PollerEnvironment, account: Account, uid: int) -> bool:
    rows = await inbox(world, account)
    return uid in rows and rows[uid].doubt is not None
