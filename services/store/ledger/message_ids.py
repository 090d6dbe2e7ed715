"""Message-IDs that different mails of one mailbox carry.

Anyone can send mail under a Message-ID that they know. Such mail opens no thread (``schemas.threads``), but it can make one
ambiguous, which takes a true link away. So it is noted and counted, without saying what the mails are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.accounts import Lease
from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc
from services.store.core.fence import Fence, MongoSession

_AT_ONCE = 500
_HASH: Doc = {"$gte": b""}
_LIVE: Doc = {"$ne": RowState.GONE.value}


class MessageIds:
    """Marks the rows concerned (``same_id``), and counts their Message-IDs."""

    def __init__(self, collections: Collections, config: StoreConfig, fence: Fence) -> None:
        self._ledger = collections.ledger
        self._keys = list(config.blind_index_keys)
        self._fence = fence

    async def note(self, lease: Lease, hashes: Iterable[bytes]) -> int:
        """Mark the rows of those of the Message-IDs that different mails carry. Returns how many rows are marked newly.

        Call it after the rows are written: of two that are written at the same time, the later call sees both.
        """
        wanted, count = list(dict.fromkeys(hashes)), 0
        for start in range(0, len(wanted), _AT_ONCE):
            count += await self._note(lease, wanted[start : start + _AT_ONCE])
        return count

    async def _note(self, lease: Lease, hashes: Sequence[bytes]) -> int:
        query: Doc = {
            "account": lease.account,
            "mark_key": {"$in": self._keys},
            "id_mark": {"$in": hashes},
            "state": _LIVE,
        }
        fields = dict.fromkeys(("id_mark", "marks", "header", "size", "email"), 1)
        rows: dict[bytes, list[Doc]] = {}
        async for row in self._ledger.find({**query, "same_id": {"$ne": True}}, fields):
            rows.setdefault(row["id_mark"], []).append(row)
        # Rows that are marked already are not read again: a flood of mail under one Message-ID costs no more than other mail.
        marked = {"account": lease.account, "same_id": True, "id_mark": {"$in": list(rows)}, "state": _LIVE}
        pipeline: list[Doc] = [{"$match": marked}, {"$group": {"_id": "$id_mark"}}]
        repeated = {found["_id"] async for found in await self._ledger.aggregate(pipeline, hint="same_id")}
        new = [row["_id"] for name, several in rows.items() if name in repeated or _differ(several) for row in several]
        if not new:
            return 0

        async def write(session: MongoSession) -> int:
            change = {"$set": {"same_id": True}}
            return (await self._ledger.update_many({"_id": {"$in": new}}, change, session=session)).modified_count

        return await self._fence.write(lease, write)

    async def repeated(self, account: str) -> list[bytes]:
        """Return the hashes of Message-IDs that several rows of an account carry, be they copies of one mail. Reads only an index."""
        match: Doc = {"account": account, "mark_key": {"$in": self._keys}, "id_mark": _HASH}
        pipeline: list[Doc] = [
            {"$match": match},
            {"$group": {"_id": "$id_mark", "count": {"$sum": 1}}},
            {"$match": {"count": {"$gt": 1}}},
        ]
        return [found["_id"] async for found in await self._ledger.aggregate(pipeline, allowDiskUse=True)]

    async def counts(self, accounts: Iterable[str] | None = None) -> dict[str, int]:
        """Return, by account, how many Message-IDs different mails carry now, without accounts that have none.

        Args:
            accounts: only these.
        """
        match: Doc = {"same_id": True, "state": _LIVE}
        if accounts is not None:
            match["account"] = {"$in": list(accounts)}
        names = {"account": "$account", "id": "$id_mark"}
        marks = {"$sortArray": {"input": {"$ifNull": ["$marks", []]}, "sortBy": 1}}
        pipeline: list[Doc] = [
            {"$match": match},
            {"$group": {"_id": {**names, "marks": marks}}},
            {"$group": {"_id": {"account": "$_id.account", "id": "$_id.id"}, "mails": {"$sum": 1}}},
            {"$match": {"mails": {"$gt": 1}}},
            {"$group": {"_id": "$_id.account", "count": {"$sum": 1}}},
        ]
        found = await self._ledger.aggregate(pipeline, hint="same_id", allowDiskUse=True)
        return {one["_id"]: one["count"] async for one in found}


def _differ(rows: Sequence[Doc]) -> bool:
    """Whether rows are of more than one mail.

    Copies of a mail have the same headers and size, or belong to the same email. The copy that comes back to its sender has other
    headers, but names the same people and mails, so for a thread it is the same mail.
    """
    mails: list[set[tuple[object, ...]]] = []
    for row in rows:
        same: set[tuple[object, ...]] = {("marks", frozenset(row.get("marks", ())))}
        if row.get("header"):
            same.add(("header", row["header"], row["size"]))
        if row.get("email"):
            same.add(("email", row["email"]))
        joined = [mail for mail in mails if mail & same]
        mails = [*(mail for mail in mails if mail not in joined), same.union(*joined)]
    return len(mails) > 1
