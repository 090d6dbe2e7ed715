"""A store on a real replica set, with separate databases for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from services.store import Store, StoreConfig
from testbed.local import LocalServers
from tests.store.fixtures import World


@pytest.fixture
async def mongo(servers: LocalServers) -> AsyncIterator[AsyncMongoClient[dict[str, object]]]:
    """A client bound to the test's event loop."""
    async with AsyncMongoClient[dict[str, object]](servers.mongo_url) as client:
        yield client


@pytest.fixture
async def world(mongo: AsyncMongoClient[dict[str, object]], mongo_database: str) -> AsyncIterator[World]:
    """A store after set-up, with helpers to fill it."""
    crm = f"{mongo_database}_crm"
    store = Store(mongo[mongo_database], mongo[crm], StoreConfig(blind_index_keys={"only": b"k" * 32}, lease_seconds=5))
    await store.setup()
    yield World(store, mongo[mongo_database], mongo[crm])
    await mongo.drop_database(crm)


@pytest.fixture
def store(world: World) -> Store:
    """The store of the world."""
    return world.store
