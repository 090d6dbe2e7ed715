"""How soon changes of folders are noticed that no server announces: counted in rounds and commands, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import pytest

from schemas.identity import folder_id
from schemas.ledger import Folder, RowState
from services.mailbox.connection import password
from services.mailbox.imap import ConnectionLostError, ImapSession, MailboxEvents, Wakeup, connect_imap
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.sync.backfill import Backfill
from services.poller.sync.command_pace import BURST, WATCH_RATE, CommandPace
from services.poller.sync.folder_rounds import ROOM, SLOW, UNANSWERED, FolderRounds
from services.poller.sync.mailbox_watcher import MailboxWatcher
from services.poller.sync.sent_watcher import SentWatcher
from services.runtime.tasks import cancel_and_wait
from testbed.servers.scripted import Call, Dialect, ImapFault, ScriptedServer
from testbed.servers.scripted.dialects import FULL
from testbed.servers.scripted.faults import Refuse, Rewrite, SendRaw
from testbed.servers.scripted.mailbox import ScriptedMailbox
from tests.poller.conftest import POLICY
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy
from tests.poller.sync.test_folder_rounds import AROUND, POLL, Clock

STRANGER = "stranger@else.test"
PLAIN = FULL.without("CONDSTORE", "QRESYNC", "ENABLE", "LIST-STATUS")
"""Says nothing about flags, and of one folder at a time."""
FAR = 3_600.0
"""Seconds between two rounds that a test does not wait for."""


@pytest.fixture
def dialect(request: pytest.FixtureRequest) -> Dialect:
    """What the server offers."""
    return getattr(request, "param", FULL)


@pytest.fixture
async def scripted(dialect: Dialect) -> AsyncIterator[ScriptedMailbox]:
    """A mailbox on the scripted server, with some folders of its owner."""
    async with ScriptedServer() as server:
        mailbox = server.add("ana", "secret", dialect)
        await server.listen(dialect)
        mailbox.port = server.listeners[0].port  # type: ignore[attr-defined]
        for number in range(50):
            mailbox.create(f"F{number}")
            mailbox.add(mail(STRANGER), f"F{number}")
        yield mailbox


@pytest.fixture
async def connect(
    world: PollerEnvironment, mailbox: Mailbox, scripted: ScriptedMailbox
) -> AsyncIterator[Callable[[], asyncio.Future[ImapSession]]]:
    """Opens sessions on it, for an account that is known."""
    account = await world.connect(mailbox.user)
    address = account.incoming.model_copy(
        update={"host": "127.0.0.1", "port": scripted.port, "tls": "none", "username": "ana"}  # type: ignore[attr-defined]
    )
    opened: list[ImapSession] = []

    async def make() -> ImapSession:
        client = await asyncio.to_thread(connect_imap, address, password("secret"), policy=POLICY)
        opened.append(ImapSession(client))
        await opened[-1].prepare()
        return opened[-1]

    yield lambda: asyncio.ensure_future(make())
    for session in opened:
        session.discard()


@pytest.fixture
async def session(connect: Callable[[], asyncio.Future[ImapSession]]) -> ImapSession:
    """One session."""
    return await connect()


@pytest.fixture
def clock() -> Clock:
    """Time that passes when a test says so."""
    return Clock()


@pytest.fixture
def watch(context: AccountContext, session: ImapSession, clock: Clock) -> MailboxWatcher:
    """A watcher of which a test takes each round."""
    return watcher(context, session, FolderRounds(POLL, clock=clock))


def watcher(
    context: AccountContext,
    session: ImapSession,
    rounds: FolderRounds,
    *,
    poll: float = FAR,
    wake: Wakeup | None = None,
) -> MailboxWatcher:
    """Return a watcher."""
    return MailboxWatcher(
        context,
        BodyFetcher(context),
        session,
        poll_seconds=poll,
        idle_seconds=FAR,
        wake=wake or Wakeup(),
        rounds=rounds,
    )


@asynccontextmanager
async def running(*tasks: asyncio.Task[None]) -> AsyncIterator[None]:
    """End tasks after the block."""
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        await cancel_and_wait(*tasks)


async def rounds_until(watch: MailboxWatcher, clock: Clock, condition: Callable[[], object], *, most: int = 100) -> int:
    """Take rounds with the room that the pace gives until a condition holds; returns how many."""
    pace = CommandPace(WATCH_RATE, clock=clock)
    for count in range(1, most + 1):
        clock.now += POLL
        before = watch._session.commands
        await watch.folders.check(everything=False, room=pace.room, idles=True)
        pace.spend(AROUND + watch._session.commands - before)
        result = condition()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return count
    pytest.fail(f"not in {most} rounds")


async def walk(world: PollerEnvironment, context: AccountContext, watch: MailboxWatcher) -> None:
    """Run the backfill, so that each mail has its row."""
    epoch = await world.store.epochs.get(context.account.id, 1)
    assert epoch is not None
    await Backfill(context, BodyFetcher(context), watch._session, epoch).run()


def noticed(context: AccountContext, name: str, mails: int) -> bool:
    """Whether so many mails of a folder are known."""
    return context.folders[folder_id(name.encode())].live_next > mails


async def flags(world: PollerEnvironment, context: AccountContext) -> list[str]:
    """Return the names of folders of which a row has a flag."""
    names = {folder.id: folder.name for folder in context.folders.values()}
    return sorted(names[row.folder] for row in await world.rows(context.account) if row.flags)


@pytest.mark.parametrize("dialect", [FULL, FULL.without("SPECIAL-USE")], ids=["marks", "none"], indirect=True)
async def test_one_answer_a_round_tells_of_all_folders(
    context: AccountContext, session: ImapSession, scripted: ScriptedMailbox, watch: MailboxWatcher, clock: Clock
) -> None:
    """LIST with STATUS: mail in any folder is noticed in the next round, which costs one command where nothing happens."""
    await watch.check()
    for number in (3, 33):
        scripted.add(mail(STRANGER), f"F{number}")
        assert await rounds_until(watch, clock, partial(noticed, context, f"F{number}", 2)) == 1
    await session.examine(b"INBOX")
    clock.now += POLL
    before = scripted.calls.total()
    await watch.check(everything=False)
    assert scripted.calls.total() - before == 1


async def test_numbers_that_cannot_be_in_that_answer_cost_only_its_speed(
    context: AccountContext, scripted: ScriptedMailbox, watch: MailboxWatcher, clock: Clock
) -> None:
    """The folders are asked one by one, on the same connection."""
    await watch.check()
    scripted.faults.append(Rewrite("LIST", pattern=rb"UIDNEXT \d+", to=b"UIDNEXT 99999999999999999999999"))
    await watch.check()
    scripted.add(mail(STRANGER), "F3")
    await rounds_until(watch, clock, partial(noticed, context, "F3", 2), most=25)
    assert not watch._session.closed


@pytest.mark.parametrize("dialect", [FULL.without("LIST-STATUS")], indirect=True)
async def test_without_it_a_busy_folder_is_asked_about_in_each_round(
    context: AccountContext, scripted: ScriptedMailbox, watch: MailboxWatcher, clock: Clock
) -> None:
    """The first mail after long waits for the folder's turn; the ones after it, and mail in Sent, for the next round only."""
    await watch.check()
    scripted.add(mail(STRANGER), "F20")
    assert await rounds_until(watch, clock, partial(noticed, context, "F20", 2)) > 1
    before = scripted.calls.total()
    for count in (3, 4, 5):
        scripted.add(mail(STRANGER), "F20")
        assert await rounds_until(watch, clock, partial(noticed, context, "F20", count)) == 1
    scripted.add(mail(STRANGER), "Sent")
    assert await rounds_until(watch, clock, partial(noticed, context, "Sent", 1)) == 1
    assert scripted.calls.total() - before <= 4 * WATCH_RATE * POLL


