"""Folders that are made anew, come, go and come back while somebody works on them, step by step in this process, on the real server."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from schemas.accounts import EpochState, Folder
from schemas.ledger import RowState
from schemas.messages import Lane
from services.mailbox.imap import ImapSession, UidValidityChangedError
from services.poller.sync.account_context import AccountContext
from services.poller.sync.backfill import Backfill, open_epoch
from services.poller.sync.body_fetcher import BodyFetcher
from services.poller.sync.mailbox_watcher import MailboxWatcher
from services.poller.sync.removals import drop_superseded
from services.store import FolderChangedError
from tests.poller.fixtures import CLIENT, Mailbox, World, mail

STRANGER = "stranger@else.test"


@pytest.fixture
async def watch(context: AccountContext, session: ImapSession, world: World) -> MailboxWatcher:
    """What follows the mailbox, whose backfill is complete; nothing but the steps of a test moves it."""
    epoch = await world.store.epochs.get(context.account.id, 1)
    assert epoch is not None
    await Backfill(context, BodyFetcher(context), session, epoch).run()
    return MailboxWatcher(
        context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=asyncio.Event()
    )


def named(context: AccountContext, name: str) -> Folder:
    """Return a folder."""
    return next(folder for folder in context.folders.values() if folder.name == name)


def make(mailbox: Mailbox, name: str, *mails: bytes) -> None:
    """Make a folder anew."""
    mailbox.imap.select("INBOX")
    mailbox.imap.delete(name)
    mailbox.create(name)
    for raw in mails:
        mailbox.append(raw, name)


async def states(world: World, context: AccountContext) -> dict[tuple[str, int], set[str]]:
    """Return the states of rows that are not gone by folder and uidvalidity."""
    names = {folder.id: folder.name for folder in await world.store.folders.of(context.account.id)}
    found: dict[tuple[str, int], set[str]] = {}
    for row in await world.rows(context.account):
        found.setdefault((names[row.folder], row.uidvalidity), set()).add(row.state.value)
    return found


async def backfill(context: AccountContext, session: ImapSession) -> Backfill:
    """Return a backfill that has been opened."""
    epoch = await open_epoch(context, session)
    return Backfill(context, BodyFetcher(context), session, epoch)


async def test_a_window_that_was_read_under_void_uids_is_not_written(
    world: World, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """The header of one mail is never taken for that of the mail that has its uid now; the backfill goes through the folder again."""
    await world.know(CLIENT)
    ours, theirs = mail(CLIENT), mail(STRANGER)
    make(mailbox, "Clients", theirs, ours)
    run = await backfill(context, session)
    read = await run._read(run._scans[named(context, "Clients").id])
    make(mailbox, "Clients", ours, theirs)
    await watch._open(named(context, "Clients"))
    with pytest.raises(FolderChangedError):
        await run._write(read)
    assert await states(world, context) == {}
    again = Backfill(context, BodyFetcher(context), session, run._epoch)
    await again.run()
    rows = await world.rows(context.account)
    (relevant,) = [row for row in rows if row.state is not RowState.UNMATCHED]
    assert (relevant.uid, relevant.uidvalidity) == (1, named(context, "Clients").uidvalidity)
    assert len(rows) == 2


async def test_what_is_void_goes_when_who_began_the_folder_anew_has_died(
    world: World, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """Everything is as the server has it, but for the rows of the folder that was: the first look after a start sees to them."""
    make(mailbox, "Clients", mail(STRANGER), mail(STRANGER))
    await (await backfill(context, session)).run()
    await watch.check()
    make(mailbox, "Clients", mail(STRANGER))
    await watch._sync_new(named(context, "Clients"))
    await watch._live.flags(named(context, "Clients"), (await session.examine(b"Clients")).highestmodseq)
    await session.examine(b"INBOX")
    assert len(await states(world, context)) == 2, "it dies here"
    await MailboxWatcher(
        context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=asyncio.Event()
    ).check()
    assert await states(world, context) == {("Clients", named(context, "Clients").uidvalidity): {"unmatched"}}


async def test_a_folder_that_is_made_anew_behind_the_backfill_is_walked_before_it_is_sealed(
    world: World, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """It was compared already; what it holds now lies below its new anchor, where nobody but the backfill looks."""
    make(mailbox, "Clients", mail(STRANGER), mail(STRANGER))
    run = await backfill(context, session)
    seal = world.store.epochs.seal

    async def late(*arguments: object) -> None:
        make(mailbox, "Clients", mail(STRANGER), mail(STRANGER), mail(STRANGER))
        await watch._open(named(context, "Clients"))
        await seal(*arguments)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.store.epochs, "seal", late)
        with pytest.raises(ExceptionGroup) as caught:
            await run.run()
    assert caught.group_contains(FolderChangedError)
    await Backfill(context, BodyFetcher(context), session, run._epoch).run()
    epoch = await world.store.epochs.get(context.account.id, run._epoch.number)
    assert epoch is not None
    assert epoch.state is EpochState.COMPLETE
    assert await states(world, context) == {("Clients", named(context, "Clients").uidvalidity): {"unmatched"}}
    assert len(await world.rows(context.account)) == 3


async def test_who_knows_a_folder_of_before_drops_nothing_of_what_it_is_now(
    world: World, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A comparison that began under the old uids ends after mail was taken in under the new ones."""
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    before = named(context, "Clients")
    make(mailbox, "Clients", mail(STRANGER))
    await watch._sync_new(before)
    now = named(context, "Clients")
    await drop_superseded(context, before)
    assert ("Clients", now.uidvalidity) in await states(world, context)
    await drop_superseded(context, now)
    assert await states(world, context) == {("Clients", now.uidvalidity): {"unmatched"}}


