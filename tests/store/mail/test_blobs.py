"""Blobs: stored once by hash in GridFS's format, deleted when nothing needs them."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from gridfs import AsyncGridFSBucket

from services.store import NotFoundError, Store, copy_ref, email_ref
from services.store.mail.blobs import CHUNK
from tests.store.fixtures import World, content

NOW = timedelta(0)


async def parts_of(data: bytes, size: int) -> AsyncIterator[bytes]:
    """Iterate over data in parts."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def refs(world: World, name: str) -> Any:
    """Return the references of a blob; None if it is deleted."""
    file = await world.database["blobs.files"].find_one({"_id": name})
    return None if file is None else sorted(file["refs"])


async def test_a_blob_reads_back_as_it_was_written(world: World, store: Store) -> None:
    """Blobs of any size are read completely, at once, as a stream, and by any GridFS driver."""
    contents = [os.urandom(size) for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7)]
    names = await store.blobs.put_many([(data, "email:x") for data in contents])
    for name, data in zip(names, contents, strict=True):
        assert name == hashlib.sha256(data).hexdigest()
        assert await store.blobs.get(name) == data
        assert b"".join([part async for part in store.blobs.stream(name)]) == data
        assert await store.blobs.size(name) == len(data)
        reader = await AsyncGridFSBucket(world.database, "blobs").open_download_stream(name)
        assert await reader.read() == data


async def test_the_same_content_is_stored_once(world: World, store: Store) -> None:
    """Concurrent calls and one batch add their references to one blob."""
    data = os.urandom(2 * CHUNK)
    await asyncio.gather(*(store.blobs.put_many([(data, f"email:{n}"), (data, "email:x")]) for n in range(4)))
    name = hashlib.sha256(data).hexdigest()
    assert await refs(world, name) == ["email:0", "email:1", "email:2", "email:3", "email:x"]
    assert await store.blobs.get(name) == data
    assert await world.database["blobs.chunks"].count_documents({}) == 2


async def test_a_large_blob_is_put_as_a_stream(world: World, store: Store) -> None:
    """Parts of any length make the same blob. It is stored once, and no temporary chunk is left."""
    data = os.urandom(5 * CHUNK + 11)
    name = hashlib.sha256(data).hexdigest()
    assert await store.blobs.put_stream(parts_of(data, 100_000), copy_ref("r")) == (name, len(data))
    both = await asyncio.gather(*(store.blobs.put_stream(parts_of(data, 77_777), email_ref(str(n))) for n in range(2)))
    assert {found for found, _ in both} == {name}
    assert await store.blobs.get(name) == data
    assert await world.database["blobs.chunks"].count_documents({}) == 6
    empty, size = await store.blobs.put_stream(parts_of(b"", 1), "email:e")
    assert (await store.blobs.get(empty), size) == (b"", 0)


async def test_streams_of_one_content_at_once(store: Store) -> None:
    """Two concurrent calls with the same new content leave one complete blob."""
    data = os.urandom(4 * CHUNK)
    names = await asyncio.gather(*(store.blobs.put_stream(parts_of(data, CHUNK), f"email:{n}") for n in range(3)))
    assert await store.blobs.get(names[0][0]) == data


async def test_a_stream_that_died_is_put_again_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies after storing the file leaves a complete blob, or one that the next call completes."""
    data, save = os.urandom(2 * CHUNK + 3), store.blobs._save_files

    async def save_and_die(files: Any) -> set[str]:
        await save(files)
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(store.blobs, "_save_files", save_and_die)
        with pytest.raises(ConnectionError):
            await store.blobs.put_stream(parts_of(data, CHUNK), "copy:x")
    name, _ = await store.blobs.put_stream(parts_of(data, CHUNK), "copy:x")
    assert await store.blobs.get(name) == data


async def test_the_removal_of_an_email_that_died_leaves_no_blob(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies after deleting an email has released its blobs, which no other process could find."""
    (name,) = await store.blobs.put_many([(b"raw", email_ref(content("a", "x@a.com").key))])
    emails = store.orphaned_emails._emails

    class Dying:
        """Delete, and die."""

        async def delete_many(self, query: dict[str, Any]) -> None:
            await emails.delete_many(query)
            raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(store.orphaned_emails, "_emails", Dying())
        with pytest.raises(ConnectionError):
            await store.orphaned_emails.remove([content("a", "x@a.com").key])
    assert await store.blob_sweep.run(grace=NOW) == 1
    assert await refs(world, name) is None


async def test_a_missing_or_incomplete_blob_is_an_error(world: World, store: Store) -> None:
    """A missing or incomplete blob is an error."""
    with pytest.raises(NotFoundError):
        await store.blobs.get("0" * 64)
    with pytest.raises(NotFoundError):
        await anext(aiter(store.blobs.stream("0" * 64)))
    (name,) = await store.blobs.put_many([(os.urandom(2 * CHUNK), "email:x")])
    await world.database["blobs.chunks"].delete_one({"files_id": name, "n": 1})
    with pytest.raises(NotFoundError, match="incomplete"):
        await store.blobs.get(name)


