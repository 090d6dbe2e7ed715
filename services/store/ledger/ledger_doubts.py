"""Rows whose mail did not come: what was seen is kept, until it was seen often enough to be final. Every write is fenced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pymongo import UpdateOne

from schemas.accounts import Lease
from schemas.ledger import TRIED_AGAIN, UNAVAILABLE, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.fence import Fence, MongoSession
from services.store.ledger.ledger_rows import DOUBT, account_range

SOON = timedelta(seconds=5)
"""How long after the first attempt a mail is tried again, at most: most causes pass at once."""
AT_ONCE = 500
"""Rows that are tried again at a time."""


class LedgerDoubts:
    """Writes for the holder of an account's lease. If a method raises LeaseLostError, it has written nothing."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        self._ledger = collections.ledger
        self._fence = fence

    async def note(
        self, lease: Lease, ids: Sequence[str], reason: str, *, apart: timedelta, times: int
    ) -> frozenset[str]:
        """Note that the mail of planned rows did not come, and when they are tried again.

        Returns the rows for which this was so at least ``times`` times in a row, over at least ``apart``.
        """
        moment = now()
        same: Doc = {"$eq": ["$doubt", reason]}
        later = moment + apart / max(1, times - 1)
        change: Doc = {
            "doubts": {"$cond": [same, {"$add": [{"$ifNull": ["$doubts", 0]}, 1]}, 1]},
            "withheld_at": {"$cond": [same, {"$ifNull": ["$withheld_at", moment]}, moment]},
            "retry_at": {"$cond": [same, later, moment + min(SOON, apart / 4)]},
            "doubt": reason,
            "updated_at": moment,
        }
        planned: Doc = {"_id": {"$in": list(ids)}, "state": RowState.PLANNED.value}
        proven: Doc = {**planned, "doubt": reason, "doubts": {"$gte": times}, "withheld_at": {"$lte": moment - apart}}

        async def write(session: MongoSession) -> frozenset[str]:
            await self._ledger.update_many(planned, [{"$set": change}], session=session)
            return frozenset([found["_id"] async for found in self._ledger.find(proven, {"_id": 1}, session=session)])

        return await self._fence.write(lease, write) if ids else frozenset()

    async def unavailable(self, account: str) -> tuple[str, datetime] | None:
        """Return the folder of a mail that the server does not deliver at the moment, and when it is tried again; None if all come."""
        query: Doc = {"account": account, "state": RowState.PLANNED.value, "doubt": UNAVAILABLE}
        found = await self._ledger.find_one(query, {"folder": 1, "retry_at": 1})
        return (found["folder"], found["retry_at"]) if found else None

    async def shortened(self, lease: Lease, lacking: Mapping[str, int]) -> None:
        """Note how many bytes the server never sent of mails that are taken all the same."""
        writes = [UpdateOne({"_id": row}, {"$set": {"short": count}}) for row, count in lacking.items()]

        async def write(session: MongoSession) -> None:
            await self._ledger.bulk_write(writes, ordered=False, session=session)

        if writes:
            await self._fence.write(lease, write)

    async def try_again(self, lease: Lease, *, epoch: int | None, untouched: timedelta = timedelta(0)) -> int:
        """Plan rows again whose mail the server did not deliver, if nothing was tried for a while. Returns how many.

        A backfill waits for those with its ``epoch``.
        """
        left: Doc = {
            **account_range(lease.account),
            "state": RowState.SKIPPED.value,
            "reason": {"$in": list(TRIED_AGAIN)},
            "updated_at": {"$lte": now() - untouched},
        }
        found = self._ledger.find(left, {"_id": 1}).limit(AT_ONCE if epoch is None else 0)
        ids = [document["_id"] async for document in found]
        moment = now()
        plan: Doc = {
            "$set": {"state": RowState.PLANNED.value, "epoch": epoch, "noticed_at": moment, "updated_at": moment},
            "$unset": dict.fromkeys(("reason", *DOUBT), ""),
        }

        async def write(session: MongoSession) -> int:
            still = {"_id": {"$in": ids}, "state": RowState.SKIPPED.value}
            return (await self._ledger.update_many(still, plan, session=session)).modified_count

        return await self._fence.write(lease, write)
