"""Blobs: raw mail, attachments, long HTML; in GridFS's format, named by the SHA-256 of their content, written in bulk.

A file document lists who needs it in ``refs``, see ``blob_refs``.
What nobody needs any more ``blob_sweep`` deletes after a grace.
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
from services.store.core.fence import Fence
from services.store.mail.blob_refs import BlobReferences, blobs_of

__all__ = ["CHUNK", "Blobs", "blobs_of"]

CHUNK = 255 * 1024
"""Octets in a chunk, as every GridFS driver has it."""


class Blobs(BlobReferences):
    """Putting and getting."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        BlobReferences.__init__(self, collections, fence)
        self._files = collections.blob_files
        self._chunks = collections.blob_chunks

    async def put_many(self, blobs: Sequence[tuple[bytes, str | None]]) -> list[str]:
        """Store (content, reference) pairs. Returns their hashes (hex) in the same order.

        What is put without a reference is nobody's, and deleted after the grace: see ``hold``.
        """
        hashes = [hashlib.sha256(data).hexdigest() for data, _ in blobs]
        contents = {name: data for name, (data, _) in zip(hashes, blobs, strict=True)}
        refs: dict[str, set[str]] = {}
        for name, (_, ref) in zip(hashes, blobs, strict=True):
            refs.setdefault(name, set()).update([ref] if ref else [])
        repeated = await self._insert_chunks(contents)
        made = await self._save_files([(name, len(contents[name]), refs[name]) for name in contents])
        # Chunks that were there, of a file that was not: a sweep deleted the file in between and took the chunks with it.
        # The file has a reference now, so that no sweep touches it any more, and what is missing is put for good.
        if again := repeated & made:
            await self._insert_chunks({name: contents[name] for name in again})
        return hashes

    async def put_stream(self, parts: AsyncIterator[bytes], ref: str | None) -> tuple[str, int]:
        """Store a large blob as it comes; in memory is one chunk. Returns its hash and its size in octets. ``ref`` as for ``put_many``."""
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
        # The file comes last, as in ``put_many``: one that is there is whole, whoever died on the way to it.
        repeated = await self._copy(temporary, name)
        if await self._save_files([(name, size, {ref} if ref else set())]) and repeated:
            await self._copy(temporary, name)  # a sweep may have deleted the file that they were of, and them
        await self._chunks.delete_many({"files_id": temporary})
        return name, size

    async def _copy(self, temporary: ObjectId, name: str) -> bool:
        """Give a blob the chunks that were gathered under another name. Returns whether it had some already."""
        repeated = False
        async for chunk in self._chunks.find({"files_id": temporary}, batch_size=4):
            document = {"files_id": name, "n": chunk["n"], "data": chunk["data"]}
            repeated |= bool(await insert_new(self._chunks, [document]))
        return repeated

    async def get(self, name: str) -> bytes:
        """Return a blob.

        Raises:
            NotFoundError: there is none of this hash, or it is not whole.
        """
        file = await self._file(name)
        data = b"".join([chunk["data"] async for chunk in self._chunks.find({"files_id": name}).sort("n", 1)])
        if len(data) != file["length"]:
            raise NotFoundError(f"blob {name} is not whole")
        return data

    async def stream(self, name: str) -> AsyncIterator[bytes]:
        """Iterate over a blob in parts of at most ``CHUNK`` octets; in memory are a few of them.

        Raises:
            NotFoundError: there is none of this hash.
        """
        await self._file(name)
        async for chunk in self._chunks.find({"files_id": name}, batch_size=4).sort("n", 1):
            yield chunk["data"]

    async def size(self, name: str) -> int:
        """Return the octets of a blob.

        Raises:
            NotFoundError: there is none of this hash.
        """
        return int((await self._file(name))["length"])

    async def _file(self, name: str) -> Doc:
        file = await self._files.find_one({"_id": name})
        if file is None:
            raise NotFoundError(f"there is no blob {name}")
        return file

    async def _insert_chunks(self, contents: dict[str, bytes]) -> set[str]:
        """Insert the chunks of blobs. Returns the names of those that had some already."""
        documents = [
            {"files_id": name, "n": number, "data": part}
            for name, data in contents.items()
            for number, part in enumerate(_parts(data))
        ]
        return {document["files_id"] for document in await insert_new(self._chunks, documents)}

    async def _save_files(self, files: Sequence[tuple[str, int, set[str]]]) -> set[str]:
        """Add references, making the file documents that are missing. Returns the names of those that this call made.

        Nearly all are missing, and an insert costs the server a third of an upsert: that is tried first.
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
    """Return the update that adds the references of a file that is there; one that nobody needs is given another grace."""
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
