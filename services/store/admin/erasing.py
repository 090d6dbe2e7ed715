"""Erasing what is stored about an address: links, mail that nothing else keeps, blobs, marks, dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.emails import Link
from schemas.ledger import RowState
from schemas.records import RecordRef
from services.store.admin.subjects import Mentioned, Subjects
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.errors import StoreError
from services.store.core.pending_work import PendingWork
from services.store.crm.records import Records
from services.store.crm.summaries import Summaries
from services.store.mail.dead_letters import DeadLetters
from services.store.mail.links import Links
from services.store.mail.orphaned_emails import OrphanedEmails
from services.store.sync.ledger import Ledger

_ROUNDS = 20


class ErasureCounts(NamedTuple):
    """What an erasure is about; shown before it is done."""

    records: int
    """Leads and contacts that have or had the address."""
    links: int
    """Emails on records because of it."""
    emails: int
    """Emails that go for good: nothing else keeps them on a record."""
    kept: int
    """Emails that name it and stay: on other records, or by another address on the same ones."""
    copies: int
    """Copies of which nothing but a row with the address's mark is kept: the mark goes."""
    dead_letters: int


class Erasing:
    """The part of ``privacy`` that removes.

    First the address leaves the index, so that nothing that is on its way is linked by it any more; then its links go,
    then the emails that are on no record without it, under tombstones: no re-sync brings them back. What is in the mailboxes stays there.
    """

    def __init__(
        self,
        collections: Collections,
        *,
        subjects: Subjects,
        records: Records,
        links: Links,
        ledger: Ledger,
        letters: DeadLetters,
        pending_work: PendingWork,
        orphaned_emails: OrphanedEmails,
        summaries: Summaries,
        audit: Audit,
    ) -> None:
        self._rows = collections.ledger
        self._subjects = subjects
        self._records = records
        self._links = links
        self._ledger = ledger
        self._letters = letters
        self._pending = pending_work
        self._orphaned = orphaned_emails
        self._summaries = summaries
        self._audit = audit

    async def counts(self, address: str) -> ErasureCounts:
        """Return what the erasure of a normal address is about."""
        links = emails = kept = copies = 0
        async for mentioned in self._subjects.mentions(address):
            links += sum(len(email.of(address)) for email in mentioned)
            stay = sum(email.kept_without(address) for email in mentioned)
            emails, kept = emails + len(mentioned) - stay, kept + stay
        async for _ in self._subjects.marked(address):
            copies += 1
        records = await self._subjects.records_of(address)
        return ErasureCounts(len(records), links, emails, kept, copies, len(await self._subjects.letters(address)))

    async def erase(self, address: str, *, by: str) -> ErasureCounts:
        """Erase what is stored about a normal address. Returns what was there.

        May be called again after an interruption: it goes on where it stopped.

        Raises:
            StoreError: others keep changing the same links.
        """
        counts = await self.counts(address)
        await self._records.erase_address(address)
        touched: set[RecordRef] = set()
        async for mentioned in self._subjects.mentions(address):
            touched |= await self._unlink([email.key for email in mentioned], address)
            touched |= await self._sink([email.key for email in mentioned], by)
        await self._forget_letters(address)
        await self._rows.update_many(
            {"marks": self._subjects.mark_of(address)}, {"$pull": {"marks": self._subjects.mark_of(address)}}
        )
        await self._summaries.recompute(touched)
        # Who reads the log learns what was done, not to whom; who knows the address finds the entry by it.
        await self._audit.add("privacy.erase", by=by, subject=self._subjects.audit_name(address), **counts._asdict())
        return counts

    async def _unlink(self, keys: Sequence[str], address: str) -> set[RecordRef]:
        """Take an address out of the reasons of links. Returns the records whose links changed."""
        touched: set[RecordRef] = set()
        for _ in range(_ROUNDS):
            found = await self._links.of_emails(keys)
            mentioned = [Mentioned(key, tuple(links)) for key, links in found.items()]
            changes = [_without(link, address) for email in mentioned for link in email.of(address)]
            touched |= {link.record for link in changes}
            if not changes:
                return touched
            # A crash after this leaves summaries to whoever pays debts.
            await self._pending.enqueue(records={link.record for link in changes})
            await self._links.compare_and_set_many(changes, ownerless=True)
        raise StoreError("others keep changing the links of this address: try again")

    async def _sink(self, keys: Sequence[str], by: str) -> frozenset[RecordRef]:
        """Remove for good those of the emails that are on no record. Their rows keep no mark."""
        linked = await self._links.of_emails(keys)
        bare = [key for key in keys if key not in linked]
        if not bare:
            return frozenset()
        rows = [copy.id for copies in (await self._ledger.live_copies(bare)).values() for copy in copies]
        records = await self._orphaned.tombstone_unaudited(bare, by=by)
        await self._rows.update_many({"_id": {"$in": rows}}, {"$unset": {"marks": ""}})
        return records

    async def _forget_letters(self, address: str) -> None:
        for letter in await self._subjects.letters(address):
            if letter.row:
                erased: Doc = {"state": RowState.SKIPPED.value, "reason": "erased", "updated_at": now()}
                quarantined = {"_id": letter.row, "state": RowState.QUARANTINED.value}
                await self._rows.update_one(quarantined, {"$set": erased, "$unset": {"marks": ""}})
            await self._letters.remove([letter.id])


def _without(link: Link, address: str) -> Link:
    matches = tuple(match for match in link.matches if match.address != address)
    attestations = tuple(attestation for attestation in link.attestations if attestation.address != address)
    return link.model_copy(update={"matches": matches, "attestations": attestations})
