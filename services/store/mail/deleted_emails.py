"""Emails that a user deleted, kept apart from all mail until the deletion can no longer be undone. Documents of ``deleted_emails``.

A document has the email's own document, the rows of the copies that it had, and the addresses that it names or is linked by.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from pymongo import UpdateOne

from schemas.base import Contract
from schemas.ledger import DELETED_IN_CRM, RowState
from schemas.mail import Content
from services.store.core.audit import Audit
from services.store.core.blind_index import BlindIndex
from services.store.core.bulk import insert_new
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc, decode_email, now
from services.store.core.errors import NotFoundError
from services.store.core.fence import MongoSession
from services.store.core.pending_work import PendingWork
from services.store.ledger.ledger_matcher import MatcherLedger
from services.store.ledger.ledger_rows import OF_EMAIL
from services.store.mail.blob_refs import BlobReferences

_RESTORING = timedelta(hours=1)
"""How long a restoration that has started keeps the sweep from taking the email away."""
_MOST = 200


class DeletedEmail(Contract):
    """A deleted email that can be restored."""

    email: str
    """The email's id."""
    by: str
    """The user who deleted it, or ``operator``."""
    at: datetime
    """When it was deleted."""
    until: datetime
    """Until when it can be restored."""
    subject: str
    """Its subject for a user who held a copy; else empty."""
    sent_at: datetime
    """When it was sent."""


class HeldDeletedEmail(DeletedEmail):
    """One with its holders, which are not for output."""

    accounts: frozenset[str]
    """The accounts whose copies it had."""


class KeptEmail(NamedTuple):
    """The content of a deleted email that can be restored. For the person whom it names (a data subject), and no one else."""

    content: Content
    at: datetime
    """When it was deleted."""
    until: datetime
    """Until when it can be restored."""
    copies: tuple[KeptCopy, ...]


class KeptCopy(NamedTuple):
    """A copy that a deleted email had."""

    bcc: tuple[str, ...] = ()
    head: str | None = None
    body: str | None = None


