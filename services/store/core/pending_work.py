"""Work that follows a change and is kept before the change is made, so that a crash in between loses none. Documents of ``debts``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from schemas.records import RecordRef
from services.store.core.collections import Collections
from services.store.core.documents import now

WorkId = ObjectId
"""Names a piece of pending work."""


class WorkItem(NamedTuple):
    """What is to be brought up to date."""

    id: WorkId
    records: tuple[RecordRef, ...]
    """Whose summaries may be out of date."""
    message_ids: tuple[str, ...]
    """Message-IDs of emails whose links changed, or that were removed: their threads follow."""
    emails: tuple[str, ...] = ()
    """Emails whose links were being changed: they may be on no record now, or not yet be what they should."""
    addresses: tuple[str, ...] = ()
    """Addresses that became, or ceased to be, a colleague's: whose threads they make or end follows."""


class PendingWork:
    """Links are changed one by one, what follows from them is not: who changes links owes, does the rest, and pays."""

    def __init__(self, collections: Collections) -> None:
        self._documents = collections.debts

    async def enqueue(
        self,
        *,
        records: Iterable[RecordRef] = (),
        message_ids: Iterable[str] = (),
        emails: Iterable[str] = (),
        addresses: Iterable[str] = (),
    ) -> WorkId:
        """Keep a debt. Returns its id."""
        document = {
            "records": [{"kind": record.kind, "id": record.id} for record in records],
            "message_ids": list(message_ids),
            "emails": list(emails),
            "addresses": sorted(addresses),
            "at": now(),
        }
        result = await self._documents.insert_one(document)
        debt: WorkId = result.inserted_id
        return debt

    async def done(self, work: Collection[WorkId]) -> None:
        """Forget work that was done."""
        if work:
            await self._documents.delete_many({"_id": {"$in": list(work)}})

    async def overdue(self, before: datetime, *, limit: int = 100) -> list[WorkItem]:
        """Return work enqueued before a moment and not done, oldest first: the process that enqueued it died."""
        found = self._documents.find({"at": {"$lt": before}}).sort("at", 1).limit(limit)
        return [
            WorkItem(
                document["_id"],
                tuple(RecordRef(**record) for record in document["records"]),
                tuple(document["message_ids"]),
                tuple(document.get("emails", ())),
                tuple(document.get("addresses", ())),
            )
            async for document in found
        ]
