"""Watching and comparing, step by step in this process, on the real server."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.identity import folder_id
from services.mailbox.imap import ImapSession, Wakeup
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.sync.folder_changes import FolderTracker
from services.poller.sync.mailbox_watcher import MailboxWatcher
from services.poller.sync.reconcile import reconcile, until_due
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail


def inbox(context: AccountContext) -> str:
    """Return the id of the inbox."""
    return next(folder.id for folder in context.folders.values() if folder.role == "inbox")


async def test_mail_that_arrives_between_two_checks_is_synchronized(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """It arrives after the folder was searched for new mail and before its flags are read: later it would never differ."""
    watch = MailboxWatcher(context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup())
    await watch.sync.new_mail(context.folders[inbox(context)])
    mailbox.append(mail("stranger@else.test"))
    await watch.sync.changes(context.folders[inbox(context)])
    assert await world.states(context.account) == {"unmatched": 1}


async def test_a_second_comparison_changes_nothing(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """It finds nothing, publishes nothing, and touches no row; mail that was not seen yet is left to watching."""
    watch = MailboxWatcher(context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup())
    await world.know(CLIENT)
    for sender in (CLIENT, "stranger@else.test"):
        mailbox.append(mail(sender))
    await watch.sync.new_mail(context.folders[inbox(context)])
    mailbox.append(mail(CLIENT))
    before = {row.id: row.updated_at for row in await world.rows(context.account)}
    assert len(before) == 2
    await reconcile(context, session)
    rows = await world.rows(context.account)
    assert len(rows) == 2
    assert rows[1].updated_at == before[rows[1].id]
    (repaired,) = context.metrics.repaired.collect()
    assert [sample.value for sample in repaired.samples if sample.name.endswith("_total")] == [0, 0, 0]


async def test_comparisons_are_remembered(
    world: PollerEnvironment, session: ImapSession, context: AccountContext
) -> None:
    """A poller that takes over an account knows when it was last compared; one that never was is due within the interval."""
    assert 0 <= until_due(context.selected, 3600) < 3600
    await reconcile(context, session)
    stored = [folder for folder in await world.store.folders.of(context.account.id) if folder.selected]
    assert len(stored) == len(context.selected) > 0
    assert 0.9 * 3600 - 60 < until_due(stored, 3600) <= 1.1 * 3600
    long_ago = stored[0].model_copy(update={"checked_at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert until_due([*stored, long_ago], 3600) == 0
    assert until_due([*stored, long_ago.model_copy(update={"checked_at": None})], 3600) < 3600


async def test_an_inbox_that_was_stored_in_other_letters_is_the_inbox(
    session: ImapSession, context: AccountContext
) -> None:
    """Servers write it as they like, from one answer to the next: the folder in capitals takes over."""
    known = context.folders[inbox(context)]
    former = known.model_copy(update={"raw_name": b"Inbox", "id": folder_id(b"Inbox")})
    await context.store.folders.save(context.lease, [former])
    context.folders[former.id] = former
    tracker = FolderTracker(context, session)
    listed, _ = await session.list_folders()
    for _ in range(3):
        await tracker.drop_missing(listed)
    assert former.id not in context.folders
    assert known.id in context.folders
