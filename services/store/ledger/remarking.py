"""Rows that another key marked than the one that makes new marks: the poller reads their headers again, a few at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from pymongo import UpdateOne

from schemas.accounts import Lease
from schemas.ledger import Row, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.core.fence import Fence, MongoSession
from services.store.ledger.ledger_rows import row_of

_LIVE: Doc = {"$ne": RowState.GONE.value}


class RemarkedRow(NamedTuple):
    """A row with its marks by the new key."""

    before: Row
    marks: tuple[bytes, ...]
    id_mark: bytes | None
    header: bytes


class Remarking:
    """Finds the rows of an account, and replaces their marks by compare-and-set."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        self._ledger = collections.ledger
        self._fence = fence

    async def accounts(self, key: str) -> set[str]:
        """Return the accounts with rows that another key marked, gone ones included. Reads one entry of an index per account."""
        return set(await self._ledger.distinct("account", {"account": {"$gt": ""}, "mark_key": {"$ne": key}}))

    async def rows(self, account: str, key: str, *, limit: int, but: Collection[str] = ()) -> list[Row]:
        """Return rows of an account that another key marked, in no order.

        Args:
            account: its id.
            key: the id of the key that makes new marks.
            limit: the most rows to return.
            but: rows to leave out.
        """
        query: Doc = {"account": account, "mark_key": {"$ne": key}, "state": _LIVE}
        if but:
            query["_id"] = {"$nin": list(but)}
        return [row_of(found) async for found in self._ledger.find(query).hint("id_mark").limit(limit)]

    async def save(self, lease: Lease, rows: Sequence[RemarkedRow], key: str) -> int:
        """Store new marks. Returns how many rows have them now.

        A row whose marks changed meanwhile (an erasure removes some) stays as it is, until the next call.
        """
        writes = [UpdateOne(_unchanged(row.before), _change(row, key)) for row in rows]

        async def write(session: MongoSession) -> int:
            return (await self._ledger.bulk_write(writes, ordered=False, session=session)).modified_count

        return await self._fence.write(lease, write) if writes else 0

    async def left(self, accounts: Iterable[str], key: str) -> dict[str, dict[str | None, int]]:
        """Return, by account, how many rows other keys marked, by these keys' ids (None: not named). Accounts without any are missing."""
        match: Doc = {"account": {"$in": list(accounts)}, "mark_key": {"$ne": key}, "state": _LIVE}
        group: Doc = {"_id": {"account": "$account", "key": "$mark_key"}, "count": {"$sum": 1}}
        found = await self._ledger.aggregate([{"$match": match}, {"$group": group}], hint="id_mark")
        counts: dict[str, dict[str | None, int]] = {}
        async for one in found:
            counts.setdefault(one["_id"]["account"], {})[one["_id"].get("key")] = one["count"]
        return counts


def _unchanged(row: Row) -> Doc:
    marks: Doc = {"marks": list(row.marks)} if row.marks else {"$or": [{"marks": None}, {"marks": []}]}
    return {"_id": row.id, "mark_key": row.mark_key, "state": _LIVE, **marks}


def _change(row: RemarkedRow, key: str) -> Doc:
    values: Doc = {"mark_key": key}
    values |= {
        name: value
        for name, value in (("marks", list(row.marks)), ("id_mark", row.id_mark), ("header", row.header))
        if value
    }
    absent = {name: "" for name in ("marks", "id_mark", "header") if name not in values}
    return {"$set": values, **({"$unset": absent} if absent else {})}
