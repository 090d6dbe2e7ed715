"""Deletes blobs that nothing needs."""

from __future__ import annotations

from datetime import timedelta

from bson import ObjectId

from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.fence import Fence, MongoSession
from services.store.ledger.ledger_matcher import MatcherLedger

GRACE = timedelta(minutes=5)
"""Time from a blob's release to its deletion. A message normally takes less from parser to matcher."""
_ABANDONED = timedelta(days=1)


class BlobSweep:
    """One process at a time runs it regularly (``store.singleton_lease``)."""

    def __init__(self, collections: Collections, fence: Fence, matcher_ledger: MatcherLedger) -> None:
        self._files = collections.blob_files
        self._chunks = collections.blob_chunks
        self._emails = collections.emails
        self._deleted = collections.deleted_emails
        self._fence = fence
        self._matcher_ledger = matcher_ledger

    async def run(self, *, grace: timedelta = GRACE, limit: int = 500) -> int:
        """Delete blobs that were released before the grace period and whose emails are not stored. Returns how many.

        A matcher may store the email of a blob at the same moment. It calls ``blob_refs.lacking`` after storing the email, and
        this method looks for the email again after deleting the blob, so one sees the other and the copy is fetched again.
        """
        moment = now()
        count = 0
        query: Doc = {"orphaned_at": {"$lt": moment - grace}}
        async for file in self._files.find(query, {"refs": 1, "orphaned_at": 1}).limit(limit):
            refs = file["refs"]
            keys = [ref.removeprefix("email:") for ref in refs if ref.startswith("email:")]
            stored = await self._stored(keys)
            kept = [ref for ref in refs if not ref.startswith("email:") or ref.removeprefix("email:") in stored]
            if await self._fence.transaction(lambda session, file=file, kept=kept: self._settle(file, kept, session)):  # type: ignore[misc]
                count += 1
                if keys and (late := await self._stored(keys)):
                    await self._matcher_ledger.replan_emails(late)
        # Chunks that ``put_stream`` left when its process died.
        abandoned = ObjectId.from_datetime(moment - _ABANDONED)
        await self._chunks.delete_many({"files_id": {"$lt": abandoned}})
        return count

    async def _settle(self, file: Doc, kept: list[str], session: MongoSession) -> bool:
        """Delete a file with its chunks, or keep it for its valid references. Does nothing if it changed since it was read."""
        same: Doc = {"_id": file["_id"], "refs": file["refs"], "orphaned_at": file["orphaned_at"]}
        if kept:
            await self._files.update_one(same, {"$set": {"refs": kept}, "$unset": {"orphaned_at": ""}}, session=session)
            return False
        deleted = await self._files.delete_one(same, session=session)
        if deleted.deleted_count:
            await self._chunks.delete_many({"files_id": file["_id"]}, session=session)
        return bool(deleted.deleted_count)

    async def _stored(self, keys: list[str]) -> set[str]:
        """Return which emails are stored, also those whose deletion can be undone."""
        query: Doc = {"_id": {"$in": keys}}
        # In this order: a restoration stores the email first, and then takes it off the deleted ones.
        return {found["_id"] for each in (self._deleted, self._emails) async for found in each.find(query, {"_id": 1})}
