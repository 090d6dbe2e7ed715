"""Blobs: raw mail, attachments and long HTML, in GridFS's format, named by the SHA-256 of their content, written in bulk.

A file document lists what needs it in ``refs``, see ``blob_refs``. ``blob_sweep`` deletes unneeded blobs after a grace period.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence

from bson import ObjectId
from pymongo import UpdateOne

from services.store.core.bulk import insert_new
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.errors import NotFoundError

CHUNK = 255 * 1024
"""Octets per chunk: the default of every GridFS driver."""


class Blobs:
    """Stores and returns blobs."""

    def __init__(self, collections: Collections) -> None:
        self._files = collections.blob_files
        self._chunks = collections.blob_chunks

    async def put_many(self, blobs: Sequence[tuple[bytes, str | None]]) -> list[str]:
        """Store (content, reference) pairs. Returns their hashes (hex) in the same order.

        A blob without a reference is deleted after the grace period, see ``blob_refs.hold``.
        """
        hashes = [hashlib.sha256(data).hexdigest() for data, _ in blobs]
        contents = {name: data for name, (data, _) in zip(hashes, blobs, strict=True)}
        refs: dict[str, set[str]] = {}
        for name, (_, ref) in zip(hashes, blobs, strict=True):
            refs.setdefault(name, set()).update([ref] if ref else [])
        repeated = await self._insert_chunks(contents)
        made = await self._save_files([(name, len(contents[name]), refs[name]) for name in contents])
        # The chunks existed but the file did not: a sweep deleted the file in between, with its chunks.
        # The file has a reference now, so no sweep touches it, and the chunks can be stored safely.
        if again := repeated & made:
            await self._insert_chunks({name: contents[name] for name in again})
        return hashes

    async def put_stream(self, parts: AsyncIterator[bytes], ref: str | None) -> tuple[str, int]:
        """Store a large blob with one chunk in memory. Returns its hash and its size in octets. ``ref`` as for ``put_many``."""
        digest, temporary, count, size, rest = hashlib.sha256(), ObjectId(), 0, 0, b""
        async for part in parts:
            digest.update(part)
            size += len(part)
            rest += part
            while len(rest) >= CHUNK:
                await self._chunks.insert_one({"files_id": temporary, "n": count, "data": rest[:CHUNK]})
                rest, count = rest[CHUNK:], count + 1
        if rest or not count:
            await self._chunks.insert_one({"files_id": temporary, "n": count, "data": rest})
        name = digest.hexdigest()
        # As in ``put_many``, the file comes last, so that an existing file is complete after any crash.
        repeated = await self._copy(temporary, name)
        if await self._save_files([(name, size, {ref} if ref else set())]) and repeated:
            await self._copy(temporary, name)  # a sweep may have deleted their file, and them
        await self._chunks.delete_many({"files_id": temporary})
        return name, size

    async def _copy(self, temporary: ObjectId, name: str) -> bool:
        """Copy the chunks stored under a temporary name to a blob. Returns whether it had some already."""
        repeated = False
        async for chunk in self._chunks.find({"files_id": temporary}, batch_size=4):
            document = {"files_id": name, "n": chunk["n"], "data": chunk["data"]}
            repeated |= bool(await insert_new(self._chunks, [document]))
        return repeated

    async def get(self, name: str) -> bytes:
        """Return a blob.

        Raises:
            NotFoundError: there is no blob with this hash, or it is incomplete.
        """
        file = await self._file(name)
        data = b"".join([chunk["data"] async for chunk in self._chunks.find({"files_id": name}).sort("n", 1)])
        if len(data) != file["length"]:
            raise NotFoundError(f"blob {name} is incomplete")
        return data

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """Iterate over a blob in parts of at most ``CHUNK`` octets, with a few of them in memory.

        Raises:
            NotFoundError: there is no blob with this hash.
        """
        await self._file(name)
        async for chunk in self._chunks.find({"files_id": name}, batch_size=4).sort("n", 1):
            yield chunk["data"]

    async def size(self, name: str) -> int:
        """Return the size of a blob in octets.

        Raises:
            NotFoundError: there is no blob with this hash.
        """
        return int((await self._file(name))["length"])

    async def _file(self, name: str) -> Doc:
        file = await self._files.find_one({"_id": name})
        if file is None:
            raise NotFoundError(f"there is no blob {name}")
        return file

    async def _insert_chunks(self, contents: dict[str, bytes]) -> set[str]:
        """Insert the chunks of blobs. Returns the names of blobs that had some already."""
        documents = [
            {"files_id": name, "n": number, "data": part}
            for name, data in contents.items()
            for number, part in enumerate(_parts(data))
        ]
        return {document["files_id"] for document in await insert_new(self._chunks, documents)}

    async def _save_files(self, files: Sequence[tuple[str, int, set[str]]]) -> set[str]:
        """Add references, and create missing file documents. Returns the names of those that this call created.

        Nearly all are missing, and an insert costs the server a third of an upsert, so inserts come first.
        """
        documents: list[Doc] = [
            {
                "_id": name,
                "length": size,
                "chunkSize": CHUNK,
                "uploadDate": now(),
                "filename": name,
                "refs": sorted(refs),
                **({} if refs else {"orphaned_at": now()}),
            }
            for name, size, refs in files
        ]
        there = await insert_new(self._files, documents)
        made = {document["_id"] for document in documents} - {document["_id"] for document in there}
        writes = [_addition(document) for document in there]
        if writes:
            result = await self._files.bulk_write(writes, ordered=False)
            made |= set((result.upserted_ids or {}).values())
        return made


def _addition(document: Doc) -> UpdateOne:
    """Return the update that adds references to an existing file. Without references it restarts the grace period."""
    if not document["refs"]:
        waiting = {"_id": document["_id"], "orphaned_at": {"$exists": True}}
        return UpdateOne(waiting, {"$set": {"orphaned_at": document["orphaned_at"]}})
    made = {key: value for key, value in document.items() if key not in {"_id", "refs"}}
    added = {"$addToSet": {"refs": {"$each": document["refs"]}}, "$unset": {"orphaned_at": ""}}
    return UpdateOne({"_id": document["_id"]}, {"$setOnInsert": made, **added}, upsert=True)


def _parts(data: bytes) -> Iterator[bytes]:
    if len(data) <= CHUNK:
        yield data
        return
    for start in range(0, len(data), CHUNK):
        yield data[start : start + CHUNK]