class DeletedEmails:
    """Emails that can still be restored. No user sees or finds them. A data subject's export has them, because they are stored."""

    def __init__(
        self,
        collections: Collections,
        config: StoreConfig,
        *,
        blob_refs: BlobReferences,
        matcher_ledger: MatcherLedger,
        pending_work: PendingWork,
        audit: Audit,
    ) -> None:
        self._deleted = collections.deleted_emails
        self._emails = collections.emails
        self._links = collections.links
        self._ledger = collections.ledger
        self._tombstones = collections.tombstones
        self._blind_index = BlindIndex(config)
        self._blob_refs = blob_refs
        self._matcher_ledger = matcher_ledger
        self._pending = pending_work
        self._audit = audit

    async def keep(self, keys: Collection[str], *, by: str, until: datetime) -> None:
        """Keep emails that are about to be deleted. A repetition after a crash keeps what the first attempt found."""
        wanted = {"$in": list(keys)}
        rows: dict[str, list[Doc]] = {}
        fields = dict.fromkeys(("account", *OF_EMAIL), 1)
        async for row in self._ledger.find({"email": wanted, "state": RowState.ATTACHED.value}, fields):
            rows.setdefault(row["email"], []).append(row)
        reasons: dict[str, set[str]] = {}
        async for link in self._links.find({"email": wanted}, {"email": 1, "matches.address": 1}):
            reasons.setdefault(link["email"], set()).update(one["address"] for one in link["matches"])
        async for email in self._emails.find({"_id": wanted}):
            key, held = email["_id"], rows.get(email["_id"], [])
            addresses = {one["address"] for one in email["participants"]} | reasons.get(key, set())
            addresses.update(address for row in held for address in row.get("bcc", ()))
            first = {"content": email, "by": by, "at": now(), "until": until}
            more = {"rows": {"$each": held}, "addresses": {"$each": sorted(addresses)}}
            await self._deleted.update_one({"_id": key}, {"$setOnInsert": first, "$addToSet": more}, upsert=True)

    async def newest(self, *, by: str | None = None, start: str = "") -> list[HeldDeletedEmail]:
        """Return deletions that can still be undone, newest first: all, or those by one user, whose email begins with ``start``."""
        query: Doc = {"until": {"$gt": now()}, "_id": {"$gte": start, "$lt": f"{start}\uffff"}}
        if by is not None:
            query["by"] = by
        found = self._deleted.find(query).sort("at", -1).limit(_MOST)
        return [
            HeldDeletedEmail(
                email=one["_id"],
                by=one["by"],
                at=one["at"],
                until=one["until"],
                subject=one["content"]["subject"],
                sent_at=one["content"]["sent_at"],
                accounts=frozenset(row["account"] for row in one["rows"]),
            )
            async for one in found
        ]

    async def restore(self, key: str, *, by: str) -> None:
        """Undo a deletion: the email has its copies again, as far as the mailboxes still do, and the matcher relinks it.

        Repeat it after an interruption.

        Raises:
            NotFoundError: it is not deleted, its grace period has passed, or no mailbox holds a copy any longer.
        """
        moment = now()
        open_one = {"_id": key, "until": {"$gt": moment}}
        found = await self._deleted.find_one_and_update(open_one, {"$max": {"until": moment + _RESTORING}})
        if found is None:
            raise NotFoundError(f"there is no deleted email {key}")
        email, rows = found["content"], found["rows"]
        ours: Doc = {"_id": {"$in": [row["_id"] for row in rows]}}
        later: Doc = {"marks": {"$in": await self._marks(email, ours)}}
        skipped: Doc = {"state": RowState.SKIPPED.value, "reason": DELETED_IN_CRM}
        copies: Doc = {"$or": [ours, later]}
        if not await self._ledger.find_one({**copies, **skipped}, {"_id": 1}):
            raise NotFoundError(f"no mailbox holds a copy of {key} any longer: it cannot be restored")
        email.pop("unlinked_at", None)
        await self._pending.enqueue(emails=[key], message_ids=filter(None, [email.get("message_id")]))
        await insert_new(self._emails, [email])

        async def write(session: MongoSession) -> None:
            if (await self._tombstones.delete_one({"_id": key}, session=session)).deleted_count:
                await self._audit.add("email.restore", by=by, subject=f"email:{key}", session=session)

        await self._audit.transaction(write)
        for row in rows:
            attached = {name: row[name] for name in OF_EMAIL if name in row}
            change = {"$set": {**attached, "state": RowState.ATTACHED.value, "updated_at": moment}}
            await self._ledger.update_one({"_id": row["_id"], **skipped}, {**change, "$unset": {"reason": ""}})
        # Copies that arrived while it was deleted. They are fetched, and attached or skipped again.
        await self._matcher_ledger.replan_deleted(later)
        await self._deleted.delete_one({"_id": key})

    async def expire(self) -> int:
        """Remove the content of emails whose grace period has passed. Their tombstones stay. Returns how many there were."""
        return await self._remove({"until": {"$lte": now()}})

    async def count(self, address: str) -> int:
        """Return how many of them name an address, or were on a record because of it."""
        return await self._deleted.count_documents({"addresses": address})

    async def mentioning(self, address: str) -> AsyncIterator[KeptEmail]:
        """Iterate over those that name an address, or were on a record because of it."""
        async for found in self._deleted.find({"addresses": address}).hint("address").sort("_id"):
            yield _kept(found)

    async def get(self, key: str) -> KeptEmail | None:
        """Return a deleted email, if it can still be restored."""
        found = await self._deleted.find_one({"_id": key})
        return None if found is None else _kept(found)

    async def erase(self, address: str) -> None:
        """Remove the content of those that name an address, or were on a record because of it."""
        await self._remove({"addresses": address})

    async def drop_account(self, account: str) -> None:
        """Remove what is kept of an account's copies, and emails without another copy."""
        async for found in self._deleted.find({"rows.account": account}, {"rows": 1}):
            others = [row for row in found["rows"] if row["account"] != account]
            await self._blob_refs.drop_heads(_heads(found["rows"]) - _heads(others))
            pull = {"$pull": {"rows": {"account": account}}}
            await self._deleted.bulk_write([UpdateOne({"_id": found["_id"]}, pull)])
        await self._remove({"rows": []})

    async def _marks(self, email: Doc, rows: Doc) -> list[bytes]:
        """Return hashes by which to find copies that came later: of the Message-ID, or else of all that the rows name.

        The key of the hashes may have changed since the deletion.
        """
        if email.get("message_id"):
            email["id_mark"] = hashes = self._blind_index.message_id(email["message_id"])
            return hashes
        found = self._ledger.find(rows, {"marks": 1})
        return list({mark async for row in found for mark in row.get("marks", ())})

    async def _remove(self, query: Doc) -> int:
        keys = [found["_id"] async for found in self._deleted.find(query, {"_id": 1})]
        for key in keys:
            # First the blobs, because after a crash nothing names them; and again, because a sweep in between kept them.
            await self._blob_refs.release([key])
            if (await self._deleted.delete_one({**query, "_id": key})).deleted_count:
                await self._blob_refs.release([key])
        return len(keys)


def _kept(found: Doc) -> KeptEmail:
    copies = [KeptCopy(tuple(row.get("bcc", ())), row.get("head"), row.get("body")) for row in found["rows"]]
    return KeptEmail(decode_email(found["content"]).content, found["at"], found["until"], tuple(copies))


def _heads(rows: list[Doc]) -> set[str]:
    return {row["head"] for row in rows if "head" in row}
