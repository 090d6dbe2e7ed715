"""Singleton leases: one process at a time does a job (watching the CRM, sweeping), by the server's clock."""

from __future__ import annotations

from datetime import timedelta

from pymongo import ReturnDocument

from services.store.core.collections import Collections


class SingletonLease:
    """A lease saves work. Nothing relies on it for exclusion."""

    def __init__(self, collections: Collections) -> None:
        self._leases = collections.singleton_leases

    async def take(self, name: str, holder: str, span: timedelta) -> bool:
        """Take or extend a lease for a span of time; False while another process holds it."""
        free = {"$or": [{"$eq": ["$holder", holder]}, {"$lt": [{"$ifNull": ["$until", 0]}, "$$NOW"]}]}
        until = {"$add": ["$$NOW", int(span.total_seconds() * 1000)]}
        # The condition is in the update because an upsert allows no expression in its query.
        change = {
            "holder": {"$cond": [free, holder, "$holder"]},
            "until": {"$cond": [free, until, "$until"]},
        }
        lease = await self._leases.find_one_and_update(
            {"_id": name}, [{"$set": change}], upsert=True, return_document=ReturnDocument.AFTER
        )
        return lease is not None and lease["holder"] == holder

    async def release(self, name: str, holder: str) -> None:
        """End a lease early."""
        await self._leases.delete_one({"_id": name, "holder": holder})
