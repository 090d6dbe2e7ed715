"""Counts of ledger rows, for operators and confirmations."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from schemas.ledger import Row, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.ledger.ledger_rows import UNFINISHED_STATES, account_range, row_of


class FolderTotals(NamedTuple):
    """What became of the messages of a folder. ``gone`` rows do not count."""

    rows: int
    """How many messages have a row."""
    states: Mapping[RowState, int]
    """How many are in each state."""
    left_out: Mapping[str, int]
    """How many were skipped or quarantined, by reason."""
    doubted: Mapping[str, int]
    """How many did not come at the last attempt and are tried again, by reason."""
    next_try: datetime | None
    """When the first of these is tried again."""
    short: int
    """How many came without a part of the bytes that the server announced."""


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

    async def totals(self, account: str) -> dict[str, FolderTotals]:
        """Return, by folder id, what became of an account's messages. ``Folder.expected`` is what the server says it holds."""
        group = {"folder": "$folder", "state": "$state", "reason": "$reason", "doubt": "$doubt"}
        short = {"$sum": {"$cond": [{"$gt": ["$short", 0]}, 1, 0]}}
        pipeline: list[Doc] = [
            {"$match": {**account_range(account), "state": {"$ne": RowState.GONE.value}}},
            {"$group": {"_id": group, "count": {"$sum": 1}, "short": short, "next": {"$min": "$retry_at"}}},
        ]
        found: dict[str, list[Doc]] = {}
        async for one in await self._ledger.aggregate(pipeline):
            found.setdefault(one["_id"]["folder"], []).append(one)
        return {folder: _totals(groups) for folder, groups in found.items()}

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


def _totals(groups: list[Doc]) -> FolderTotals:
    states, left_out, doubted, tries = Counter[RowState](), Counter[str](), Counter[str](), []
    for group in groups:
        of, number = group["_id"], group["count"]
        state = RowState(of["state"])
        states[state] += number
        if state in (RowState.SKIPPED, RowState.QUARANTINED):
            left_out[of.get("reason") or "-"] += number
        elif state is RowState.PLANNED and of.get("doubt"):
            doubted[of["doubt"]] += number
            tries += [group["next"]] if group["next"] else []
    short = sum(group["short"] for group in groups)
    return FolderTotals(states.total(), states, left_out, doubted, min(tries, default=None), short)