async def test_a_blob_without_references_is_deleted(world: World, store: Store) -> None:
    """A blob is deleted after its last reference is dropped and the grace period is over."""
    (name,) = await store.blobs.put_many([(b"x", copy_ref("1"))])
    await store.blobs.put_many([(b"x", copy_ref("2"))])
    await store.blob_refs.drop_refs([copy_ref("1")])
    assert await store.blob_sweep.run(grace=-timedelta(seconds=1)) == 0
    await store.blob_refs.drop_refs([copy_ref("2")])
    assert await store.blob_sweep.run() == 0
    assert await store.blob_sweep.run(grace=-timedelta(seconds=1)) == 1
    assert await refs(world, name) is None
    assert await world.database["blobs.chunks"].count_documents({}) == 0


async def test_dropping_one_reference_does_not_save_what_was_released(world: World, store: Store) -> None:
    """The blob of a mail that was not attached is deleted, even if its copy's reference is dropped after the release."""
    (name,) = await store.blobs.put_many([(b"private", email_ref("x"))])
    await store.blob_refs.add_ref([name], copy_ref("a" * 24 + ".1"))
    await store.blob_refs.release(["x"])
    await store.blob_refs.drop_refs([copy_ref("a" * 24 + ".1")])
    assert await store.blob_sweep.run(grace=-timedelta(seconds=1)) == 1
    assert await refs(world, name) is None


async def test_references_of_an_account_are_dropped_and_no_others(world: World, store: Store) -> None:
    """A purge drops the account's copies. It keeps other references, and running grace periods."""
    mine, other = copy_ref("b" * 24 + ".f.1"), copy_ref("c" * 24 + ".f.1")
    both, ours, released = await store.blobs.put_many([(b"both", mine), (b"ours", mine), (b"out", email_ref("x"))])
    await store.blob_refs.add_ref([both], other)
    await store.blob_refs.add_ref([released], copy_ref("a" * 24 + ".f.1"))
    await store.blob_refs.release(["x"])
    await store.blob_refs.drop_refs([copy_ref("a" * 24 + ".f.1")])
    await store.blob_refs.drop_copies("b" * 24)
    assert [await refs(world, name) for name in (both, ours)] == [[other], []]
    assert await store.blob_sweep.run(grace=-timedelta(seconds=1)) == 2
    assert [await refs(world, name) for name in (both, ours, released)] == [[other], None, None]


async def test_a_released_blob_stays_for_an_email_that_is_stored(world: World, store: Store) -> None:
    """If one copy of an email is attached and another is not, its blobs stay. Blobs of unattached emails are deleted."""
    kept, other = content("kept", "a@x.com"), content("other", "a@x.com")
    names = await store.blobs.put_many([(b"kept", email_ref(kept.key)), (b"other", email_ref(other.key))])
    await store.emails.save_many([kept])
    await store.blob_refs.release([kept.key, other.key])
    assert await store.blob_sweep.run(grace=-timedelta(seconds=1)) == 1
    assert [await refs(world, name) for name in names] == [[email_ref(kept.key)], None]


async def test_putting_again_ends_the_grace(world: World, store: Store) -> None:
    """A blob that is needed again is not swept."""
    (name,) = await store.blobs.put_many([(b"x", "email:a")])
    await store.blob_refs.release(["a"])
    await store.blobs.put_many([(b"x", copy_ref("b"))])
    assert await store.blob_sweep.run(grace=-timedelta(seconds=1)) == 0
    assert await store.blobs.get(name) == b"x"


async def test_an_email_whose_blobs_are_gone_is_noticed(world: World, store: Store) -> None:
    """If a sweep ran before the matcher stored an email, the copy is fetched again."""
    whole, torn = content("whole", "a@x.com"), content("torn", "a@x.com")
    data = [b"whole", b"torn"]
    names = [hashlib.sha256(one).hexdigest() for one in data]
    contents = [mail.model_copy(update={"raw": name}) for mail, name in zip((whole, torn), names, strict=True)]
    await store.blobs.put_many([(one, email_ref(mail.key)) for one, mail in zip(data, contents, strict=True)])
    assert await store.blob_refs.lacking(contents) == frozenset()
    await store.blob_refs.release([torn.key])
    await store.blob_sweep.run(grace=-timedelta(seconds=1))
    assert await store.blob_refs.lacking(contents) == {torn.key}


async def test_a_sweep_and_a_put_at_once_leave_a_whole_blob(store: Store) -> None:
    """A stored blob can be read, whether the sweep or the write comes first."""
    data = os.urandom(CHUNK + 1)
    for round_ in range(15):
        (name,) = await store.blobs.put_many([(data, copy_ref(str(round_)))])
        await store.blob_refs.drop_refs([copy_ref(str(round_))])
        sweep = store.blob_sweep.run(grace=-timedelta(seconds=1))
        await asyncio.gather(sweep, store.blobs.put_many([(data, copy_ref("new"))]))
        assert await store.blobs.get(name) == data
        await store.blob_refs.drop_refs([copy_ref("new")])
