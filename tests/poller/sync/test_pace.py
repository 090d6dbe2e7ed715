"""A server that reports changes which are none costs few commands a second, and mail is still noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from time import monotonic

import pytest

from services.mailbox.connection import ConnectPolicy, password
from services.mailbox.imap import ImapSession, Wakeup, connect_imap
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.sync import command_pace
from services.poller.sync.folder_rounds import FolderRounds
from services.poller.sync.mailbox_watcher import MailboxWatcher
from services.poller.sync.sent_watcher import SentWatcher
from services.runtime.tasks import cancel_and_wait
from testbed.servers.scripted import Call, Dialect, ImapFault, ScriptedServer
from testbed.servers.scripted.faults import Refuse
from testbed.servers.scripted.mailbox import ScriptedMailbox
from tests.poller.conftest import POLICY
from tests.poller.fixtures import Mailbox, PollerEnvironment, mail

BURST = 6.0
MOST = 5
"""Commands a second in the long run."""
HEARD = 50
"""Commands after which a test looks at the clock."""


@dataclass
class Restless(ImapFault):
    """Changes a number in what it says each time: ``%d`` in ``line``."""

    line: bytes = b""

    def __post_init__(self) -> None:
        self._numbers = count(10)

    def after(self, call: Call, lines: list[bytes]) -> list[bytes]:
        """Say it after everything else."""
        return [*lines[:-1], self.line.replace(b"%d", b"%d" % next(self._numbers)), lines[-1]]

    async def before(self, call: Call) -> bool:
        """Say it before an IDLE is answered."""
        if call.name == "IDLE":
            await call.client.write(self.line.replace(b"%d", b"%d" % next(self._numbers)) + b"\r\n")
        return False


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedMailbox]:
    """A mailbox on the scripted server."""
    async with ScriptedServer() as server:
        mailbox = server.add("ana", "secret")
        await server.listen(Dialect())
        mailbox.port = server.listeners[0].port  # type: ignore[attr-defined]
        yield mailbox


@pytest.fixture
async def session(world: PollerEnvironment, mailbox: Mailbox, scripted: ScriptedMailbox) -> AsyncIterator[ImapSession]:
    """A session on it, for an account that is known."""
    account = await world.connect(mailbox.user)
    address = account.incoming.model_copy(
        update={"host": "127.0.0.1", "port": scripted.port, "tls": "none", "username": "ana"}  # type: ignore[attr-defined]
    )
    policy: ConnectPolicy = POLICY
    session = ImapSession(await asyncio.to_thread(connect_imap, address, password("secret"), policy=policy))
    yield session
    session.discard()


@asynccontextmanager
async def watching(
    context: AccountContext, session: ImapSession, poll: float = 60, wake: Wakeup | None = None
) -> AsyncIterator[None]:
    """Run a watcher for the block."""
    fetcher, wake = BodyFetcher(context), wake or Wakeup()
    watcher = MailboxWatcher(context, fetcher, session, poll_seconds=poll, idle_seconds=60, wake=wake)
    task = asyncio.create_task(watcher.run())
    try:
        yield
        if task.done():
            task.result()
    finally:
        await cancel_and_wait(task)


def heard(mailbox: ScriptedMailbox) -> int:
    """Return how many commands came."""
    return sum(mailbox.calls.values())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "fault",
    [
        Restless("IDLE", line=b"* %d EXISTS"),
        Restless("IDLE", line=b"* 1 EXPUNGE"),
        Restless("IDLE", line=b"* 1 FETCH (FLAGS (a%d))"),
        Restless("IDLE", line=b"* LIST () NIL x%d"),
        Restless("EXAMINE", line=b"* OK [HIGHESTMODSEQ 9%d] x"),
    ],
    ids=["EXISTS", "EXPUNGE", "FETCH", "LIST", "HIGHESTMODSEQ"],
)
async def test_changes_that_are_none_cost_few_commands(
    context: AccountContext,
    session: ImapSession,
    scripted: ScriptedMailbox,
    fault: Restless,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At first as many as it takes, then at most five a second."""
    monkeypatch.setattr(command_pace, "BURST", BURST)
    scripted.faults.append(fault)
    async with watching(context, session):
        await until(lambda: scripted.calls["IDLE"] > 0)
        before, since = heard(scripted), monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(6):
                await until(lambda: heard(scripted) - before > HEARD)
        assert heard(scripted) - before <= 3 * BURST + MOST * (monotonic() - since)


async def test_checks_that_are_asked_for_cost_few_commands(
    context: AccountContext, session: ImapSession, scripted: ScriptedMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection that idles on Sent asks for one at each change, and the server may report changes for ever."""
    monkeypatch.setattr(command_pace, "BURST", BURST)
    wake = Wakeup()
    async with watching(context, session, wake=wake):
        await until(lambda: scripted.calls["IDLE"] > 0)
        before, since = heard(scripted), monotonic()

        def much() -> bool:
            wake.set()
            return heard(scripted) - before > HEARD

        with suppress(TimeoutError):
            async with asyncio.timeout(6):
                await until(much)
        assert heard(scripted) - before <= 3 * BURST + MOST * (monotonic() - since)


async def test_turns_on_sent_cost_few_commands(
    context: AccountContext, session: ImapSession, scripted: ScriptedMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where background work takes the connection again and again."""
    monkeypatch.setattr(command_pace, "BURST", BURST)
    rounds = FolderRounds(60)
    await MailboxWatcher(
        context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup(), rounds=rounds
    ).check()
    rounds.announced.set()
    scripted.faults.append(Restless("IDLE", line=b"* %d EXISTS"))
    sent, leave = SentWatcher(context, rounds, Wakeup(), idle_seconds=60), Wakeup()
    before, since = heard(scripted), monotonic()
    while monotonic() - since < 4:
        leave.clear()
        asyncio.get_running_loop().call_later(0.2, leave.set)
        await sent.run(session, leave)
        assert sent.folder is not None
    assert heard(scripted) - before <= 2 * BURST + command_pace.SENT_RATE * (monotonic() - since)


async def test_mail_is_noticed_while_idle_is_refused(
    world: PollerEnvironment, context: AccountContext, session: ImapSession, scripted: ScriptedMailbox
) -> None:
    """A server that offers IDLE and refuses it is polled, on the same connection."""
    scripted.faults.append(Refuse("IDLE", text="NO not for you"))
    async with watching(context, session, poll=0.2):
        await until(lambda: scripted.calls["IDLE"] > 0)
        scripted.add(mail("stranger@else.test"))
        await until(lambda: any(folder.live_next > 1 for folder in context.folders.values()))
        assert not session.closed
    assert await world.states(context.account) == {"unmatched": 1}
    assert scripted.calls["IDLE"] == 1
