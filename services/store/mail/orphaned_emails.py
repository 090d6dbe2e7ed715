"""Emails to remove: deleted in the CRM, without a live copy, or on no record since a grace period."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from pymongo import UpdateOne

from schemas.emails import Tombstone
from schemas.ledger import DELETED_IN_CRM
from schemas.records import RecordRef
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import encode, now
from services.store.core.fence import MongoSession
from services.store.core.pending_work import PendingWork
from services.store.ledger.ledger import Ledger
from services.store.ledger.ledger_matcher import MatcherLedger
from services.store.mail.blob_refs import BlobReferences
from services.store.mail.deleted_emails import DeletedEmails


class OrphanedEmails:
    """Removes emails with their links. The sweep deletes their blobs after the grace period.

    - ``tombstone``: a user deleted them. A resync does not bring them back.
    - ``remove``: no copy is left.
    - ``expire``: no record is left. A late contact brings them back.
    """

    def __init__(
        self,
        collections: Collections,
        *,
        ledger: Ledger,
        matcher_ledger: MatcherLedger,
        blob_refs: BlobReferences,
        deleted_emails: DeletedEmails,
        pending_work: PendingWork,
        audit: Audit,
    ) -> None:
        self._emails = collections.emails
        self._links = collections.links
        self._tombstones = collections.tombstones
        self._ledger = ledger
        self._matcher_ledger = matcher_ledger
        self._blob_refs = blob_refs
        self._deleted = deleted_emails
        self._pending = pending_work
        self._audit = audit

    async def remove(self, keys: Collection[str]) -> None:
        """Remove those of the emails that have no copy.

        A copy may be attached at the same moment. Its writer looks for the email after writing the row
        (``links.lacking``, ``poller_ledger.add_window``), and this method looks for rows after removing the email, so one of
        the two sees the other. This method then has the copy fetched again. Its first look keeps two processes from repeating that.
        """
        without_copy = set(keys) - await self._ledger.with_copy(keys) if keys else set[str]()
        if not without_copy:
            return
        await self._delete(without_copy)
        if attached := await self._ledger.with_copy(without_copy):
            await self._matcher_ledger.replan_emails(attached)

    async def tombstone(
        self, keys: Iterable[str], *, by: str, audited: bool = True, undo: timedelta = timedelta()
    ) -> frozenset[RecordRef]:
        """Delete emails. A tombstone keeps a resync from bringing them back.

        Returns the records that they were on, whose summaries the caller recomputes. Pending work makes the matcher do
        so, too, and relink the threads.

        Args:
            keys: the emails.
            by: the user who deletes them.
            audited: False if the caller writes the audit log.
            undo: for how long the deletion can be undone; zero: it is permanent.
        """
        wanted = list(keys)
        if undo:
            await self._deleted.keep(wanted, by=by, until=now() + undo)
        return await self._tombstone(wanted, by, audited=audited) if wanted else frozenset[RecordRef]()

    async def _tombstone(self, wanted: list[str], by: str, *, audited: bool) -> frozenset[RecordRef]:
        moment = now()
        writes = []
        for key in wanted:
            document = encode(Tombstone(email=key, by=by, at=moment))
            writes.append(UpdateOne({"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True))

        async def write(session: MongoSession) -> None:
            await self._tombstones.bulk_write(writes, ordered=False, session=session)
            for key in wanted if audited else ():
                await self._audit.add("email.delete", by=by, subject=f"email:{key}", session=session)

        await self._audit.transaction(write)
        await self._enqueue(wanted)
        records = await self._unlink(wanted)
        await self._matcher_ledger.skip_emails(wanted, DELETED_IN_CRM)
        await self._delete(wanted)
        # For a copy that arrived meanwhile. A later one is refused: its writer looks for its email and the tombstone.
        await self._matcher_ledger.skip_emails(wanted, DELETED_IN_CRM)
        await self._blob_refs.release(wanted)
        return records

    async def expire(self, keys: Collection[str]) -> None:
        """Remove the bodies of emails that are on no record. Their copies are ``unmatched`` again.

        A late contact finds them by hash, as if they had never been relevant.
        """
        linked = {found["email"] async for found in self._links.find({"email": {"$in": list(keys)}}, {"email": 1})}
        bare = [key for key in keys if key not in linked]
        if not bare:
            return
        await self._matcher_ledger.unmatch_emails(bare)
        await self._delete(bare)
        # A copy that arrived meanwhile has lost its email: fetch it again.
        if late := await self._ledger.with_copy(bare):
            await self._matcher_ledger.replan_emails(late)

    async def _delete(self, keys: Collection[str]) -> None:
        """Delete emails. Their blobs are released first, because after a crash no email names them."""
        await self._blob_refs.release(keys)
        await self._emails.delete_many({"_id": {"$in": list(keys)}})
        # Again: a sweep that ran in between found the emails stored, and took the release back.
        await self._blob_refs.release(keys)

    async def _enqueue(self, keys: list[str]) -> None:
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
