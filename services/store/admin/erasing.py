"""Erases what is stored about an address: links, mail that nothing else keeps, blobs, hashes, dead letters."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.base import Contract
from schemas.emails import Link
from schemas.ledger import RowState
from schemas.records import RecordRef
from services.store.access.users import Users
from services.store.admin.data_subjects import DataSubjects, Mentioned
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.errors import StoreError
from services.store.core.pending_work import PendingWork
from services.store.crm.record_addresses import RecordAddresses
from services.store.crm.summaries import Summaries
from services.store.ledger.ledger import Ledger
from services.store.mail.dead_letters import DeadLetters
from services.store.mail.deleted_emails import DeletedEmails
from services.store.mail.links import Links
from services.store.mail.orphaned_emails import OrphanedEmails

_ROUNDS = 20


class ErasureCounts(Contract):
    """The extent of an erasure, shown before it is done."""

    records: int
    """Leads and contacts that have or had the address."""
    links: int
    """Emails on records because of the address."""
    emails: int
    """Emails that are deleted permanently, because nothing else keeps them on a record."""
    kept: int
    """Emails that name the address and stay, on other records or by another address."""
    copies: int
    """Copies of unimported mail that lose the keyed hash of the address."""
    dead_letters: int
    """Dead letters that are deleted."""


class Erasing:
    """Erases an address for an administrator. For anyone else it raises NotAllowedError or NotFoundError.

    First the address leaves the index, so that mail being processed is not linked by it. Then its links are removed, and then
    the emails that are on no record without it. Tombstones keep a resync from bringing them back. The mailboxes keep their mail.
    """

    def __init__(
        self,
        collections: Collections,
        *,
        users: Users,
        data_subjects: DataSubjects,
        record_addresses: RecordAddresses,
        links: Links,
        ledger: Ledger,
        dead_letters: DeadLetters,
        deleted_emails: DeletedEmails,
        pending_work: PendingWork,
        orphaned_emails: OrphanedEmails,
        summaries: Summaries,
        audit: Audit,
    ) -> None:
        self._rows = collections.ledger
        self._users = users
        self._data_subjects = data_subjects
        self._record_addresses = record_addresses
        self._links = links
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._deleted = deleted_emails
        self._pending = pending_work
        self._orphaned = orphaned_emails
        self._summaries = summaries
        self._audit = audit

    async def counts(self, address: str, *, by: str) -> ErasureCounts:
        """Return the extent of the erasure of a normal address."""
        await self._users.administrator(by)
        links = kept = copies = 0
        emails = await self._deleted.count(address)
        async for mentioned in self._data_subjects.mentions(address):
            links += sum(len(email.of(address)) for email in mentioned)
            stay = sum(email.kept_without(address) for email in mentioned)
            emails, kept = emails + len(mentioned) - stay, kept + stay
        async for _ in self._data_subjects.unread(address):
            copies += 1
        records = await self._data_subjects.records_of(address)
        return ErasureCounts(
            records=len(records),
            links=links,
            emails=emails,
            kept=kept,
            copies=copies,
            dead_letters=len(await self._data_subjects.dead_letters(address)),
        )

    async def erase(self, address: str, *, by: str) -> ErasureCounts:
        """Erase what is stored about a normal address. Returns what was stored.

        Call it again after an interruption: it continues where it stopped. Each start has its entry in the audit log.

        Raises:
            StoreError: other processes keep changing the same links.
        """
        by = (await self._users.administrator(by)).email
        counts = await self.counts(address, by=by)
        # The log says what is done without the address. Whoever knows the address can find the entry by it.
        subject = self._data_subjects.audit_names(address)[0]
        await self._audit.add("privacy.erase", by=by, subject=subject, **counts.model_dump())
        await self._record_addresses.erase_address(address)
        touched: set[RecordRef] = set()
        async for mentioned in self._data_subjects.mentions(address):
            touched |= await self._unlink([email.key for email in mentioned], address)
            touched |= await self._tombstone([email.key for email in mentioned], by)
        await self._deleted.erase(address)
        await self._remove_dead_letters(address)
        hashes = {"$in": self._data_subjects.hashes_of(address)}
        await self._rows.update_many({"marks": hashes}, {"$pull": {"marks": hashes}})
        await self._summaries.recompute(touched)
        return counts

    async def _unlink(self, keys: Sequence[str], address: str) -> set[RecordRef]:
        """Remove an address from the reasons of links. Returns the records whose links changed."""
        touched: set[RecordRef] = set()
        for _ in range(_ROUNDS):
            found = await self._links.of_emails(keys)
            mentioned = [Mentioned(key, tuple(links)) for key, links in found.items()]
            changes = [_without(link, address) for email in mentioned for link in email.of(address)]
            touched |= {link.record for link in changes}
            if not changes:
                return touched
            # After a crash the sweeper of pending work recomputes the summaries.
            await self._pending.enqueue(records={link.record for link in changes})
            await self._links.compare_and_set_many(changes, ownerless=True)
        raise StoreError("other processes keep changing the links of this address: try again")

    async def _tombstone(self, keys: Sequence[str], by: str) -> frozenset[RecordRef]:
        """Delete permanently those of the emails that are on no record, and remove the hashes from their rows."""
        linked = await self._links.of_emails(keys)
        bare = [key for key in keys if key not in linked]
        if not bare:
            return frozenset()
        rows = [copy.id for copies in (await self._ledger.copies(bare)).values() for copy in copies]
        records = await self._orphaned.tombstone(bare, by=by, audited=False)
        await self._rows.update_many({"_id": {"$in": rows}}, {"$unset": {"marks": "", "id_mark": ""}})
        return records

    async def _remove_dead_letters(self, address: str) -> None:
        for dead_letter in await self._data_subjects.dead_letters(address):
            if dead_letter.row:
                erased: Doc = {"state": RowState.SKIPPED.value, "reason": "erased", "updated_at": now()}
                quarantined = {"_id": dead_letter.row, "state": RowState.QUARANTINED.value}
                await self._rows.update_one(quarantined, {"$set": erased, "$unset": {"marks": "", "id_mark": ""}})
            await self._dead_letters.remove([dead_letter.id])


def _without(link: Link, address: str) -> Link:
    matches = tuple(match for match in link.matches if match.address != address)
    attestations = tuple(attestation for attestation in link.attestations if attestation.address != address)
    return link.model_copy(update={"matches": matches, "attestations": attestations})
