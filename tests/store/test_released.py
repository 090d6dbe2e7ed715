"""Databases of released versions: this version reads and continues them.

A release is recorded by ``LEADMAIL_RECORD=1 pytest tests/store/test_released.py``, which writes the file of the present version;
files are never changed afterwards.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo import AsyncMongoClient

from schemas.ledger import EpochState, RowState
from schemas.sharing import Mode
from services.store import DeadLetter, RowOutcome, Store, StoreConfig, email_ref
from tests.factories import folder, row
from tests.store.fixtures import START, World, content

RELEASED = sorted((Path(__file__).parent / "released").glob("*.json"))
ANNA, LUC, KIM = "anna@corp.com", "luc@corp.com", "kim@acme.com"
RAW = b"Subject: Offer\r\n\r\nHello\r\n"
CANONICAL = json_util.CANONICAL_JSON_OPTIONS


async def fill(world: World) -> None:
    """One document of every kind that a version stores."""
    store = world.store
    anna, luc = await world.account(ANNA, aliases=("a@corp.com",)), await world.account(LUC, mode=Mode.PRIVATE)
    await world.record(KIM, "kim@old.com", kind="contact", name="Kim")
    inbox = folder(anna.id, uidnext=9, cursor=9)
    await store.epochs.start(world.leases[anna.id], [inbox], expected=3)
    offer = content("offer", KIM, ANNA, raw=hashlib.sha256(RAW).hexdigest())
    await store.blobs.put_many([(RAW, email_ref(offer.key))])
    await world.attach(anna, offer, uid=1, flags=("\\Seen",), bcc=("boss@corp.com",))
    await world.attach(luc, content("secret", KIM, LUC, minutes=1), uid=2)
    other = row(anna.id, 3, marks=(b"m" * 16,))
    await store.poller_ledger.add_window(world.leases[anna.id], [other])
    await store.matcher_ledger.finish([RowOutcome(other.id, RowState.UNMATCHED)])
    await store.epochs.seal(world.leases[anna.id], 1)
    assert await store.epochs.complete_if_done(anna.id, 1)
    await store.dead_letters.add(
        DeadLetter(id="m@q", queue="q", reason="parser-died", account=anna.id, body=RAW, at=START)
    )


async def dump(world: World) -> str:
    """Return both databases as extended JSON, without leases, which belong to one run."""
    await world.database["accounts"].update_many({}, {"$unset": {"lease": ""}})
    databases = {"leadmail": world.database, "crm": world.crm}
    names = {part: sorted(await database.list_collection_names()) for part, database in databases.items()}
    found = {
        part: {name: [each async for each in database[name].find().sort("_id")] for name in names[part]}
        for part, database in databases.items()
    }
    return json_util.dumps(found, json_options=CANONICAL, indent=1) + "\n"


@pytest.mark.skipif(
    not os.environ.get("LEADMAIL_RECORD"), reason="only on a release: LEADMAIL_RECORD=1 writes its file"
)
async def test_record_this_release(world: World) -> None:
    """Write the file of this version."""
    await fill(world)
    file = Path(__file__).parent / "released" / f"{metadata.version('leadmail')}.json"
    file.write_text(await dump(world), encoding="utf-8")


def load(path: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return the documents of a release by database and collection."""
    text = path.read_text(encoding="utf-8")
    found: dict[str, dict[str, list[dict[str, Any]]]] = json_util.loads(text, json_options=CANONICAL)
    return found


@pytest.fixture(params=RELEASED, ids=lambda path: path.stem)
async def released(
    request: pytest.FixtureRequest, mongo: AsyncMongoClient[dict[str, Any]], mongo_database: str
) -> AsyncIterator[World]:
    """A released version's database, without its indexes, set up by this version."""
    databases = {"leadmail": mongo[mongo_database], "crm": mongo[f"{mongo_database}_crm"]}
    for part, collections in load(request.param).items():
        for name, documents in collections.items():
            if documents:
                await databases[part][name].insert_many(documents)
    store = Store(
        databases["leadmail"], databases["crm"], StoreConfig(blind_index_keys={"only": b"k" * 32}, lease_seconds=5)
    )
    await store.setup()
    yield World(store, databases["leadmail"], databases["crm"])
    await mongo.drop_database(databases["crm"].name)


async def test_people_see_what_they_saw(released: World) -> None:
    """Record pages, mails, raw mails, backfills and dead letters are readable, and private mail stays private."""
    store = released.store
    (kim,) = await store.records.find(KIM)
    assert (kim.name, kim.addresses) == ("Kim", (KIM, "kim@old.com"))
    seen = {
        viewer: [one.subject for one in (await store.reading.visible_emails(viewer, kim.ref)).emails]
        for viewer in (ANNA, LUC)
    }
    assert seen == {ANNA: ["Subject offer"], LUC: ["Subject secret", "Subject offer"]}
    assert await store.reading.raw(ANNA, content("offer", KIM).key) == RAW
    statuses = {status.account.address: status for status in await store.status.accounts()}
    assert statuses[ANNA].account.aliases == ("a@corp.com",)
    epoch = statuses[ANNA].epoch
    assert epoch is not None
    assert epoch.state is EpochState.COMPLETE
    assert statuses[ANNA].counts == {RowState.ATTACHED: 1, RowState.UNMATCHED: 1}
    (letter,) = await store.dead_letters.newest()
    assert (letter.reason, (await store.dead_letters.get(letter.id)).body) == ("parser-died", RAW)


async def test_stages_work_on(released: World) -> None:
    """Accounts are leased, new mail is attached and visible, and the due confirmation is still due."""
    store = released.store
    accounts = {account.address: account for account in await store.accounts.get_all()}
    await released.lease(accounts[ANNA].id)
    await released.attach(accounts[ANNA], content("news", KIM, ANNA, minutes=9), uid=8)
    (kim,) = await store.records.find(KIM)
    assert await store.reading.count(ANNA, kim.ref) == 2
    assert await store.epochs.claim(accounts[ANNA].id, 1, stale=timedelta(minutes=10)) is not None
