"""A world for the poller: real servers, a database and a virtual host of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from poller_world import SECRET, Mailbox, User, World

from deploy.local import LocalServers
from schemas.messages import AccountAttention, MailboxChanged, MailFetched, SyncCompleted
from schemas.routes import ROUTES
from services.runtime.logs import setup_logs
from services.runtime.metrics import Metrics
from services.runtime.mongo import make_client
from services.runtime.rabbit import open_bus
from services.runtime.settings import read_settings
from services.wiring import make_box, make_store


@pytest_asyncio.fixture
async def world(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[World]:
    """A world with nothing in it yet but the consumers at the poller's queues."""
    settings_of = {
        **environment,
        "LEADMAIL_SECRET_KEY": SECRET,
        "LEADMAIL_CRM_DATABASE": environment["LEADMAIL_MONGO_DATABASE"],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings_of.items():
            patch.setenv(name, value)
        settings = read_settings("poller")
    client = make_client(settings)
    store = make_store(client[settings.mongo_database], client[settings.crm_database], settings)
    await store.setup()
    async with open_bus(settings, "test", metrics=Metrics("test"), log=setup_logs(settings, "test")) as bus:
        world = World(servers, settings_of, store, bus, make_box(settings), tmp_path)
        for route in ROUTES:
            if route.message is MailFetched:
                await bus.consume_batches(route, world.take, size=100)
            elif route.message in (MailboxChanged, AccountAttention, SyncCompleted):
                await bus.consume(route, world.note)
        try:
            yield world
        finally:
            for poller in world.pollers:
                # In order: the database would keep a killed one's open transaction, and drop nothing, for a minute.
                if poller.process.poll() is None:
                    poller.stop()
    await client.close()


@pytest.fixture
def mailbox(servers: LocalServers, new_mail_user: Callable[..., User]) -> Iterator[Mailbox]:
    """A new user's empty mailbox."""
    box = Mailbox(servers, new_mail_user())
    yield box
    box.close()
