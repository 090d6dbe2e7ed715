"""Folders that are recreated, deleted and restored while the poller works on them: step by step in this process, on the real server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.ledger import EpochState, Folder, RowState
from schemas.messages import Lane
from services.mailbox.imap import ImapSession, UidValidityChangedError, Wakeup
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.copies.removals import drop_superseded
from services.poller.sync.backfill import Backfill, open_epoch
from services.poller.sync.mailbox_watcher import MailboxWatcher
from services.store import FolderChangedError
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail

STRANGER = "stranger@else.test"


@pytest.fixture
async def watch(context: AccountContext, session: ImapSession, world: PollerEnvironment) -> MailboxWatcher:
    """The watcher of a mailbox whose backfill is complete; only the steps of a test move it."""
    epoch = await world.store.epochs.get(context.account.id, 1)
    assert epoch is not None
    await Backfill(context, BodyFetcher(context), session, epoch).run()
    return MailboxWatcher(context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup())


def named(context: AccountContext, name: str) -> Folder:
    """Return a folder by name."""
    return next(folder for folder in context.folders.values() if folder.name == name)


def recreate(mailbox: Mailbox, name: str, *mails: bytes) -> None:
    """Recreate a folder."""
    mailbox.imap.select("INBOX")
    mailbox.imap.delete(name)
    mailbox.create(name)
    for raw in mails:
        mailbox.append(raw, name)


async def states(world: PollerEnvironment, context: AccountContext) -> dict[tuple[str, int], set[str]]:
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


async def test_a_window_with_outdated_uids_is_not_written(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A header is never attributed to the mail that has its uid now; the backfill walks the folder again."""
    await world.know(CLIENT)
    ours, theirs = mail(CLIENT), mail(STRANGER)
    recreate(mailbox, "Clients", theirs, ours)
    run = await backfill(context, session)
    read = await run._read(run._scans[named(context, "Clients").id])
    recreate(mailbox, "Clients", ours, theirs)
    await watch.sync.open(named(context, "Clients"))
    with pytest.raises(FolderChangedError):
        await run._write(read)
    assert await states(world, context) == {}
    again = Backfill(context, BodyFetcher(context), session, run._epoch)
    await again.run()
    rows = await world.rows(context.account)
    (relevant,) = [row for row in rows if row.state is not RowState.UNMATCHED]
    assert (relevant.uid, relevant.uidvalidity) == (1, named(context, "Clients").uidvalidity)
    assert len(rows) == 2