@dataclass
class Turns(ImapFault):
    """Notes when the server is asked about each folder; no fault at all."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.at = defaultdict[bytes, list[float]](list)

    async def before(self, call: Call) -> bool:
        """Note it."""
        self.at[call.folder].append(self.clock.now)
        return False

    def longest(self, since: float) -> dict[bytes, float]:
        """Return the longest pause of each folder."""
        return {
            name: max(later - one for one, later in pairwise([since, *times, self.clock.now]))
            for name, times in self.at.items()
        }


@pytest.mark.parametrize("dialect", [FULL.without("LIST-STATUS")], indirect=True)
async def test_of_hundreds_of_folders_each_has_its_turn(
    context: AccountContext,
    scripted: ScriptedMailbox,
    watch: MailboxWatcher,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is in use in each round, quiet ones within minutes, for few commands a second; none is compared with each other one."""
    equal, comparisons = Folder.__eq__, Counter[str]()
    monkeypatch.setattr(Folder, "__eq__", lambda *two: comparisons.update(["=="]) or equal(*two))
    for number in range(50, 600):
        scripted.create(f"F{number}")
    await watch.check()
    while watch.rounds.unknown(context.selected):
        await watch.check(everything=False)
    turns, since, before = Turns("STATUS", clock=clock), clock.now, scripted.calls.total()
    scripted.faults.append(turns)
    rounds = 45

    def mail_comes() -> bool:
        scripted.add(mail(STRANGER), "F20")
        return clock.now - since >= rounds * POLL

    assert await rounds_until(watch, clock, mail_comes) == rounds
    longest = turns.longest(since)
    assert longest.keys() >= {folder.raw_name for folder in context.selected} - {b"INBOX", b"F20"}
    assert longest[b"Sent"] == POLL
    assert max(longest.values()) <= 8 * 60
    assert context.folders[folder_id(b"F20")].live_next == rounds + 1
    assert comparisons.total() < 10 * len(context.selected)
    assert scripted.calls.total() - before <= WATCH_RATE * (clock.now - since) + BURST


