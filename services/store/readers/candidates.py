"""Links that a viewer may possibly see, found by indexes that hold no other links: the work says nothing about hidden mail."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Literal, NamedTuple

from schemas.emails import Link
from schemas.records import RecordRef
from services.store.access.guard import Guard
from services.store.access.teams import ActiveViewer
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode


class Position(NamedTuple):
    """A place in a scope's order."""

    sent_at: datetime
    tie: str
    """Orders links of the same moment: the value of ``Scope.tie``."""


class Scope(NamedTuple):
    """Which links are candidates, and the indexes that serve them: ``<path>_own`` and ``<path>_shared``."""

    path: Literal["sent", "record"]
    query: Doc
    tie: Literal["_id", "email"]
    record: RecordRef | None = None

    def position(self, link: Link) -> Position:
        """Return a link's place in the order."""
        return Position(link.sent_at, link.email if self.tie == "email" else link.id)


EVERYTHING = Scope("sent", {}, "email")
"""All records. Emails are ordered as wholes, because one can be on several records."""


def on_record(record: RecordRef, **fields: str) -> Scope:
    """Return the scope of one record, limited to links with these fields."""
    return Scope("record", {"record.kind": record.kind, "record.id": record.id, **fields}, "_id", record)


class Candidates:
    """Narrows a look-up by what the matcher stored in links: ``owners`` and ``shared_by``. Then the guard decides.

    One query finds the viewer's own mail and one finds shared mail. Each names its index, because the planner could choose
    one that walks over hidden links, and then the time would depend on them.
    """

    def __init__(self, collections: Collections, guard: Guard) -> None:
        self._links = collections.links
        self._guard = guard

    async def newest(self, viewer: ActiveViewer, scope: Scope, after: Position | None, limit: int) -> list[Link]:
        """Return the next links of a scope after a position, newest first. There are none on a record that the viewer may not read."""
        if scope.record is not None and not await self._guard.may_read(viewer, scope.record):
            return []
        query = dict(scope.query)
        if after is not None:
            query["sent_at"] = {"$lte": after.sent_at}
            query["$or"] = [{"sent_at": {"$lt": after.sent_at}}, {scope.tie: {"$lt": after.tie}}]
        order = [("sent_at", -1), (scope.tie, -1)]
        found: dict[str, Link] = {}
        for index, narrow in _ways(viewer, scope.path):
            async for document in self._links.find({**query, **narrow}).sort(order).hint(index).limit(limit):
                found[document["_id"]] = decode(Link, document)
        return sorted(found.values(), key=scope.position, reverse=True)[:limit]

    async def of_emails(self, viewer: ActiveViewer, emails: Collection[str]) -> list[Link]:
        """Return the links of emails, newest first."""
        found: dict[str, Link] = {}
        for index, narrow in _ways(viewer, "email"):
            async for document in self._links.find({"email": {"$in": list(emails)}, **narrow}).hint(index):
                found[document["_id"]] = decode(Link, document)
        return sorted(sorted(found.values(), key=lambda one: one.id), key=lambda one: one.sent_at, reverse=True)

    async def ids(self, viewer: ActiveViewer, start: str, after: str, limit: int) -> list[str]:
        """Return the next ids of emails that begin with ``start``, in order, after ``after``."""
        query: Doc = {"email": {"$gte": start, "$gt": after, "$lt": f"{start}\uffff"}}

        async def found(index: str, narrow: Doc) -> list[str]:
            links = self._links.find({**query, **narrow}).sort("email", 1).hint(index).limit(limit)
            return [link["email"] async for link in links]

        parts = await asyncio.gather(*(found(index, narrow) for index, narrow in _ways(viewer, "email")))
        # Beyond the end of a part that was cut off, the other part alone would leave ids out.
        last = min((part[-1] for part in parts if len(part) == limit), default=None)
        return sorted({one for part in parts for one in part if last is None or one <= last})


def _ways(viewer: ActiveViewer, path: str) -> tuple[tuple[str, Doc], tuple[str, Doc]]:
    """Return the index and the condition for own mail, and for shared mail."""
    return (
        (f"{path}_own", {"owners": {"$in": sorted(viewer.owners)}}),
        (f"{path}_shared", {"shared_by.0": {"$exists": True}}),
    )
