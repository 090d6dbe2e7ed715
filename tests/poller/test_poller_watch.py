"""Watching and comparing, step by step in this process, on the real server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import structlog
from poller_world import CLIENT, SECRET, Mailbox, World, mail
from prometheus_client import CollectorRegistry

from services.mailbox.imap_connect import connect_imap
from services.mailbox.models import password
from services.mailbox.policy import ConnectPolicy
from services.poller.backfill import open_epoch
from services.poller.bodies import Bodies
from services.poller.metrics import PollerMetrics
from services.poller.reconcile import reconcile, until_due
from services.poller.session import ImapSession
from services.poller.watch import Watch
from services.poller.work import Marker, Work

POLICY = ConnectPolicy.build(allow_networks="127.0.0.0/8", allow_plaintext=True)
LOG = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
)


@pytest.fixture
async def session(world: World, mailbox: Mailbox) -> AsyncIterator[ImapSession]:
    """A session on the mailbox."""
    account = await world.connect(mailbox.user)
    with ThreadPoolExecutor(2) as pool:
        client = await asyncio.to_thread(connect_imap, account.incoming, password(mailbox.user.password), policy=POLICY)
        session = ImapSession(client, pool)
        await session.prepare()
        yield session
        session.discard()


@pytest.fixture
async def work(world: World, session: ImapSession) -> Work:
    """The account of the mailbox, leased, with its backfill opened: whatever comes now is live."""
    (account,) = await world.store.accounts.list()
    (lease,) = await world.store.leases.acquire("test", 10)
    metrics = PollerMetrics(CollectorRegistry())
    work = Work(account, lease, world.store, world.bus, Marker(bytes.fromhex(SECRET)), metrics, 1_000_000, LOG)
    await open_epoch(work, session)
    return work


def inbox(work: Work) -> str:
    """Return the id of the inbox."""
    return next(folder.id for folder in work.folders.values() if folder.role == "inbox")


async def test_mail_that_comes_between_two_looks_is_taken_in(
    world: World, mailbox: Mailbox, session: ImapSession, work: Work
) -> None:
    """After a folder was searched for new mail and before its flags are read: what is seen then would never differ again."""
    watch = Watch(work, Bodies(work), session, poll_seconds=60, idle_seconds=60, wake=asyncio.Event())
    await watch._new(work.folders[inbox(work)])
    mailbox.append(mail("stranger@else.test"))
    await watch._rest(work.folders[inbox(work)])
    assert await world.states(work.account) == {"unmatched": 1}


async def test_a_comparison_leaves_alone_what_is_right(
    world: World, mailbox: Mailbox, session: ImapSession, work: Work
) -> None:
    """A second comparison finds nothing, publishes nothing, and touches no row; mail that nobody has seen yet is left to watching."""
    watch = Watch(work, Bodies(work), session, poll_seconds=60, idle_seconds=60, wake=asyncio.Event())
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


async def test_comparisons_are_remembered(world: World, session: ImapSession, work: Work) -> None:
    """Whoever takes an account over goes by when it was last compared; one that never was is due within the span."""
    assert 0 <= until_due(work.selected, 3600) < 3600
    await reconcile(work, session)
    stored = [folder for folder in await world.store.folders.of(work.account.id) if folder.selected]
    assert len(stored) == len(work.selected) > 0
    assert 0.9 * 3600 - 60 < until_due(stored, 3600) <= 1.1 * 3600
    long_ago = stored[0].model_copy(update={"checked_at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert until_due([*stored, long_ago], 3600) == 0
    assert until_due([*stored, long_ago.model_copy(update={"checked_at": None})], 3600) < 3600
