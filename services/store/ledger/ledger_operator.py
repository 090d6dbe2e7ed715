"""The ledger as operators change it: what happens to quarantined copies."""

from __future__ import annotations

from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.documents import now


class OperatorLedger:
    """Changes only rows that are still quarantined. A row may be gone, or a resync may have attached it."""

    def __init__(self, collections: Collections) -> None:
        self._ledger = collections.ledger

    async def requeue_quarantined(self, row: str) -> bool:
        """Set a quarantined copy back to ``published`` while its dead letter is replayed. It leaves its epoch."""
        moment = now()
        change = {
            "$set": {"state": RowState.PUBLISHED.value, "epoch": None, "noticed_at": moment, "updated_at": moment},
            "$unset": {"reason": ""},
        }
        return bool((await self._ledger.update_one(self._quarantined(row), change)).modified_count)

    async def drop_quarantined(self, row: str, *, by: str) -> bool:
        """End a quarantined copy as skipped after a user has dropped its dead letter."""
        change = {"state": RowState.SKIPPED.value, "reason": f"dropped by {by}", "updated_at": now()}
        return bool((await self._ledger.update_one(self._quarantined(row), {"$set": change})).modified_count)

    @staticmethod
    def _quarantined(row: str) -> dict[str, str]:
        return {"_id": row, "state": RowState.QUARANTINED.value}
