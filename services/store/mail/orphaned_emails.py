"""Emails that go: without a live copy, deleted in the CRM, or on no record for longer than the grace."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pymongo import UpdateOne

from schemas.emails import Tombstone
from schemas.records import RecordRef
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import encode, now
from services.store.core.pending_work import PendingWork
from services.store.mail.blobs import Blobs
from services.store.sync.ledger import Ledger

DELETED_IN_CRM = "deleted-in-crm"
"""Reason of the rows of emails with a tombstone."""


class OrphanedEmails:
    """Removes emails with their links; blobs follow after their grace."""

    def __init__(
        self, collections: Collections, ledger: Ledger, blobs: Blobs, pending_work: PendingWork, audit: Audit
    ) -> None:
        self._emails = collections.emails
        self._links = collections.links
        self._tombstones = collections.tombstones
        self._ledger = ledger
        self._blobs = blobs
        self._pending = pending_work
        self._audit = audit

    async def remove(self, keys: Collection[str]) -> None:
        """Remove those of the emails that have no live copy.

        A copy may be attached at this very moment: its writer looks for the email after the row was written
        (``links.lacking``, ``ledger.add_window``), we look for rows after the email was removed, so one of us sees the
        other; our remedy is to have the copy fetched again. The first look keeps two from going on like that.
        """
        unheld = set(keys) - await self._ledger.held(keys) if keys else set[str]()
        if not unheld:
            return
        await self._delete(unheld)
        if attached := await self._ledger.held(unheld):
            await self._ledger.replan_emails(attached)

    async def tombstone(self, keys: Iterable[str], *, by: str) -> frozenset[RecordRef]:
        """Delete emails for good, as somebody in the CRM wishes: a tombstone keeps a re-sync from bringing them back.

        Returns the records that they were on: recompute their summaries. A debt has the matcher do so too, and
        lets the threads follow.
        """
        wanted = list(keys)
        records = await self.tombstone_unaudited(wanted, by=by)
        for key in wanted:
            await self._audit.add("email.delete", by=by, subject=f"email:{key}")
        return records

    async def tombstone_unaudited(self, wanted: list[str], *, by: str) -> frozenset[RecordRef]:
        """Do as ``tombstone``; the caller sees to the audit log."""
        moment = now()
        writes = []
        for key in wanted:
            document = encode(Tombstone(email=key, by=by, at=moment))
            writes.append(UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True))
        if not writes:
            return frozenset()
        await self._tombstones.bulk_write(writes, ordered=False)
        await self._owe(wanted)
        records = await self._unlink(wanted)
        await self._ledger.skip_emails(wanted, DELETED_IN_CRM)
        await self._delete(wanted)
        # A copy that came meanwhile: who writes one looks for its email, or the tombstone, after this.
        await self._ledger.skip_emails(wanted, DELETED_IN_CRM)
        await self._blobs.release(wanted)
        return records

    async def expire(self, keys: Collection[str]) -> None:
        """Remove the bodies of emails that no record has any more; their copies are ``unmatched`` again.

        A late contact finds them by mark, as if they had never been relevant.
        """
        linked = {found["email"] async for found in self._links.find({"email": {"$in": list(keys)}}, {"email": 1})}
        bare = [key for key in keys if key not in linked]
        if not bare:
            return
        await self._ledger.unmatch_emails(bare)
        await self._delete(bare)
        # A copy that came meanwhile has lost its email: fetch it again.
        if late := await self._ledger.held(bare):
            await self._ledger.replan_emails(late)

    async def _delete(self, keys: Collection[str]) -> None:
        """Delete emails. Their blobs are released first: who comes after a crash finds no email any more that names them."""
        await self._blobs.release(keys)
        await self._emails.delete_many({"_id": {"$in": list(keys)}})
        # Again: a sweep that came in between found the emails stored, and took the release back.
        await self._blobs.release(keys)

    async def _owe(self, keys: list[str]) -> None:
        named = self._emails.find({"_id": {"$in": keys}, "message_id": {"$type": "string"}}, {"message_id": 1})
        ids = [document["message_id"] async for document in named]
        links = self._links.find({"email": {"$in": keys}}, {"record": 1})
        records = {RecordRef(**document["record"]) async for document in links}
        if ids or records:
            await self._pending.enqueue(records=records, message_ids=ids)

    async def _unlink(self, keys: list[str]) -> frozenset[RecordRef]:
        found = self._links.find({"email": {"$in": keys}}, {"record": 1})
        records = frozenset([RecordRef(**document["record"]) async for document in found])
        await self._links.delete_many({"email": {"$in": keys}})
        return records
