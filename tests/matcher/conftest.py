"""The matcher's store on a real replica set, with databases for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.matcher.linking.summaries import SummaryKeeper
from services.runtime.mongo import CausalClient
from services.store import Store, StoreConfig
from testbed.local import LocalServers
from tests.matcher.fixtures import World


@pytest.fixture
async def world(servers: LocalServers, mongo_database: str) -> AsyncIterator[World]:
    """A store that is set up, and the CRM beside it."""
    async with CausalClient(servers.mongo_url) as client:
        crm = f"{mongo_database}_crm"
        store = Store(client[mongo_database], client[crm], StoreConfig(blind_index_keys={"only": b"k" * 32}))
        await store.setup()
        yield World(store, client[mongo_database], client[crm], SummaryKeeper(store))
        await client.drop_database(crm)
