"""The facade: one attribute per subject."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from services.store.reader_store import ReaderStore

if TYPE_CHECKING:
    from services.store.admin.address_codes import AddressCodes
    from services.store.admin.aliases import Aliases
    from services.store.admin.checkup import Checkup
    from services.store.admin.data_subjects import DataSubjects
    from services.store.admin.erasing import Erasing
    from services.store.admin.exporting import Exporting
    from services.store.admin.key_rotation import KeyRotation
    from services.store.admin.previewing import Previewing
    from services.store.admin.removal import Removal
    from services.store.admin.sharing import Sharing
    from services.store.admin.undoing import Undoing
    from services.store.admin.withdrawing import Withdrawing
    from services.store.ownership.handover import Handover
    from services.store.ownership.membership import Membership
    from services.store.ownership.user_lifecycle import UserLifecycle
    from services.store.sync.status import Status


class Store(ReaderStore):
    """Everything that Leadmail keeps in MongoDB. Constructing it sends nothing to the server. Call ``setup()`` once at start.

    Args:
        database: Leadmail's own database.
        crm: the CRM's database, of the same client.
        config: keys and the CRM's names.
        for_leases: Leadmail's own database of another client, whose connections only heartbeats and renewals of leases use.
    """

    @cached_property
    def status(self) -> Status:
        from services.store.admin.attached_mail import AttachedMail
        from services.store.sync.status import Status

        return Status(
            self._collections,
            accounts=self.accounts,
            folders=self.folders,
            ledger_counts=self.ledger_counts,
            cached_counts=self.cached_counts,
            message_ids=self.message_ids,
            epochs=self.epochs,
            seen_by_holders=AttachedMail(
                self._collections, self._rights.readable if self._config.readers_field else None
            ).seen_by_holders,
        )

    @cached_property
    def undoing(self) -> Undoing:
        from services.store.admin.undoing import Undoing

        return Undoing(users=self.users, accounts=self.accounts, deleted_emails=self.deleted_emails)

    @cached_property
    def address_codes(self) -> AddressCodes:
        from services.store.admin.address_codes import AddressCodes

        return AddressCodes(self._collections, address_proofs=self.address_proofs, blobs=self.blobs, audit=self.audit)

    @cached_property
    def aliases(self) -> Aliases:
        from services.store.admin.aliases import Aliases

        return Aliases(
            self._collections,
            users=self.users,
            teams=self.teams,
            lines=self._lines,
            rights=self._rights,
            colleagues=self.colleagues,
            folders=self.folders,
            record_addresses=self.record_addresses,
        )

    @cached_property
    def key_rotation(self) -> KeyRotation:
        from services.store.admin.key_rotation import KeyRotation

        return KeyRotation(
            self._collections,
            self._config,
            mark_keys=self.mark_keys,
            accounts=self.accounts,
            remarking=self.remarking,
            records=self.records,
            audit=self.audit,
        )

    @cached_property
    def checkup(self) -> Checkup:
        from services.store.admin.checkup import Checkup

        return Checkup(self._collections)

    @cached_property
    def sharing(self) -> Sharing:
        from services.store.admin.sharing import Sharing

        return Sharing(
            self._collections,
            accounts=self.accounts,
            ledger=self.ledger,
            company=self.company,
            colleagues=self.colleagues,
            emails=self.emails,
            links=self.links,
            pending_work=self.pending_work,
            copies=self._copies,
            orphaned_emails=self.orphaned_emails,
            summaries=self.summaries,
            audit=self.audit,
        )

    @cached_property
    def removal(self) -> Removal:
        from services.store.admin.removal import Removal

        return Removal(
            self._collections,
            accounts=self.accounts,
            colleagues=self.colleagues,
            ledger=self.ledger,
            ledger_counts=self.ledger_counts,
            cached_counts=self.cached_counts,
            links=self.links,
            copies=self._copies,
            rights=self._rights,
            teams=self.teams,
            sharing=self.sharing,
            dead_letters=self.dead_letters,
            deleted_emails=self.deleted_emails,
            blob_refs=self.blob_refs,
            audit=self.audit,
        )

    @cached_property
    def _handover(self) -> Handover:
        from services.store.ownership.handover import Handover

        return Handover(
            self._collections,
            ledger=self.ledger,
            withdrawals=self.withdrawals,
            pending_work=self.pending_work,
            sharing=self.sharing,
            colleagues=self.colleagues,
            audit=self.audit,
        )

    @cached_property
    def membership(self) -> Membership:
        from services.store.ownership.membership import Membership

        return Membership(
            self._collections,
            accounts=self.accounts,
            colleagues=self.colleagues,
            handover=self._handover,
            audit=self.audit,
        )

    @cached_property
    def user_lifecycle(self) -> UserLifecycle:
        from services.store.ownership.user_lifecycle import UserLifecycle

        return UserLifecycle(
            self._collections,
            users=self.users,
            sign_ins=self.sign_ins,
            accounts=self.accounts,
            colleagues=self.colleagues,
            removal=self.removal,
            handover=self._handover,
            membership=self.membership,
            audit=self.audit,
        )

    @cached_property
    def withdrawing(self) -> Withdrawing:
        from services.store.admin.withdrawing import Withdrawing

        return Withdrawing(
            self._collections,
            guard=self._guard,
            joined_links=self._joined_links,
            withdrawals=self.withdrawals,
            sharing=self.sharing,
            pending_work=self.pending_work,
            colleagues=self.colleagues,
            audit=self.audit,
        )

    @cached_property
    def previewing(self) -> Previewing:
        from services.store.admin.previewing import Previewing

        return Previewing(
            users=self.users,
            teams=self.teams,
            company=self.company,
            ledger=self.ledger,
            links=self.links,
            copies=self._copies,
            rights=self._rights,
            lines=self._lines,
            record_addresses=self.record_addresses,
            colleagues=self.colleagues,
        )

    @cached_property
    def data_subjects(self) -> DataSubjects:
        from services.store.admin.data_subjects import DataSubjects

        return DataSubjects(
            self._collections, record_addresses=self.record_addresses, links=self.links, ledger=self.ledger
        )

    @cached_property
    def exporting(self) -> Exporting:
        from services.store.admin.exporting import Exporting

        return Exporting(
            users=self.users,
            data_subjects=self.data_subjects,
            records=self.records,
            record_addresses=self.record_addresses,
            accounts=self.accounts,
            folders=self.folders,
            ledger=self.ledger,
            emails=self.emails,
            deleted_emails=self.deleted_emails,
            blobs=self.blobs,
            audit=self.audit,
        )

    @cached_property
    def erasing(self) -> Erasing:
        from services.store.admin.erasing import Erasing

        return Erasing(
            self._collections,
            users=self.users,
            data_subjects=self.data_subjects,
            record_addresses=self.record_addresses,
            links=self.links,
            ledger=self.ledger,
            dead_letters=self.dead_letters,
            deleted_emails=self.deleted_emails,
            pending_work=self.pending_work,
            orphaned_emails=self.orphaned_emails,
            summaries=self.summaries,
            audit=self.audit,
        )
