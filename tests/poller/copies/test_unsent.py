"""Drafts and mail flagged as deleted, on the real server: what the poller writes, and what it announces."""

from __future__ import annotations

from schemas.ledger import RowState
from schemas.messages import MailboxChanged
from services.mailbox.imap import ImapSession, Wakeup
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.sync.backfill import Backfill, open_epoch
from services.poller.sync.background_sync import BackgroundSync
from services.poller.sync.folder_changes import FolderTracker
from services.poller.sync.live_sync import LiveSync, now
from services.poller.sync.mailbox_watcher import MailboxWatcher
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until

STRANGER = "stranger@else.test"


def watcher(context: AccountContext, session: ImapSession) -> MailboxWatcher:
    """Return what looks after live mail."""
    return MailboxWatcher(context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup())


async def fetch(context: AccountContext, session: ImapSession) -> None:
    """Do the background work once."""
    await BackgroundSync(context, BodyFetcher(context), opened=lambda: None).run(session)


async def outcomes(world: PollerEnvironment, context: AccountContext) -> list[tuple[int, str, str | None]]:
    """Return (uid, state, reason) of every row."""
    return sorted((row.uid, row.state.value, row.reason) for row in await world.rows(context.account))


async def test_a_draft_is_left_out_until_it_is_sent(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """No body of a draft is fetched. Once the flag is removed, the mail is decided on like any other."""
    await world.know(CLIENT)
    mailbox.append(mail(CLIENT), flags=r"(\Draft)")
    mailbox.append(mail(STRANGER), flags=r"(\draft \Seen)")
    watch = watcher(context, session)
    await watch.check()
    await fetch(context, session)
    assert await outcomes(world, context) == [(1, "skipped", "draft"), (2, "skipped", "draft")]
    assert world.fetched == []

    mailbox.uid("STORE", "1:2", "-FLAGS", r"(\Draft)")
    await watch.check()
    await fetch(context, session)
    await until(lambda: world.fetched, "the mail that was sent is fetched")
    states = [(uid, state) for uid, state, _ in await outcomes(world, context)]
    assert states[1] == (2, "unmatched")
    assert states[0][1] in {"published", "attached"}
    assert [message.source.uid for message, _ in world.fetched] == [1]


async def test_a_backfill_leaves_out_drafts(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """A draft in INBOX that was there before ends its row, so that the backfill completes."""
    await world.know(CLIENT)
    mailbox.append(mail(CLIENT), flags=r"(\Draft)")
    mailbox.append(mail(CLIENT))
    epoch = await open_epoch(context, session)
    await Backfill(context, BodyFetcher(context), session, epoch).run()
    await world.complete(context.account, epoch.number)
    assert await outcomes(world, context) == [(1, "skipped", "draft"), (2, "attached", None)]


async def test_mail_that_becomes_a_draft_is_left_out(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """In every state: attached mail is announced like mail that is gone, and a late contact does not fetch a draft."""
    await world.know(CLIENT)
    watch = watcher(context, session)
    mailbox.append(mail(CLIENT))
    mailbox.append(mail(STRANGER))
    await watch.check()
    await fetch(context, session)

    async def attached() -> bool:
        return any(row.state is RowState.ATTACHED for row in await world.rows(context.account))

    await until(attached, "the mail is attached")
    mailbox.uid("STORE", "1:2", "+FLAGS", r"(\Draft)")
    await watch.check()
    assert await outcomes(world, context) == [(1, "skipped", "draft"), (2, "skipped", "draft")]
    await until(lambda: world.said(MailboxChanged), "the change is announced")
    await world.know(STRANGER, sweep=True)
    assert await outcomes(world, context) == [(1, "skipped", "draft"), (2, "skipped", "draft")]
    mailbox.uid("STORE", "1:2", "-FLAGS", r"(\Draft)")
    await watch.check()
    assert [state for _, state, _ in await outcomes(world, context)] == ["planned", "planned"]


async def test_a_flag_of_deletion_is_announced_when_it_is_set_and_removed(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """The row stays attached. Its email is announced each time, and no live copy is left while the flag is there."""
    await world.know(CLIENT)
    watch = watcher(context, session)
    mailbox.append(mail(CLIENT))
    await watch.check()

    async def attached() -> bool:
        return [row.state for row in await world.rows(context.account)] == [RowState.ATTACHED]

    await until(attached, "the mail is attached")
    (row,) = await world.rows(context.account)
    for number, (sign, live) in enumerate((("+", False), ("-", True), ("+", False)), start=1):
        mailbox.uid("STORE", "1", f"{sign}FLAGS", r"(\Deleted)")
        await watch.check()
        assert bool(await world.store.ledger.live_copies([row.email])) is live
        assert await world.store.ledger.with_copy([row.email]) == {row.email}
        await until(lambda number=number: len(world.said(MailboxChanged)) == number, "the change is announced")
        assert world.said(MailboxChanged)[-1].emails == (row.email,)
        mailbox.uid("STORE", "1", "+FLAGS" if live else "-FLAGS", r"(\Flagged)")
        await watch.check()
        assert len(world.said(MailboxChanged)) == number


async def test_a_folder_that_becomes_one_of_drafts_is_left_out(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """A folder that counted as an ordinary one leaves the ledger once it is known, or marked, to hold drafts."""
    await world.know(CLIENT)
    tracker = FolderTracker(context, session)
    mailbox.append(mail(CLIENT), folder="Drafts")
    drafts = next(folder for folder in context.folders.values() if folder.name == "Drafts")
    assert (drafts.selected, drafts.reason) == (False, "drafts")
    ordinary = drafts.model_copy(update={"role": "user", "selected": True, "reason": None, "live_next": 1})
    selected = await session.examine(drafts.raw_name)
    ordinary = ordinary.model_copy(update={"uidvalidity": selected.uidvalidity, "cursor": 1})
    await world.store.folders.save(context.lease, [ordinary])
    context.folders[ordinary.id] = ordinary
    await LiveSync(context, BodyFetcher(context), session).new_mail(ordinary, noticed_at=now())
    assert len(await outcomes(world, context)) == 1
    listed, _ = await session.list_folders()
    await tracker.add_new(listed)
    assert await outcomes(world, context) == []
    (stored,) = [folder for folder in await world.store.folders.of(context.account.id) if folder.name == "Drafts"]
    assert (stored.selected, stored.role, stored.reason) == (False, "drafts", "drafts")


async def test_a_public_folder_is_left_out(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """The server lists it among the user's folders; NAMESPACE says that it is not theirs."""
    mailbox.create("Public/Team")
    mailbox.create("Team")
    mailbox.append(mail(CLIENT), folder="Public/Team")
    listed, _ = await session.list_folders()
    await FolderTracker(context, session).add_new(listed)
    reasons = {folder.name: folder.reason for folder in context.folders.values()}
    assert (reasons["Public/Team"], reasons["Team"], reasons["INBOX"]) == ("shared", None, None)
