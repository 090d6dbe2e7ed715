"""Every write of a poller is fenced: a poller that has lost its lease without knowing changes nothing."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest

from schemas.accounts import Lease, Trouble
from schemas.ledger import Folder, Row, RowState
from services.store import FolderPatch, LeaseLostError, RemarkedRow, Store, copy_ref
from services.store.core.documents import now
from tests.factories import INBOX, SEALED, folder, row
from tests.store.fixtures import World, content

Write = Callable[[Store, Lease], Awaitable[object]]


SAME = b"id" * 8
"""The hash of a Message-ID that different mails carry."""


def marked(account: str, uid: int) -> Row:
    """Return a row of one of these mails."""
    return row(account, uid, marks=(SAME, bytes([uid])), id_mark=SAME, mark_key="only")


def inbox(account: str) -> Folder:
    """Return a recreated folder."""
    return folder(account, uidvalidity=2, uidnext=9)


def ids(lease: Lease) -> list[str]:
    """Return the ids of the existing rows."""
    return [row(lease.account, uid).id for uid in (1, 2, 3)]


WRITES: dict[str, Write] = {
    "account_troubles.block": lambda store, lease: store.account_troubles.block(lease, "wrong-password", tried=SEALED),
    "account_troubles.note": lambda store, lease: store.account_troubles.note(
        lease, Trouble(code="unavailable", phase="connect", since=now())
    ),
    "blob_refs.hold": lambda store, lease: store.blob_refs.hold(lease, dict.fromkeys(ids(lease), "name")),
    "epochs.start": lambda store, lease: store.epochs.start(lease, [], expected=1),
    "epochs.seal": lambda store, lease: store.epochs.seal(lease, 1),
    "folders.save": lambda store, lease: store.folders.save(lease, []),
    "folders.renew": lambda store, lease: store.folders.renew(lease, inbox(lease.account)),
    "folders.patch": lambda store, lease: store.folders.patch(lease, FolderPatch(INBOX, cursor=1, live_next=9)),
    "poller_ledger.add_window": lambda store, lease: store.poller_ledger.add_window(
        lease, [row(lease.account, 4)], folder=FolderPatch(INBOX, cursor=1)
    ),
    "poller_ledger.published": lambda store, lease: store.poller_ledger.published(lease, ids(lease)),
    "poller_ledger.replan": lambda store, lease: store.poller_ledger.replan(lease, ids(lease)),
    "poller_ledger.finish": lambda store, lease: store.poller_ledger.finish(
        lease, ids(lease), RowState.SKIPPED, "too-large"
    ),
    "poller_ledger.replan_stale": lambda store, lease: store.poller_ledger.replan_stale(
        lease, older_than=timedelta(seconds=-60)
    ),
    "poller_ledger.set_flags": lambda store, lease: store.poller_ledger.set_flags(lease, {ids(lease)[0]: ["\\Seen"]}),
    "poller_ledger.gone": lambda store, lease: store.poller_ledger.gone(lease, ids(lease)),
    "ledger_doubts.note": lambda store, lease: store.ledger_doubts.note(
        lease, ids(lease), "withheld", apart=timedelta(0), times=1
    ),
    "ledger_doubts.shortened": lambda store, lease: store.ledger_doubts.shortened(lease, {ids(lease)[0]: 7}),
    "ledger_doubts.try_again": lambda store, lease: store.ledger_doubts.try_again(lease, epoch=1),
    "message_ids.note": lambda store, lease: store.message_ids.note(lease, [SAME]),
    "remarking.save": lambda store, lease: store.remarking.save(
        lease, [RemarkedRow(marked(lease.account, 1), (b"m",), None, b"h")], "new"
    ),
    "poller_ledger.gone_folder": lambda store, lease: store.poller_ledger.gone_folder(lease, INBOX, 1),
}
"""Every write that a poller makes, here after its lease has expired."""


def fenced(store: Store) -> set[str]:
    """Return every method of the store that takes a lease.

    Left out: the one that releases it, and the one that saves rotated tokens, which counts although the lease is lost:
    the identity server takes no others any more (``tests/store/sync/test_account_tokens.py``).
    """
    return {
        f"{subject}.{name}"
        for subject in dir(Store)
        if isinstance(inspect.getattr_static(Store, subject), cached_property) and not subject.startswith("_")
        for name, method in inspect.getmembers(type(getattr(store, subject)), inspect.isfunction)
        if not name.startswith("_") and "lease" in inspect.signature(method).parameters
    } - {"leases.release", "account_tokens.save"}


async def dump(world: World) -> dict[str, list[Any]]:
    """Return all documents."""
    names = await world.database.list_collection_names()
    return {name: [document async for document in world.database[name].find().sort("_id", 1)] for name in names}


@pytest.fixture
async def late(world: World, store: Store) -> Lease:
    """The lease of a poller that stalled during a backfill, while another took the account over."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    rows = [marked(mine.id, uid) for uid in (1, 2, 3)]
    states = (RowState.PLANNED, RowState.PUBLISHED, RowState.UNMATCHED)
    await store.poller_ledger.add_window(
        lease, [one.model_copy(update={"state": state}) for one, state in zip(rows, states, strict=True)]
    )
    await store.blobs.put_many([(b"large", None)])
    past = now() - timedelta(minutes=1)
    await world.database["accounts"].update_one({"_id": mine.id}, {"$set": {"lease.expires": past}})
    assert [new.account for new in await store.leases.acquire("p2", 10)] == [mine.id]
    return lease


