"""Turns: one process at a time does a thing (watching the CRM, sweeping), by the server's clock."""

from __future__ import annotations

from datetime import timedelta

from pymongo import ReturnDocument

from services.store.core.collections import Collections


class SingletonLease:
    """Documents of ``turns``. A turn saves work; nothing relies on it to be exclusive."""

    def __init__(self, collections: Collections) -> None:
        self._turns = collections.turns

    async def take(self, name: str, holder: str, span: timedelta) -> bool:
        """Take or prolong a turn for a span of time; False while somebody else has it."""
        free = {"$or": [{"$eq": ["$holder", holder]}, {"$lt": [{"$ifNull": ["$until", 0]}, "$$NOW"]}]}
        until = {"$add": ["$$NOW", int(span.total_seconds() * 1000)]}
        # The condition is in the update: an upsert takes no expression in its query.
        change = {
            "holder": {"$cond": [free, holder, "$holder"]},
            "until": {"$cond": [free, until, "$until"]},
        }
        turn = await self._turns.find_one_and_update(
            {"_id": name}, [{"$set": change}], upsert=True, return_document=ReturnDocument.AFTER
        )
        return turn is not None and turn["holder"] == holder

    async def give_back(self, name: str, holder: str) -> None:
        """End a turn early."""
        await self._turns.delete_one({"_id": name, "holder": holder})
