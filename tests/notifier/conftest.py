"""Fixtures for the notifier on a real replica set and the real SMTP sink."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from services.store import Store, StoreConfig
from testbed.local import LocalServers
from tests.notifier.fixtures import NotifierEnvironment


@pytest.fixture
async def world(servers: LocalServers, mongo_database: str) -> AsyncIterator[NotifierEnvironment]:
    """A store that is set up, and the sink."""
    async with AsyncMongoClient[dict[str, object]](servers.mongo_url) as client:
        crm = f"{mongo_database}_crm"
        store = Store(client[mongo_database], client[crm], StoreConfig(blind_index_keys={"only": b"k" * 32}))
        await store.setup()
        yield NotifierEnvironment(store, client[mongo_database], servers)
        await client.drop_database(crm)
