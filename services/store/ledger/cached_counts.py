"""Counts of ledger rows that are kept until the ledger changes, so that a look at all accounts costs little however large they are.

The rows stay the only truth: a kept count is what ``ledger_counts`` once returned, with the time at which it did. It is out
of date when the newest ``updated_at`` of the account's rows is not older than it, which takes one entry of an index to see. Every
write that changes the state of a row also sets ``updated_at``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.setup import LONG_AGO
from services.store.ledger.ledger_counts import LedgerCounts

SETTLING = timedelta(seconds=10)
"""How far clocks of processes may differ, and how long a write may take from its ``updated_at`` to its commit."""
ROWS_PER_SECOND = 20_000
"""An account whose ledger changes is counted again no faster than this, which is a tenth or less of what MongoDB can count."""
ROWS_AT_ONCE = 100_000
"""About how many rows one look counts. The rest waits for the next look, those that waited longest first."""
KEPT = timedelta(days=1)
"""How long a count is kept at most, whatever the clocks say."""


class KeptCounts(NamedTuple):
    """How many rows of an account are in each state."""

    rows: dict[RowState, int]
    at: datetime
    """When they were counted."""

    @property
    def total(self) -> int:
        """How many rows there are."""
        return sum(self.rows.values())

    def counts_again(self, changed: datetime | None, moment: datetime) -> bool:
        """Whether to count again, if a row was last written at ``changed``; None if there are no rows any more."""
        if moment < self.at + timedelta(seconds=self.total // ROWS_PER_SECOND):
            return False
        if changed is None:
            return self.total > 0
        return changed > self.at - SETTLING or self.at < moment - KEPT


class CachedCounts:
    """Counts by account. Of an account of up to 20,000 rows they are never out of date."""

    def __init__(self, collections: Collections, counts: LedgerCounts) -> None:
        self._ledger = collections.ledger
        self._kept = collections.ledger_counts
        self._counts = counts

    async def counts(self, accounts: Collection[str]) -> dict[str, KeptCounts]:
        """Return the counts of accounts."""
        moment = now()
        found = {
            one["_id"]: KeptCounts({RowState(state): count for state, count in one["rows"].items()}, one["at"])
            async for one in self._kept.find({"_id": {"$in": list(accounts)}})
        }
        changed = await self._changed(found)
        left = ROWS_AT_ONCE
        for account, kept in sorted(found.items(), key=lambda one: one[1].at):
            if left > 0 and kept.counts_again(changed.get(account), moment):
                found[account] = await self._count(account)
                left -= kept.total
        for account in set(accounts) - found.keys():
            found[account] = await self._count(account)
        return found

    async def _changed(self, accounts: Iterable[str]) -> dict[str, datetime]:
        """Return when a row of each account was last written, by one entry of the index per account."""
        pipeline: list[Doc] = [
            {"$match": {"account": {"$in": list(accounts)}, "updated_at": {"$gt": LONG_AGO}}},
            {"$sort": {"account": -1, "updated_at": -1}},
            {"$group": {"_id": "$account", "at": {"$first": "$updated_at"}}},
        ]
        return {found["_id"]: found["at"] async for found in await self._ledger.aggregate(pipeline, hint="changed")}

    async def _count(self, account: str) -> KeptCounts:
        moment = now()
        counts = await self._counts.counts(account)
        kept = {"rows": {state.value: count for state, count in counts.items()}, "at": moment}
        await self._kept.replace_one({"_id": account}, kept, upsert=True)
        return KeptCounts(counts, moment)

    async def forget(self, account: str) -> None:
        """Drop what is kept of an account."""
        await self._kept.delete_one({"_id": account})
