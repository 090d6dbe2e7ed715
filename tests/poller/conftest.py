"""Fixtures for the poller: real servers, with a database and a virtual host per test."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from prometheus_client import CollectorRegistry

from schemas.messages import AccountAttention, MailboxChanged, SyncCompleted
from services.mailbox.connection.credentials import password
from services.mailbox.connection.policy import ConnectPolicy
from services.mailbox.imap import ImapSession, connect_imap
from services.poller.copies.account_context import AccountContext, Marker
from services.poller.copies.metrics import PollerMetrics
from services.poller.sync.backfill import open_epoch
from testbed.local import LocalServers
from tests.conftest import MailUser
from tests.poller.fixtures import SECRET, Mailbox, PollerEnvironment, open_environment

POLICY = ConnectPolicy.build(allow_networks=(ip_network("127.0.0.0/8"),), allow_plaintext=True)
LOG = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
)


@pytest_asyncio.fixture
async def world(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[PollerEnvironment]:
    """An empty environment, with consumers on the poller's queues."""
    settings_of = {
        **environment,
        "LEADMAIL_SECRET_KEY": SECRET,
        "LEADMAIL_CRM_DATABASE": environment["LEADMAIL_MONGO_DATABASE"],
    }
    noted = (MailboxChanged, AccountAttention, SyncCompleted)
    async with open_environment(servers, settings_of, tmp_path, noted=noted) as world:
        yield world


@pytest.fixture
def mailbox(servers: LocalServers, new_mail_user: Callable[..., MailUser]) -> Iterator[Mailbox]:
    """A new user's empty mailbox."""
    box = Mailbox(servers, new_mail_user())
    yield box
    box.close()


@pytest.fixture
async def session(world: PollerEnvironment, mailbox: Mailbox) -> AsyncIterator[ImapSession]:
    """A session on the mailbox."""
    account = await world.connect(mailbox.user)
    with ThreadPoolExecutor(2) as pool:
        client = await asyncio.to_thread(connect_imap, account.incoming, password(mailbox.user.password), policy=POLICY)
        session = ImapSession(client, pool)
        await session.prepare()
        yield session
        session.discard()


@pytest.fixture
async def context(world: PollerEnvironment, session: ImapSession) -> AccountContext:
    """The account of the mailbox, leased and with its backfill opened: new mail is live."""
    (account,) = await world.store.accounts.get_all()
    (lease,) = await world.store.leases.acquire("test", 10)
    metrics = PollerMetrics(CollectorRegistry())
    keys = world.store.mark_keys.keys
    context = AccountContext(
        account, lease, world.store, world.bus, Marker(keys, list(keys)[-1]), metrics, 1_000_000, LOG
    )
    epoch = await open_epoch(context, session)
    context.account = context.account.model_copy(update={"epoch": epoch.number, "resync_requested": False})
    return context
