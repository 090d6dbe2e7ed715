"""The bounded summary in the CRM's own documents: the number of shared emails of a record, and the newest lines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from bson import ObjectId
from pymongo import UpdateOne

from schemas.mail import Role
from schemas.records import RecordKind, RecordRef, SummaryLine
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc, Documents, plain
from services.store.crm.record_fields import id_candidates, record_id

NEWEST = 5
_AT_ONCE = 200
_LINE = {"subject": 1, "snippet": 1, "sent_at": 1, "participants": 1}


class Newest(NamedTuple):
    """A record's shared mail, from its links."""

    total: int
    links: list[Doc]
    """``email`` and ``matches`` of the newest, newest first."""


class Summaries:
    """Always recomputes a summary from the links that are shared now, so that doing it twice changes nothing.

    Each summary carries a revision. A write applies only if the revision is still the one that was read before the
    links were read. So the last writer is also the last reader of the links.
    """

    def __init__(self, collections: Collections, colleagues: Colleagues, config: StoreConfig) -> None:
        self._links = collections.links
        self._emails = collections.emails
        self._records = collections.records
        self._colleagues = colleagues
        self._field = config.summary_field

    async def recompute(self, records: Iterable[RecordRef]) -> None:
        """Update the summaries of records, except records that the CRM no longer has."""
        by_kind: dict[RecordKind, dict[str, None]] = {}
        for ref in records:
            by_kind.setdefault(ref.kind, {})[ref.id] = None
        for kind, ids in by_kind.items():
            pending = list(ids)
            while pending:
                part, pending = pending[:_AT_ONCE], pending[_AT_ONCE:]
                pending += await self._recompute(kind, part)

    async def _recompute(self, kind: RecordKind, ids: list[str]) -> list[str]:
        """Set the summaries of records. Returns those that another process set meanwhile."""
        collection = self._records[kind]
        present = await self._present(collection, ids)
        newest = await self._newest(kind, ids)
        lines = await self._lines(newest)
        revision = ObjectId()
        writes: dict[str, UpdateOne] = {}
        for name, (key, before) in present.items():
            found = newest.get(name, Newest(0, []))
            if not found.total and before is None:
                continue  # never touch a record without shared mail
            summary = {
                "count": found.total,
                "newest": [plain(line) for link in found.links if (line := lines.get((name, link["email"])))],
                "revision": revision,
            }
            writes[name] = UpdateOne({"_id": key, f"{self._field}.revision": before}, {"$set": {self._field: summary}})
        if not writes:
            return []
        result = await collection.bulk_write(list(writes.values()), ordered=False)
        if result.matched_count == len(writes):
            return []
        return [
            name for name, (_, after) in (await self._present(collection, list(writes))).items() if after != revision
        ]

    async def _present(self, collection: Documents, ids: list[str]) -> dict[str, tuple[Any, ObjectId | None]]:
        """Return the CRM's key and the summary's revision of each record that exists."""
        candidates = [key for name in ids for key in id_candidates(name)]
        found = collection.find({"_id": {"$in": candidates}}, {f"{self._field}.revision": 1})
        return {
            record_id(document["_id"]): (document["_id"], (document.get(self._field) or {}).get("revision"))
            async for document in found
        }

    async def _newest(self, kind: RecordKind, ids: list[str]) -> dict[str, Newest]:
        shared = {"record.kind": kind, "record.id": {"$in": ids}, "shared_by.0": {"$exists": True}}
        newest = {"$firstN": {"n": NEWEST, "input": {"email": "$email", "matches": "$matches"}}}
        pipeline: list[Doc] = [
            {"$match": shared},
            {"$sort": {"record.kind": 1, "record.id": 1, "sent_at": -1, "_id": -1}},
            {"$group": {"_id": "$record.id", "count": {"$sum": 1}, "newest": newest}},
        ]
        found = await self._links.aggregate(pipeline)
        return {document["_id"]: Newest(document["count"], document["newest"]) async for document in found}

    async def _lines(self, newest: Mapping[str, Newest]) -> dict[tuple[str, str], SummaryLine]:
        keys = {link["email"] for found in newest.values() for link in found.links}
        if not keys:
            return {}
        emails = {
            document["_id"]: document async for document in self._emails.find({"_id": {"$in": list(keys)}}, _LINE)
        }
        named = {address for email in emails.values() for address in authors_of(email)}
        own = await self._colleagues.own_among(named)
        return {
            (name, link["email"]): summary_line(emails[link["email"]], _public(link["matches"]), own)
            for name, found in newest.items()
            for link in found.links
            if link["email"] in emails
        }


def summary_line(email: Mapping[str, Any], matches: Collection[Mapping[str, Any]], own: Collection[str]) -> SummaryLine:
    """Return the line of a stored email on a record."""
    writers = [one for one in email.get("participants", ()) if one["role"] == Role.FROM.value]
    return SummaryLine(
        email=email["_id"],
        sent_at=email["sent_at"],
        subject=email["subject"],
        snippet=email["snippet"],
        direction=direction(authors_of(email), [match["role"] for match in matches], own),
        sender=(writers[0]["name"] or writers[0]["address"]) if writers else "",
    )


def _public(matches: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the matches that every user may know. A Bcc is its owner's alone, and must not even affect the direction."""
    return [match for match in matches if match["role"] != Role.BCC.value]


def authors_of(email: Mapping[str, Any]) -> list[str]:
    """Return the addresses that wrote a stored email: From, and Sender, who may have written for another."""
    written = (Role.FROM.value, Role.SENDER.value)
    return [one["address"] for one in email.get("participants", ()) if one["role"] in written]


def direction(authors: Iterable[str], roles: Iterable[str], own: Collection[str]) -> Literal["in", "out"]:
    """Return ``out`` if a colleague wrote the email, from a proven address: who merely receives it did not send it.

    What the record wrote is ``in`` whoever else did, and so is what names the record in Reply-To alone: a web form writes for it.
    """
    named = set(roles)
    if named & {Role.FROM.value, Role.SENDER.value} or named == {Role.REPLY_TO.value}:
        return "in"
    return "out" if any(author in own for author in authors) else "in"
