"""Watching and comparing, step by step in this process, on the real server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from services.poller.connections.session import ImapSession
from services.poller.sync.account_context import AccountContext
from services.poller.sync.bodies import Bodies
from services.poller.sync.reconcile import reconcile, until_due
from services.poller.sync.watch import MailboxWatcher
from tests.poller.fixtures import CLIENT, Mailbox, World, mail


def inbox(work: AccountContext) -> str:
    """Return the id of the inbox."""
    return next(folder.id for folder in work.folders.values() if folder.role == "inbox")


async def test_mail_that_comes_between_two_looks_is_taken_in(
    world: World, mailbox: Mailbox, session: ImapSession, work: AccountContext
) -> None:
    """After a folder was searched for new mail and before its flags are read: what is seen then would never differ again."""
    watch = MailboxWatcher(work, Bodies(work), session, poll_seconds=60, idle_seconds=60, wake=asyncio.Event())
    await watch._new(work.folders[inbox(work)])
    mailbox.append(mail("stranger@else.test"))
    await watch._rest(work.folders[inbox(work)])
    assert await world.states(work.account) == {"unmatched": 1}


async def test_a_comparison_leaves_alone_what_is_right(
    world: World, mailbox: Mailbox, session: ImapSession, work: AccountContext
) -> None:
    """A second comparison finds nothing, publishes nothing, and touches no row; mail that nobody has seen yet is left to watching."""
    watch = MailboxWatcher(work, Bodies(work), session, poll_seconds=60, idle_seconds=60, wake=asyncio.Event())
    await world.know(CLIENT)
    for sender in (CLIENT, "stranger@else.test"):
        mailbox.append(mail(sender))
    await watch._new(work.folders[inbox(work)])
    mailbox.append(mail(CLIENT))
    before = {row.id: row.updated_at for row in await world.rows(work.account)}
    assert len(before) == 2
    await reconcile(work, session)
    rows = await world.rows(work.account)
    assert len(rows) == 2
    assert rows[1].updated_at == before[rows[1].id]
    mended = work.metrics._mended.collect()[0].samples
    assert [sample.value for sample in mended if sample.name.endswith("_total")] == [0, 0, 0]


async def test_comparisons_are_remembered(world: World, session: ImapSession, work: AccountContext) -> None:
    """Whoever takes an account over goes by when it was last compared; one that never was is due within the span."""
    assert 0 <= until_due(work.selected, 3600) < 3600
    await reconcile(work, session)
    stored = [folder for folder in await world.store.folders.of(work.account.id) if folder.selected]
    assert len(stored) == len(work.selected) > 0
    assert 0.9 * 3600 - 60 < until_due(stored, 3600) <= 1.1 * 3600
    long_ago = stored[0].model_copy(update={"checked_at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert until_due([*stored, long_ago], 3600) == 0
    assert until_due([*stored, long_ago.model_copy(update={"checked_at": None})], 3600) < 3600