@pytest.mark.parametrize("dialect", [FULL.without("LIST-STATUS"), PLAIN], ids=["CONDSTORE", "plain"], indirect=True)
async def test_moved_mail_is_known_at_its_new_place_first(
    world: PollerEnvironment, context: AccountContext, scripted: ScriptedMailbox, watch: MailboxWatcher, clock: Clock
) -> None:
    """Whichever folder's turn it is: where mail has left one, all others are asked about before its copy goes."""
    await walk(world, context, watch)
    await watch.check()
    scripted.move([1], "F20", "F40")

    async def moved() -> bool:
        rows = [row.folder for row in await world.rows(context.account)]
        return rows.count(folder_id(b"F40")) == 2 and folder_id(b"F20") not in rows

    known: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.metrics.gone, "inc", lambda _: known.append(noticed(context, "F40", 2)))
        await rounds_until(watch, clock, moved)
    assert known == [True]


@pytest.mark.parametrize("dialect", [PLAIN], indirect=True)
async def test_flags_of_all_folders_follow_within_a_minute_without_condstore(
    world: PollerEnvironment,
    context: AccountContext,
    scripted: ScriptedMailbox,
    watch: MailboxWatcher,
    clock: Clock,
) -> None:
    """In 100 folders while the mailbox is in use, at few commands a second."""
    for number in range(50, 100):
        scripted.create(f"F{number}")
        scripted.add(mail(STRANGER), f"F{number}")
    await walk(world, context, watch)
    await watch.check()
    await watch.check()
    for number in range(100):
        scripted.flag([1], add=[r"\Flagged"], folder=f"F{number}")
    before, since = scripted.calls.total(), clock.now

    async def all_of_them() -> bool:
        return len(await flags(world, context)) == 100

    assert await rounds_until(watch, clock, all_of_them) * POLL <= 60
    assert scripted.calls.total() - before <= WATCH_RATE * (clock.now - since) + BURST


