"""Flags that change while a backfill is opened or walks their folder: step by step in this process, on the real server."""

from __future__ import annotations

from services.mailbox.imap import ImapSession, Wakeup
from services.poller.copies.account_context import AccountContext
from services.poller.copies.body_fetcher import BodyFetcher
from services.poller.sync.backfill import Backfill, open_epoch
from services.poller.sync.mailbox_watcher import MailboxWatcher
from tests.poller.fixtures import Mailbox, PollerEnvironment, mail

STRANGER = "stranger@else.test"
FLAGGED = r"(\Flagged)"


async def flags(world: PollerEnvironment, context: AccountContext) -> list[tuple[str, ...]]:
    """Return the flags of every row."""
    return [row.flags for row in await world.rows(context.account)]


async def test_a_flag_set_before_a_resync_is_taken_over(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """The backfill notes the folder's state; changes that were not taken over by then are not skipped."""
    watch = MailboxWatcher(context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup())
    mailbox.append(mail(STRANGER))
    await watch.check()
    mailbox.uid("STORE", "1", "+FLAGS", FLAGGED)
    epoch = await open_epoch(context, session)
    await Backfill(context, BodyFetcher(context), session, epoch).run()
    assert await flags(world, context) == [("\\Flagged",)]


async def test_a_flag_set_while_its_window_is_fetched_is_taken_over(
    world: PollerEnvironment, mailbox: Mailbox, session: ImapSession, context: AccountContext
) -> None:
    """The watcher sees the change before there is a row for it; the backfill asks again, also a backfill that was restarted meanwhile."""
    watch = MailboxWatcher(context, BodyFetcher(context), session, poll_seconds=60, idle_seconds=60, wake=Wakeup())
    mailbox.append(mail(STRANGER))
    epoch = await open_epoch(context, session)
    run = Backfill(context, BodyFetcher(context), session, epoch)
    (scan,) = run._scans.values()
    read = await run._read(scan)
    mailbox.uid("STORE", "1", "+FLAGS", FLAGGED)
    await watch.check()
    await run._write(read)
    assert await flags(world, context) == [()]
    await Backfill(context, BodyFetcher(context), session, epoch).run()
    assert await flags(world, context) == [("\\Flagged",)]
