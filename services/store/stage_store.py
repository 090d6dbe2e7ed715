"""What stages work on: the parts of the store below users and their rights."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from services.store.account_store import AccountStore

if TYPE_CHECKING:
    from services.store.crm.name_completion import NameCompletion
    from services.store.crm.own_records import OwnRecords
    from services.store.crm.record_addresses import RecordAddresses
    from services.store.crm.record_watch import RecordWatch
    from services.store.crm.records import Records
    from services.store.crm.summaries import Summaries
    from services.store.mail.blob_refs import BlobReferences
    from services.store.mail.blob_sweep import BlobSweep
    from services.store.mail.blobs import Blobs
    from services.store.mail.dead_letters import DeadLetters
    from services.store.mail.deleted_emails import DeletedEmails
    from services.store.mail.emails import Emails
    from services.store.mail.links import Links
    from services.store.mail.orphaned_emails import OrphanedEmails


class StageStore(AccountStore):
    """The parts of the store that know neither users nor what they may see; see ``Store``."""

    @cached_property
    def records(self) -> Records:
        from services.store.crm.records import Records

        return Records(self._collections, self._config)

    @cached_property
    def record_addresses(self) -> RecordAddresses:
        from services.store.crm.record_addresses import RecordAddresses

        return RecordAddresses(self._collections, self._config, self.mark_keys)

    @cached_property
    def own_records(self) -> OwnRecords:
        from services.store.crm.own_records import OwnRecords

        return OwnRecords(self._collections, self._config, self.audit)

    @cached_property
    def record_watch(self) -> RecordWatch:
        from services.store.crm.record_watch import RecordWatch

        return RecordWatch(self._collections, self._config)

    @cached_property
    def name_completion(self) -> NameCompletion:
        from services.store.crm.name_completion import NameCompletion

        return NameCompletion(self._collections)

    @cached_property
    def summaries(self) -> Summaries:
        from services.store.crm.summaries import Summaries

        return Summaries(self._collections, self.colleagues, self._config)

    @cached_property
    def emails(self) -> Emails:
        from services.store.mail.emails import Emails

        return Emails(self._collections, self._config)

    @cached_property
    def links(self) -> Links:
        from services.store.mail.links import Links

        return Links(self._collections)

    @cached_property
    def blobs(self) -> Blobs:
        from services.store.mail.blobs import Blobs

        return Blobs(self._collections)

    @cached_property
    def blob_refs(self) -> BlobReferences:
        from services.store.mail.blob_refs import BlobReferences

        return BlobReferences(self._collections, self._fence)

    @cached_property
    def blob_sweep(self) -> BlobSweep:
        from services.store.mail.blob_sweep import BlobSweep

        return BlobSweep(self._collections, self._fence, self.matcher_ledger)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        from services.store.mail.dead_letters import DeadLetters

        return DeadLetters(self._collections, self.blob_refs)

    @cached_property
    def deleted_emails(self) -> DeletedEmails:
        from services.store.mail.deleted_emails import DeletedEmails

        return DeletedEmails(
            self._collections,
            self._config,
            blob_refs=self.blob_refs,
            matcher_ledger=self.matcher_ledger,
            pending_work=self.pending_work,
            audit=self.audit,
        )

    @cached_property
    def orphaned_emails(self) -> OrphanedEmails:
        from services.store.mail.orphaned_emails import OrphanedEmails

        return OrphanedEmails(
            self._collections,
            ledger=self.ledger,
            matcher_ledger=self.matcher_ledger,
            blob_refs=self.blob_refs,
            deleted_emails=self.deleted_emails,
            pending_work=self.pending_work,
            audit=self.audit,
        )

    async def setup(self) -> tuple[str, ...]:
        """Create missing collections and indexes, migrate, and check this process's keys. Every process calls this at start.

        Returns the names of the migrations that this call ran.

        Raises:
            LayoutError: one of the indexes exists with other properties, or this process lacks a key that is needed.
        """
        from services.store.core.migrations import migrate
        from services.store.core.setup import setup

        await setup(self._collections)
        ran = await migrate(self._collections)
        await self.mark_keys.setup()
        return ran
