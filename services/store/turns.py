"""Turns: one process at a time does a thing (watching the CRM, sweeping), by the server's clock."""

from __future__ import annotations

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from services.store.collections import Collections


class Turns:
    """Documents of ``turns``. A turn saves work; nothing relies on it to be exclusive."""

    def __init__(self, collections: Collections) -> None:
        self._turns = collections.turns

    async def take(self, name: str, holder: str, span: timedelta) -> bool:
        """Take or prolong a turn for a span of time; False while somebody else has it."""
        free = {"$or": [{"$eq": ["$holder", holder]}, {"$lt": [{"$ifNull": ["$until", 0]}, "$$NOW"]}]}
        until = {"$add": ["$$NOW", int(span.total_seconds() * 1000)]}
        try:
            # When somebody has it, the query finds nothing and the upsert meets their document.
            await self._turns.update_one(
                {"_id": name, "$expr": free}, [{"$set": {"holder": holder, "until": until}}], upsert=True
            )
        except DuplicateKeyError:
            return False
        return True

    async def give_back(self, name: str, holder: str) -> None:
        """End a turn early."""
        await self._turns.delete_one({"_id": name, "holder": holder})
