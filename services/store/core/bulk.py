"""Many documents at a time."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import TypeVar

from pymongo.errors import BulkWriteError

from services.store.core.documents import Doc, Documents

DUPLICATE = 11000
T = TypeVar("T")


async def batched(items: AsyncIterable[T], size: int) -> AsyncIterator[list[T]]:
    """Iterate over items in lists of ``size``; the last one may be shorter."""
    part: list[T] = []
    async for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part


async def insert_new(collection: Documents, documents: Sequence[Doc]) -> list[Doc]:
    """Insert documents that are nearly always new, which costs the server a third of upserts. Returns those whose key exists already.

    Raises:
        BulkWriteError: a document failed for another reason, or a majority does not have them all.
    """
    if not documents:
        return []
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if error.details["writeConcernErrors"] or any(failure["code"] != DUPLICATE for failure in failures):
            raise
        return [documents[failure["index"]] for failure in failures]
    return []