async def test_rows_of_a_recreated_folder_are_cleaned_up_after_a_crash(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """The poller that noticed the recreated folder died: the first check after a start removes the rows of the old folder."""
    recreate(mailbox, "Clients", mail(STRANGER), mail(STRANGER))
    await (await backfill(context, session)).run()
    await watch.check()
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.sync.new_mail(named(context, "Clients"))
    await watch.sync.live.flags(named(context, "Clients"), (await session.examine(b"Clients")).highestmodseq)
    await session.examine(b"INBOX")
    assert len(await states(world, context)) == 2, "it dies here"
    await MailboxWatcher(
        context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup()
    ).check()
    assert await states(world, context) == {("Clients", named(context, "Clients").uidvalidity): {"unmatched"}}


async def test_a_folder_recreated_after_its_walk_is_walked_again_before_sealing(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """The folder was compared already; its mail is now below its new anchor, where only the backfill looks."""
    recreate(mailbox, "Clients", mail(STRANGER), mail(STRANGER))
    run = await backfill(context, session)
    seal = world.store.epochs.seal

    async def late(*arguments: object) -> None:
        recreate(mailbox, "Clients", mail(STRANGER), mail(STRANGER), mail(STRANGER))
        await watch.sync.open(named(context, "Clients"))
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


async def test_an_outdated_comparison_drops_nothing_of_a_recreated_folder(
    world: PollerEnvironment, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A comparison that started under the old uids ends after mail was taken over under the new ones."""
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    before = named(context, "Clients")
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.sync.new_mail(before)
    now = named(context, "Clients")
    await drop_superseded(context, before)
    assert ("Clients", now.uidvalidity) in await states(world, context)
    await drop_superseded(context, now)
    assert await states(world, context) == {("Clients", now.uidvalidity): {"unmatched"}}


async def test_an_open_folder_is_reopened_when_its_uids_change(
    mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A connection that has the old folder open does not mistake it for the new one."""
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    before = named(context, "Clients")
    async with session.opened(before):
        pass
    recreate(mailbox, "Clients", mail(STRANGER), mail(STRANGER))
    after = before.model_copy(update={"uidvalidity": mailbox.read("Clients")[0]})
    async with session.opened(after):
        assert await session.uids(1, 9) == [1, 2]
    with pytest.raises(UidValidityChangedError):
        async with session.opened(before):
            pass


async def test_bodies_are_not_fetched_by_outdated_uids(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """A row of a recreated folder has no body there: its uid now belongs to another mail."""
    await world.know(CLIENT)
    world.finishing = False
    recreate(mailbox, "Clients", mail(CLIENT))
    await watch.check()
    (row,) = await world.rows(context.account)
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    with pytest.raises(UidValidityChangedError):
        await BodyFetcher(context).deliver(session, [row], Lane.LIVE)
    assert len(world.fetched) <= 1


async def test_a_backfill_notices_a_folder_recreated_while_it_opens(
    world: PollerEnvironment, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """The backfill notes a folder as it was just before it was recreated, after the watcher has followed: it looks again."""
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    before = named(context, "Clients")
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    await watch.sync.open(named(context, "INBOX"))
    await world.store.folders.save(context.lease, [before])
    context.folders[before.id] = before
    await watch.check()
    assert named(context, "Clients").uidvalidity == mailbox.read("Clients")[0]
    assert await states(world, context) == {("Clients", named(context, "Clients").uidvalidity): {"unmatched"}}


async def test_a_folder_recreated_and_deleted_at_once_leaves_nothing(
    world: PollerEnvironment, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """All its rows are removed, whatever their uids: those of the old folder had not been dropped yet."""
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.sync.new_mail(named(context, "Clients"))
    mailbox.imap.select("INBOX")
    mailbox.imap.delete("Clients")
    await watch.check()
    await watch.check()
    assert await states(world, context) == {}


async def test_restored_folders_are_synchronized_again(
    world: PollerEnvironment, mailbox: Mailbox, context: AccountContext, watch: MailboxWatcher
) -> None:
    """Renamed, and renamed back: uidvalidity and everything else is as last seen, but the rows are gone."""
    recreate(mailbox, "Clients", mail(STRANGER))
    recreate(mailbox, "Clients/North", mail(STRANGER))
    await watch.check()
    for name, other in (("Clients", "Old"), ("Old", "Clients")):
        assert mailbox.imap.rename(name, other)[0] == "OK"
        for _ in range(3):
            await watch.check()
        assert {name for name, _ in await states(world, context)} == {other, f"{other}/North"}


async def test_a_deleted_parent_folder_is_gone_until_it_is_recreated(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """Its name is still listed, since it contains folders. Nothing waits for it, and mail in a new one is synchronized."""
    recreate(mailbox, "Clients", mail(STRANGER))
    recreate(mailbox, "Clients/Old", mail(STRANGER))
    await watch.check()
    assert {name for name, _ in await states(world, context)} == {"Clients", "Clients/Old"}
    mailbox.imap.delete("Clients")
    for _ in range(3):
        await watch.check()
    assert {name for name, _ in await states(world, context)} == {"Clients/Old"}
    assert not watch.folders.tracker.doubtful
    assert not named(context, "Clients").selected
    await (await backfill(context, session)).run()
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    assert {name for name, _ in await states(world, context)} == {"Clients", "Clients/Old"}


async def test_a_folder_that_could_not_be_opened_is_tried_again(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext, watch: MailboxWatcher
) -> None:
    """It was listed, then deleted, then recreated: a refusal leaves it out only until the next check."""
    recreate(mailbox, "Clients", mail(STRANGER))
    await watch.check()
    listed, status = await session.list_folders()
    there = next(entry for entry in listed if entry.raw_name == b"Clients")

    async def stale() -> object:
        return [*listed, replace(there, raw_name=b"Later")], status

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "list_folders", stale)
        await open_epoch(context, session)
        assert not named(context, "Later").selected
    recreate(mailbox, "Later", mail(STRANGER))
    await watch.check()
    assert named(context, "Later").selected
    assert {name for name, _ in await states(world, context)} == {"Clients", "Later"}