async def test_an_open_folder_is_opened_again_when_it_has_other_uids(
    mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A connection that has the old one open does not take it for the new one."""
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    before = named(context, "Clients")
    async with session.opened(before):
        pass
    make(mailbox, "Clients", mail(STRANGER), mail(STRANGER))
    after = before.model_copy(update={"uidvalidity": mailbox.read("Clients")[0]})
    async with session.opened(after):
        assert await session.uids(1, 9) == [1, 2]
    with pytest.raises(UidValidityChangedError):
        async with session.opened(before):
            pass


async def test_bodies_are_not_fetched_by_void_uids(
    world: World, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A row whose folder was begun anew has no body there: the mail with its uid is another one."""
    await world.know(CLIENT)
    world.finishing = False
    make(mailbox, "Clients", mail(CLIENT))
    await watch.check()
    (row,) = await world.rows(context.account)
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    with pytest.raises(UidValidityChangedError):
        await BodyFetcher(context).deliver(session, [row], Lane.LIVE)
    assert len(world.fetched) <= 1


async def test_what_a_backfill_noted_too_early_is_noticed(
    world: World, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A backfill that is opened notes a folder as it was just before it was made anew, after the watch has followed: it looks again."""
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    before = named(context, "Clients")
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    await watch._open(named(context, "INBOX"))
    await world.store.folders.save(context.lease, [before])
    context.folders[before.id] = before
    await watch.check()
    assert named(context, "Clients").uidvalidity == mailbox.read("Clients")[0]
    assert await states(world, context) == {("Clients", named(context, "Clients").uidvalidity): {"unmatched"}}


async def test_a_folder_that_is_made_anew_and_deleted_at_once_leaves_nothing(
    world: World, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """Its rows go whatever uids they have: those of before were not dropped yet."""
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    make(mailbox, "Clients", mail(STRANGER))
    await watch._sync_new(named(context, "Clients"))
    mailbox.imap.select("INBOX")
    mailbox.imap.delete("Clients")
    await watch.check()
    await watch.check()
    assert await states(world, context) == {}


async def test_folders_that_come_back_as_they_were_are_taken_in_again(
    world: World, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """Renamed, and renamed back: uidvalidity and all are those that were seen last, but their rows are gone."""
    make(mailbox, "Clients", mail(STRANGER))
    make(mailbox, "Clients/North", mail(STRANGER))
    await watch.check()
    for name, other in (("Clients", "Old"), ("Old", "Clients")):
        assert mailbox.imap.rename(name, other)[0] == "OK"
        for _ in range(3):
            await watch.check()
        assert {name for name, _ in await states(world, context)} == {other, f"{other}/North"}


async def test_a_folder_that_is_deleted_but_for_those_in_it_is_gone_until_it_is_made_again(
    world: World, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """Its name is still listed: it holds folders only. Nothing waits for it, and mail in a new one is taken in."""
    make(mailbox, "Clients", mail(STRANGER))
    make(mailbox, "Clients/Old", mail(STRANGER))
    await watch.check()
    assert {name for name, _ in await states(world, context)} == {"Clients", "Clients/Old"}
    mailbox.imap.delete("Clients")
    for _ in range(3):
        await watch.check()
    assert {name for name, _ in await states(world, context)} == {"Clients/Old"}
    assert not watch._folders.doubtful
    assert not named(context, "Clients").selected
    await (await backfill(context, session)).run()
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    assert {name for name, _ in await states(world, context)} == {"Clients", "Clients/Old"}


async def test_a_folder_that_could_not_be_opened_once_is_tried_again(
    world: World, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """It was listed and then deleted, and made again: one refusal leaves it out for no longer than until the next look."""
    make(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    listed, status = await session.list_folders()
    there = next(entry for entry in listed if entry.raw_name == b"Clients")

    async def stale() -> object:
        return [*listed, replace(there, raw_name=b"Later")], status

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "list_folders", stale)
        await open_epoch(context, session)
        assert not named(context, "Later").selected
    make(mailbox, "Later", mail(STRANGER))
    await watch.check()
    assert named(context, "Later").selected
    assert {name for name, _ in await states(world, context)} == {"Clients", "Later"}