def test_every_write_of_the_poller_is_listed(store: Store) -> None:
    """Every method that takes a lease is in the list above."""
    assert fenced(store) == WRITES.keys()


@pytest.mark.parametrize("name", WRITES)
async def test_a_late_write_is_refused_as_a_whole(world: World, store: Store, late: Lease, name: str) -> None:
    """The write raises LeaseLostError, and the database is unchanged."""
    before = await dump(world)
    with pytest.raises(LeaseLostError):
        await WRITES[name](store, late)
    assert await dump(world) == before


async def test_a_twin_of_a_deleted_email_is_not_planned_without_the_lease(
    world: World, store: Store, late: Lease
) -> None:
    """If the lease is lost after the row of a twin was written, the check of the twin's email writes nothing."""
    before = await dump(world)
    twin = {"_id": ids(late)[0], "state": "attached", "email": content("x", "c@x.com").key}
    with pytest.raises(LeaseLostError):
        await store.poller_ledger._check_twins(late, [twin])
    assert await dump(world) == before


async def test_a_blob_without_a_holder_is_deleted(world: World, store: Store) -> None:
    """A blob without a reference is deleted after the grace period. One with a reference is not."""
    mine = await world.account("a@corp.com")
    lost, held = await store.blobs.put_many([(b"lost", None), (b"held", None)])
    name = row(mine.id, 1).id
    assert await store.blob_refs.hold(world.leases[mine.id], {name: held, "gone": "0" * 64}) == {"gone"}
    assert await store.blob_sweep.run() == 0
    assert await store.blob_sweep.run(grace=-timedelta(seconds=1)) == 1
    kept = [(file["_id"], file["refs"]) async for file in world.database["blobs.files"].find()]
    assert kept == [(held, [copy_ref(name)])]
    assert lost != held


async def test_a_blob_stored_again_gets_a_new_grace_period(world: World, store: Store) -> None:
    """A blob stored again without a reference gets a new grace period. A referenced one stays referenced."""
    needed, waiting = await store.blobs.put_many([(b"needed", "email:x"), (b"waiting", None)])
    old = now() - timedelta(hours=1)
    files = world.database["blobs.files"]
    await files.update_one({"_id": waiting}, {"$set": {"orphaned_at": old}})
    await store.blobs.put_many([(b"needed", None), (b"waiting", None)])
    assert await store.blob_sweep.run() == 0
    found = {file["_id"]: file async for file in files.find()}
    assert found[waiting]["orphaned_at"].replace(tzinfo=old.tzinfo) > old
    assert "orphaned_at" not in found[needed]
