"""Bulk inserts of documents that are nearly always new: an insert costs the server a third of an upsert."""

from __future__ import annotations

from collections.abc import Sequence

from pymongo.errors import BulkWriteError

from services.store.core.documents import Doc, Documents

DUPLICATE = 11000


async def insert_new(collection: Documents, documents: Sequence[Doc]) -> list[Doc]:
    """Insert documents in one call. Returns those whose key exists already and that were therefore not inserted.

    Raises:
        BulkWriteError: a document failed for another reason.
    """
    if not documents:
        return []
    try:
        await collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if any(failure["code"] != DUPLICATE for failure in failures):
            raise
        return [documents[failure["index"]] for failure in failures]
    return []
