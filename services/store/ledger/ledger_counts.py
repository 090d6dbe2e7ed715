"""Counts of ledger rows, for operators and confirmations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from schemas.ledger import Row, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.ledger.ledger_rows import UNFINISHED_STATES, account_range, row_of


class LedgerCounts:
    """Counts by account. The rows of an account are one range of ids, and counting reads only that."""

    def __init__(self, collections: Collections) -> None:
        self._ledger = collections.ledger

    async def counts(self, account: str) -> dict[RowState, int]:
        """Return how many rows of an account are in each state."""
        pipeline = [{"$match": account_range(account)}, {"$group": {"_id": "$state", "count": {"$sum": 1}}}]
        return {RowState(found["_id"]): found["count"] async for found in await self._ledger.aggregate(pipeline)}

    async def counts_by_folder(
        self, account: str, epoch: int | None = None
    ) -> dict[tuple[str, RowState, str | None], int]:
        """Return the number of rows by (folder, state, reason), optionally of one backfill only."""
        match: Doc = account_range(account) if epoch is None else {**account_range(account), "epoch": epoch}
        group = {"folder": "$folder", "state": "$state", "reason": "$reason"}
        pipeline: list[Doc] = [{"$match": match}, {"$group": {"_id": group, "count": {"$sum": 1}}}]
        return {
            (found["_id"]["folder"], RowState(found["_id"]["state"]), found["_id"].get("reason")): found["count"]
            async for found in await self._ledger.aggregate(pipeline)
        }

    async def oldest_unfinished(self, accounts: Iterable[str]) -> dict[str, datetime]:
        """Return, by account, when its oldest row without a final state was noticed."""
        pipeline: list[Doc] = [
            {"$match": {"account": {"$in": list(accounts)}, "state": UNFINISHED_STATES}},
            {"$group": {"_id": "$account", "oldest": {"$min": "$noticed_at"}}},
        ]
        return {found["_id"]: found["oldest"] async for found in await self._ledger.aggregate(pipeline)}

    async def rows(self, account: str) -> AsyncIterator[Row]:
        """Iterate over every row of an account, sorted by id."""
        async for document in self._ledger.find(account_range(account)).sort("_id", 1):
            yield row_of(document)