@pytest.mark.parametrize("dialect", [PLAIN], indirect=True)
async def test_a_mail_that_was_read_shows_in_the_next_question(
    world: PollerEnvironment,
    context: AccountContext,
    scripted: ScriptedMailbox,
    watch: MailboxWatcher,
    clock: Clock,
) -> None:
    r"""Without CONDSTORE, STATUS says how many mails are unread: ``\Seen`` need not wait for the turn of the folder's flags."""
    await walk(world, context, watch)
    await watch.check()
    watch.rounds.changed(folder_id(b"F5"))
    for folder in context.selected:
        watch.rounds.turns[folder.id].compared = clock.now + FAR
    scripted.flag([1], add=[r"\Seen"], folder="F5")

    async def read() -> bool:
        return await flags(world, context) == ["F5"]

    assert await rounds_until(watch, clock, read) == 1


@pytest.fixture
async def old(
    world: PollerEnvironment,
    context: AccountContext,
    scripted: ScriptedMailbox,
    watch: MailboxWatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unread mail that is too old for its flags to be compared, in F5 and INBOX, and flags that have no turn for long."""
    for limit in ("RECENT_FLAGS", "FEW_FLAGS"):
        monkeypatch.setattr(f"services.poller.sync.folder_sync.{limit}", 1)
    for name in ("F5", "INBOX"):
        for _ in range(3):
            scripted.add(mail(STRANGER), name)
    await walk(world, context, watch)
    await watch.check()
    await watch.check()
    for folder in context.selected:
        later = 2 if folder.name in ("F5", "INBOX") else 1
        watch.rounds.turns[folder.id].compared = watch.rounds._clock() + later * FAR
    watch.rounds.changed(folder_id(b"F5"))


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("dialect", [PLAIN, PLAIN.including("LIST-STATUS")], ids=["STATUS", "LIST"], indirect=True)
@pytest.mark.parametrize("kept_open", [b"INBOX", b"F5"])
async def test_an_old_mail_that_was_read_shows_in_the_next_question(  # noqa: PLR0917
    world: PollerEnvironment,
    context: AccountContext,
    scripted: ScriptedMailbox,
    watch: MailboxWatcher,
    clock: Clock,
    kept_open: bytes,
) -> None:
    """Also one that is marked as unread again, and one that is read while another one comes, so that as many are unread."""

    async def seen() -> list[int]:
        return sorted(row.uid for row in await world.rows(context.account) if r"\Seen" in row.flags)

    async def after(uids: list[int]) -> bool:
        await watch._session.examine(kept_open)
        watch.rounds.turns[folder_id(b"F5")].compared = clock.now + 2 * FAR
        return await seen() == uids

    await watch._session.examine(kept_open)
    scripted.flag([1, 2], add=[r"\Seen"], folder="F5")
    assert await rounds_until(watch, clock, partial(after, [1, 2])) == 1
    scripted.flag([1], remove=[r"\Seen"], folder="F5")
    assert await rounds_until(watch, clock, partial(after, [2])) == 1
    scripted.add(mail(STRANGER), "F5")
    scripted.flag([1], add=[r"\Seen"], folder="F5")
    assert await rounds_until(watch, clock, partial(after, [1, 2])) == 1


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("dialect", [PLAIN], indirect=True)
async def test_new_mail_alone_makes_nobody_look_at_old_mail(
    context: AccountContext, scripted: ScriptedMailbox, watch: MailboxWatcher, clock: Clock
) -> None:
    """As many more are unread as have come."""
    await watch._session.examine(b"INBOX")
    before = scripted.calls["UID SEARCH"]
    for count in (5, 6):
        scripted.add(mail(STRANGER), "F5")
        assert await rounds_until(watch, clock, partial(noticed, context, "F5", count)) == 1
        await watch._session.examine(b"INBOX")
    assert scripted.calls["UID SEARCH"] == before


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("dialect", [PLAIN], indirect=True)
async def test_an_old_mail_in_inbox_that_was_read_shows_when_it_is_told_or_has_its_turn(
    world: PollerEnvironment, context: AccountContext, scripted: ScriptedMailbox, watch: MailboxWatcher, clock: Clock
) -> None:
    """Its flags are announced while it is idled on. Where they are not, they are found when the open folder is checked."""

    async def read(count: int) -> bool:
        return sum(r"\Seen" in row.flags for row in await world.rows(context.account)) == count

    scripted.flag([1], add=[r"\Seen"], folder="INBOX")
    await watch._session.examine(b"INBOX")
    await watch._process(MailboxEvents(flags=True))
    assert await read(1)
    scripted.flag([2], add=[r"\Seen"], folder="INBOX")
    watch.rounds.turns[folder_id(b"INBOX")].compared = clock.now
    assert await rounds_until(watch, clock, partial(read, 2)) <= SLOW


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("dialect", [PLAIN], indirect=True)
@pytest.mark.parametrize("lie", [Rewrite("UID SEARCH", pattern=rb"(SEARCH)[ 0-9]*", to=rb"\1"), Refuse("UID SEARCH")])
async def test_what_is_unread_is_believed_of_no_search(  # noqa: PLR0917
    world: PollerEnvironment,
    context: AccountContext,
    scripted: ScriptedMailbox,
    watch: MailboxWatcher,
    clock: Clock,
    lie: ImapFault,
) -> None:
    """The flags themselves are asked for. A server that refuses to say has its mail watched all the same."""
    scripted.faults.append(lie)
    scripted.flag([1], add=[r"\Seen"], folder="F5")
    scripted.add(mail(STRANGER), "F6")
    await rounds_until(watch, clock, partial(noticed, context, "F6", 2))
    assert {row.uid for row in await world.rows(context.account) if row.flags} <= {1}


@pytest.mark.parametrize("dialect", [FULL.without("LIST-STATUS")], indirect=True)
async def test_after_a_start_every_folder_is_asked_about_once(
    context: AccountContext, session: ImapSession, scripted: ScriptedMailbox
) -> None:
    """In pieces, between which INBOX is watched. A new connection asks about what its turn is, not about all of them again."""
    for number in range(50, 3 * ROOM):
        scripted.create(f"F{number}")
    rounds = FolderRounds(FAR)
    watch = watcher(context, session, rounds)
    async with running(asyncio.create_task(watch.run())):
        await until(lambda: scripted.calls["STATUS"] >= 3 * ROOM, "each folder was asked about")
        scripted.add(mail(STRANGER))
        await until(lambda: noticed(context, "INBOX", 1), "INBOX is watched")
        assert not rounds.unknown(context.selected)
        assert scripted.calls["IDLE"] > 1
    assert scripted.calls["STATUS"] <= 3 * ROOM + len(context.selected) - 3 * ROOM + ROOM


@pytest.mark.parametrize("dialect", [FULL.including("NOTIFY")], indirect=True)
async def test_status_keeps_what_the_server_reports_of_other_folders(
    session: ImapSession, scripted: ScriptedMailbox
) -> None:
    """A server with NOTIFY says it once, with the answer to any command."""
    assert await session.watch_all()
    await session.examine(b"INBOX")
    scripted.add(mail(), "F1")
    assert (await session.status(b"F2"))["messages"] == 1
    assert (await session.status(b"F3"))["messages"] == 1
    assert any(line.startswith(b"* STATUS") and b"F1" in line for line in session.unsolicited())


async def test_idle_that_is_never_answered_is_given_up(
    context: AccountContext,
    session: ImapSession,
    scripted: ScriptedMailbox,
    connect: Callable[[], asyncio.Future[ImapSession]],
) -> None:
    """After some lost connections, the mailbox is polled."""
    scripted.faults.append(SendRaw("IDLE", then_cut=True))
    rounds = FolderRounds(POLL)
    for count in range(UNANSWERED):
        with pytest.raises(ConnectionLostError):
            await watcher(context, session, rounds).run()
        assert scripted.calls["IDLE"] == count + 1
        session = await connect()
    async with running(asyncio.create_task(watcher(context, session, rounds, poll=0.2).run())):
        scripted.add(mail(STRANGER))
        await until(lambda: noticed(context, "INBOX", 1), "new mail")
    assert scripted.calls["IDLE"] == UNANSWERED


async def test_the_second_connection_idles_on_sent(
    context: AccountContext,
    session: ImapSession,
    scripted: ScriptedMailbox,
    connect: Callable[[], asyncio.Future[ImapSession]],
) -> None:
    """Mail in Sent shows without a round; the connection is free again as soon as background work wants it."""
    rounds, wake, leave = FolderRounds(FAR), Wakeup(), Wakeup()
    sent = SentWatcher(context, rounds, wake, idle_seconds=FAR)
    other = await connect()
    async with running(asyncio.create_task(watcher(context, session, rounds, wake=wake).run())):
        await until(lambda: sent.folder is not None, "INBOX is idled on")
        idling = asyncio.create_task(sent.run(other, leave))
        await until(lambda: scripted.calls["IDLE"] >= 2, "both idle")
        lists = scripted.calls["LIST"]
        for count in (1, 2):
            scripted.add(mail(STRANGER), "Sent")
            await until(lambda count=count: noticed(context, "Sent", count), "mail in Sent")
        assert scripted.calls["LIST"] == lists, "it needs no round"
        scripted.move([1], "Sent", "F1")
        await until(lambda: noticed(context, "F1", 2), "what left Sent is looked for everywhere")
        leave.set()
        await idling
        assert not other.closed
    assert sent.folder is None, "the mailbox is not watched any more"


async def test_sent_is_left_alone_after_a_failure(
    context: AccountContext,
    session: ImapSession,
    connect: Callable[[], asyncio.Future[ImapSession]],
    scripted: ScriptedMailbox,
) -> None:
    """The rounds look at it; the connection is tried again later."""
    rounds, leave = FolderRounds(FAR), Wakeup()
    rounds.announced.set()
    sent = SentWatcher(context, rounds, Wakeup(), idle_seconds=FAR)
    scripted.faults.append(SendRaw("IDLE", then_cut=True))
    other = await connect()
    await sent.run(other, leave)
    assert other.closed
    assert sent.folder is None
    assert not session.closed


async def test_sent_shows_at_once_on_a_server_without_notify(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Two connections, of which one serves background work, too; the rounds are far."""
    await world.know(CLIENT)
    server = world.servers.imap
    async with proxy(server.host, server.port, hide=[b"NOTIFY"]) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller(module="tests.poller.quick", poll_seconds=str(FAR), idle_seconds="600")
        await world.complete(account)
        await until(lambda: wire.sent.count(b"IDLE\r\n") >= 2, "two connections idle", world)
        for count in (1, 2):
            mailbox.append(mail(CLIENT), "Sent")
            await until(lambda count=count: len(world.fetched) == count, "mail in Sent", world)
        logins = wire.connections
        mailbox.append(mail("late@else.test"))
        await until(lambda: _unmatched(world, account.id), "a mail of a stranger", world)
        await world.know("late@else.test", sweep=True)
        await until(lambda: len(world.fetched) == 3, "background work", world)
        mailbox.append(mail(CLIENT), "Sent")
        await until(lambda: len(world.fetched) == 4, "mail in Sent after it", world)
        assert wire.connections == logins
        assert wire.open <= 2


async def _unmatched(world: PollerEnvironment, account: str) -> bool:
    counts = await world.store.ledger_counts.counts(account)
    return bool(counts.get(RowState.UNMATCHED))
