"""The CRM's read rights: if a field lists readers, "V may read R" applies to every reader."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient

from schemas.sharing import Mode, SharingPolicy
from services.store import NotFoundError, Store, StoreConfig
from services.store.readers.candidates import on_record
from services.store.readers.views import Obstacle
from testbed.local import LocalServers
from tests.store.fixtures import World, content

ANN, BOB, EVE = "ann@corp.com", "bob@corp.com", "eve@corp.com"


@pytest.fixture
async def world(servers: LocalServers, mongo_database: str) -> AsyncIterator[World]:
    """A store whose CRM lists readers in a field."""
    async with AsyncMongoClient[dict[str, object]](servers.mongo_url) as client:
        crm = f"{mongo_database}_crm"
        config = StoreConfig(blind_index_keys={"only": b"k" * 32}, readers_field="access.readers")
        store = Store(client[mongo_database], client[crm], config)
        await store.setup()
        yield World(store, client[mongo_database], client[crm])
        await client.drop_database(crm)


async def test_a_record_is_read_by_its_readers_and_its_owner_only(world: World) -> None:
    """Even a holder of the mail does not see it on a record that the CRM hides from them. A record without readers is open to all."""
    store = world.store
    ann = await world.account(ANN)
    await world.user(BOB)
    await world.user(EVE)
    closed, open_to_all = await world.record("lead@x.com"), await world.record("kim@y.com", kind="contact")
    both = content("both", "lead@x.com", "kim@y.com", ANN)
    only = content("only", "lead@x.com", ANN, minutes=1)
    await world.attach(ann, both)
    await world.attach(ann, only)
    listed = {"access": {"readers": ["Bob@corp.com"]}, "owner": BOB}
    await world.crm["leads"].update_one({"_id": ObjectId(closed.id)}, {"$set": listed})
    for viewer, here, there in ((BOB, 2, 1), (EVE, 0, 1), (ANN, 0, 1)):
        assert len((await store.reading.visible_emails(viewer, closed)).emails) == here
        assert await store.reading.count(viewer, closed) == here
        assert len((await store.reading.visible_emails(viewer, open_to_all)).emails) == there
        assert len(await store.email_search.search(viewer, "subject")) == max(here, there)
    assert (await store.reading.show(EVE, both.key)).records == (open_to_all,)
    for way in (store.reading.show, store.reading.raw, store.reading.full_key, store.email_search.thread):
        with pytest.raises(NotFoundError):
            await way(EVE, only.key)
    assert await store.reading._candidates.newest(await world.viewer(EVE), on_record(closed), None, 10) == []
    told = await store.explaining.explain(EVE, closed, both.key, asked_by=None)
    assert (told.visible, told.obstacle) == (False, Obstacle.RECORD_NOT_READABLE)
    preview = await store.previewing.account(ann, SharingPolicy(mode=Mode.PRIVATE))
    assert (preview.hidden.emails, preview.hidden.users, preview.hidden.records) == (1, 2, 1)
    await world.crm["leads"].update_one({"_id": ObjectId(closed.id)}, {"$set": {"access.readers": [ANN]}})
    assert [await store.reading.count(viewer, closed) for viewer in (ANN, BOB, EVE)] == [2, 2, 0]
    await world.crm["leads"].delete_one({"_id": ObjectId(closed.id)})
    assert [await store.reading.count(viewer, closed) for viewer in (ANN, BOB, EVE)] == [0, 0, 0]
