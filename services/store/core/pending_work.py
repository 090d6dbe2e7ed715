"""Work that must follow a change. It is stored before the change, so that a crash in between loses none."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId
from pymongo.asynchronous.client_session import AsyncClientSession

from schemas.records import RecordRef
from services.store.core.collections import Collections
from services.store.core.documents import now

WorkId = ObjectId
"""Names a piece of pending work."""


class WorkItem(NamedTuple):
    """What to update."""

    id: WorkId
    records: tuple[RecordRef, ...]
    """Records whose summaries may be out of date."""
    message_ids: tuple[str, ...]
    """Message-IDs of emails whose links changed or that were removed: relink their threads."""
    emails: tuple[str, ...] = ()
    """Emails whose links were being changed: they may now be on no record, or be half updated."""
    addresses: tuple[str, ...] = ()
    """Addresses that became or ceased to be a colleague's: relink the threads that they open or end."""
    folders: tuple[tuple[str, str], ...] = ()
    """(account, folder) of folders that became or ceased to be Sent folders: relink their mail."""
    rows: tuple[str, ...] = ()
    """Rows that were being set to unmatched: plan those again that concern a record or thread which came meanwhile."""


class PendingWork:
    """Whoever changes links enqueues the follow-up, does it, and marks it done. A sweeper does what a crash left."""

    def __init__(self, collections: Collections) -> None:
        self._documents = collections.pending_work

    async def enqueue(
        self,
        *,
        records: Iterable[RecordRef] = (),
        message_ids: Iterable[str] = (),
        emails: Iterable[str] = (),
        addresses: Iterable[str] = (),
        folders: Iterable[tuple[str, str]] = (),
        rows: Iterable[str] = (),
        session: AsyncClientSession | None = None,
    ) -> WorkId:
        """Store a piece of work, with a session as part of its transaction. Returns its id."""
        document = {
            "records": [{"kind": record.kind, "id": record.id} for record in records],
            "message_ids": list(message_ids),
            "emails": list(emails),
            "addresses": sorted(addresses),
            "folders": [list(place) for place in folders],
            "rows": list(rows),
            "at": now(),
        }
        result = await self._documents.insert_one(document, session=session)
        work: WorkId = result.inserted_id
        return work

    async def done(self, work: Collection[WorkId]) -> None:
        """Remove finished work."""
        if work:
            await self._documents.delete_many({"_id": {"$in": list(work)}})

    async def overdue(self, before: datetime, *, limit: int = 100) -> list[WorkItem]:
        """Return unfinished work enqueued before a moment, oldest first: the process that enqueued it died."""
        found = self._documents.find({"at": {"$lt": before}}).sort("at", 1).limit(limit)
        return [
            WorkItem(
                document["_id"],
                tuple(RecordRef(**record) for record in document["records"]),
                tuple(document["message_ids"]),
                tuple(document.get("emails", ())),
                tuple(document.get("addresses", ())),
                tuple((account, folder) for account, folder in document.get("folders", ())),
                tuple(document.get("rows", ())),
            )
            async for document in found
        ]
