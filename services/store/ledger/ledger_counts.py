"""Counts of ledger rows, for operators and confirmations."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from schemas.ledger import Row, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.ledger.ledger_rows import UNFINISHED_STATES, account_range, row_of

K = TypeVar("K")
LEFT_OUT = (RowState.SKIPPED, RowState.QUARANTINED)


class FolderTotals(NamedTuple):
    """What became of the messages of a folder, or of several folders together."""

    counts: Mapping[tuple[RowState, str | None], int] = MappingProxyType({})
    """How many are in each state, by reason; with those that are gone."""
    doubted: Mapping[str, int] = MappingProxyType({})
    """How many did not come at the last attempt and are tried again, by reason."""
    next_try: datetime | None = None
    """When the first of these is tried again."""
    short: int = 0
    """How many came without a part of the bytes that the server announced."""

    @property
    def every_state(self) -> Counter[RowState]:
        """How many are in each state, with those that are gone."""
        return self._by(lambda state, _: state)

    @property
    def states(self) -> Counter[RowState]:
        """How many are in each state, of those that the server holds."""
        return self._by(lambda state, _: None if state is RowState.GONE else state)

    @property
    def rows(self) -> int:
        """How many messages have a row, of those that the server holds."""
        return self.states.total()

    @property
    def left_out(self) -> Counter[str]:
        """How many were skipped or quarantined, by reason."""
        return self._by(lambda state, reason: (reason or "-") if state in LEFT_OUT else None)

    @property
    def skipped(self) -> Counter[str]:
        """How many were skipped, by reason."""
        return self._by(lambda state, reason: reason if state is RowState.SKIPPED else None)

    def _by(self, key: Callable[[RowState, str | None], K | None]) -> Counter[K]:
        found = Counter[K]()
        for (state, reason), count in self.counts.items():
            if (kind := key(state, reason)) is not None:
                found[kind] += count
        return found


def sum_of(totals: Iterable[FolderTotals]) -> FolderTotals:
    """Return the totals of several folders together."""
    counts, doubted, tries, short = Counter[tuple[RowState, str | None]](), Counter[str](), [], 0
    for one in totals:
        counts.update(one.counts)
        doubted.update(one.doubted)
        tries += [one.next_try] if one.next_try else []
        short += one.short
    return FolderTotals(counts, doubted, min(tries, default=None), short)


class LedgerCounts:
    """Counts by account. The rows of an account are one range of ids, and counting reads only that."""

    def __init__(self, collections: Collections) -> None:
        self._ledger = collections.ledger

    async def counts(self, account: str) -> dict[RowState, int]:
        """Return how many rows of an account are in each state."""
        pipeline = [{"$match": account_range(account)}, {"$group": {"_id": "$state", "count": {"$sum": 1}}}]
        return {RowState(found["_id"]): found["count"] async for found in await self._ledger.aggregate(pipeline)}

    async def totals(self, account: str) -> dict[str, FolderTotals]:
        """Return, by folder id, what became of an account's messages. ``Folder.expected`` is what the server says it holds."""
        group = {"folder": "$folder", "state": "$state", "reason": "$reason", "doubt": "$doubt"}
        short = {"$sum": {"$cond": [{"$gt": ["$short", 0]}, 1, 0]}}
        pipeline: list[Doc] = [
            {"$match": account_range(account)},
            {"$group": {"_id": group, "count": {"$sum": 1}, "short": short, "next": {"$min": "$retry_at"}}},
        ]
        found: dict[str, list[Doc]] = {}
        async for one in await self._ledger.aggregate(pipeline):
            found.setdefault(one["_id"]["folder"], []).append(one)
        return {folder: _totals(groups) for folder, groups in found.items()}

    async def oldest_unfinished(self, accounts: Iterable[str]) -> dict[str, datetime]:
        """Return, by account, when its oldest row without a final state was noticed. Reads only an index."""
        pipeline: list[Doc] = [
            {"$match": {"account": {"$in": list(accounts)}, "state": UNFINISHED_STATES}},
            {"$group": {"_id": "$account", "oldest": {"$min": "$noticed_at"}}},
        ]
        return {found["_id"]: found["oldest"] async for found in await self._ledger.aggregate(pipeline, hint="waiting")}

    async def rows(self, account: str) -> AsyncIterator[Row]:
        """Iterate over every row of an account, sorted by id."""
        async for document in self._ledger.find(account_range(account)).sort("_id", 1):
            yield row_of(document)


def _totals(groups: list[Doc]) -> FolderTotals:
    counts, doubted, tries = Counter[tuple[RowState, str | None]](), Counter[str](), []
    for group in groups:
        of, number = group["_id"], group["count"]
        state = RowState(of["state"])
        counts[state, of.get("reason")] += number
        if state is RowState.PLANNED and of.get("doubt"):
            doubted[of["doubt"]] += number
            tries += [group["next"]] if group["next"] else []
    # A mail that is gone lacks nothing.
    short = sum(group["short"] for group in groups if group["_id"]["state"] != RowState.GONE.value)
    return FolderTotals(counts, doubted, min(tries, default=None), short)
