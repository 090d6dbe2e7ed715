"""What all pollers together may ask of a mail service in a span of time: counters that are shared in chunks."""

from __future__ import annotations

from datetime import datetime

from pymongo import ReturnDocument

from services.store.core.collections import Collections


class Budgets:
    """Hands out chunks of budgets. What a poller has taken and not used when it ends is lost; chunks are small."""

    def __init__(self, collections: Collections) -> None:
        self._budgets = collections.budgets

    async def take(self, name: str, amount: int, *, limit: int, until: datetime) -> int:
        """Take a chunk of a budget of ``limit`` that is forgotten after ``until``. Returns how much there was, 0 if it is spent."""
        used = {"$ifNull": ["$used", 0]}
        after = {"$max": [used, {"$min": [{"$add": [used, amount]}, limit]}]}
        before = await self._budgets.find_one_and_update(
            {"_id": name},
            [{"$set": {"used": after, "until": until}}],
            upsert=True,
            return_document=ReturnDocument.BEFORE,
        )
        return max(0, min(amount, limit - (int(before["used"]) if before else 0)))
