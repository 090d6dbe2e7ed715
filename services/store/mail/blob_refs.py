"""What needs a blob: ``email:<key>``, ``copy:<row id>`` or ``dead:<id>``, in the ``refs`` of its file document.

``orphaned_at`` is when a reference was released. After a grace period ``blob_sweep`` checks again and deletes unneeded blobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from schemas.accounts import Lease
from schemas.mail import Content
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.fence import Fence, MongoSession


def email_ref(key: str) -> str:
    """Return the reference of an email."""
    return f"email:{key}"


def copy_ref(row: str) -> str:
    """Return the reference of a copy that is not parsed yet."""
    return f"copy:{row}"


def dead_ref(dead_letter: str) -> str:
    """Return the reference of a dead letter."""
    return f"dead:{dead_letter}"


class BlobReferences:
    """Adds and releases references to blobs."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        self._files = collections.blob_files
        self._fence = fence

    async def hold(self, lease: Lease, blobs: Mapping[str, str]) -> frozenset[str]:
        """Add the references of copies to blobs (hashes by row id) that were stored without any. Returns the rows whose blob is gone.

        Raises:
            LeaseLostError: another poller has the account. It may have finished these copies already, and nothing would ever
                drop a reference that comes later.
        """

        async def write(session: MongoSession) -> frozenset[str]:
            lacking = set()
            for row, name in blobs.items():
                change = {"$addToSet": {"refs": copy_ref(row)}, "$unset": {"orphaned_at": ""}}
                if not (await self._files.update_one({"_id": name}, change, session=session)).matched_count:
                    lacking.add(row)
            return frozenset(lacking)

        return await self._fence.write(lease, write) if blobs else frozenset()

    async def add_ref(self, names: Iterable[str], ref: str) -> None:
        """Add a reference to blobs that are stored already. Skips blobs that are not."""
        change = {"$addToSet": {"refs": ref}, "$unset": {"orphaned_at": ""}}
        await self._files.update_many({"_id": {"$in": list(names)}}, change)

    async def drop_refs(self, refs: Iterable[str]) -> None:
        """Drop references (of dead letters). A blob without any is deleted after the grace period."""
        wanted = list(refs)
        if wanted:
            await self._files.update_many({"refs": {"$in": wanted}}, _left({"$setDifference": ["$refs", wanted]}))

    async def retire(self, copy: str, email: str, *, keep: timedelta) -> None:
        """Drop the reference of a parsed copy. The blob waits for ``keep``, in case its message is delivered again.

        It goes earlier if the email goes (``release``) or the account is purged (``drop_copies``).
        """
        for_whom = {"$set": {"kept_for": [copy, email]}}
        await self._files.update_many({"refs": copy}, [*_left({"$setDifference": ["$refs", [copy]]}, keep), for_whom])

    async def drop_copies(self, account: str) -> None:
        """Drop the references of all copies of an account."""
        prefix = copy_ref(f"{account}.")
        others = {"$filter": {"input": "$refs", "cond": {"$ne": [{"$indexOfCP": ["$$this", prefix]}, 0]}}}
        theirs = {"$elemMatch": {"$gte": prefix, "$lt": f"{prefix}~"}}
        await self._files.update_many({"refs": theirs}, _left(others))
        await self._files.update_many({"kept_for": theirs}, {"$set": {"orphaned_at": now()}})

    async def release(self, keys: Iterable[str]) -> None:
        """Let the sweep delete the blobs of emails after the grace period, unless the email is stored by then."""
        refs = [email_ref(key) for key in keys]
        if refs:
            for field in ("refs", "kept_for"):
                await self._files.update_many({field: {"$in": refs}}, {"$set": {"orphaned_at": now()}})

    async def drop_heads(self, names: Iterable[str]) -> None:
        """Drop the references of emails to header blocks, because the copies that had them are purged."""
        others = {"$filter": {"input": "$refs", "cond": {"$ne": [{"$indexOfCP": ["$$this", email_ref("")]}, 0]}}}
        await self._files.update_many({"_id": {"$in": list(names)}}, _left(others))

    async def lacking(self, contents: Sequence[Content], raw: Iterable[tuple[str, str]] = ()) -> frozenset[str]:
        """Return the keys of emails whose blobs are not all stored, because a release and an arrival crossed.

        ``raw`` are the blobs of the copies' raw forms, as (key, hash).
        Call it after the emails are stored. Set the rows of these emails to ``planned`` (``matcher_ledger.replan_rows``), not ``attached``.
        """
        wanted = {content.key: set(content.blobs) for content in contents}
        for key, name in raw:
            if key in wanted:
                wanted[key].add(name)
        found = self._files.find({"refs": {"$in": [email_ref(key) for key in wanted]}}, {"refs": 1})
        async for document in found:
            for ref in document["refs"]:
                wanted.get(ref.removeprefix("email:"), set()).discard(document["_id"])
        return frozenset(key for key, missing in wanted.items() if missing)


def _left(refs: Doc, keep: timedelta = timedelta()) -> list[Doc]:
    """Return the update that keeps only these references. A file that waits for the sweep keeps its ``orphaned_at``."""
    milliseconds = keep // timedelta(milliseconds=1)
    orphaned = {"$cond": [{"$eq": ["$refs", []]}, {"$add": ["$$NOW", milliseconds]}, "$orphaned_at"]}
    return [{"$set": {"refs": refs}}, {"$set": {"orphaned_at": orphaned}}]
