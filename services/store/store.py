"""The facade: one attribute per subject."""

from __future__ import annotations

from services.store.admin.address_codes import AddressCodes
from services.store.admin.aliases import Aliases
from services.store.admin.attached_mail import AttachedMail
from services.store.admin.checkup import Checkup
from services.store.admin.data_subjects import DataSubjects
from services.store.admin.erasing import Erasing
from services.store.admin.exporting import Exporting
from services.store.admin.key_rotation import KeyRotation
from services.store.admin.previewing import Previewing
from services.store.admin.removal import Removal
from services.store.admin.sharing import Sharing
from services.store.admin.undoing import Undoing
from services.store.admin.user_lifecycle import UserLifecycle
from services.store.admin.withdrawing import Withdrawing
from services.store.core.config import StoreConfig
from services.store.core.documents import Database
from services.store.reader_store import ReaderStore
from services.store.sync.attention import Attention, TroubleMails
from services.store.sync.blocked_accounts import BlockedAccounts
from services.store.sync.budgets import Budgets
from services.store.sync.host_connections import HostConnections
from services.store.sync.status import Status


class Store(ReaderStore):
    """Everything that Leadmail keeps in MongoDB. Constructing it sends nothing to the server. Call ``setup()`` once at start.

    Args:
        database: Leadmail's own database.
        crm: the CRM's database, of the same client.
        config: keys and the CRM's names.
    """

    def __init__(self, database: Database, crm: Database, config: StoreConfig) -> None:
        super().__init__(database, crm, config)
        c = self._collections
        self.status = Status(
            c,
            accounts=self.accounts,
            folders=self.folders,
            ledger_counts=self.ledger_counts,
            cached_counts=self.cached_counts,
            message_ids=self.message_ids,
            epochs=self.epochs,
            seen_by_owner=AttachedMail(c, self._rights.readable if config.readers_field else None).seen_by_owner,
        )

        self.undoing = Undoing(users=self.users, accounts=self.accounts, deleted_emails=self.deleted_emails)
        self.address_codes = AddressCodes(c, address_proofs=self.address_proofs, blobs=self.blobs, audit=self.audit)
        self.aliases = Aliases(
            c,
            users=self.users,
            lines=self._lines,
            rights=self._rights,
            colleagues=self.colleagues,
            folders=self.folders,
            record_addresses=self.record_addresses,
        )
        self.attention = Attention(c)
        self.budgets = Budgets(c)
        self.host_connections = HostConnections(c)
        self.trouble_mails = TroubleMails(c)
        self.blocked_accounts = BlockedAccounts(c, audit=self.audit)
        self.key_rotation = KeyRotation(
            c,
            config,
            mark_keys=self.mark_keys,
            accounts=self.accounts,
            remarking=self.remarking,
            records=self.records,
            audit=self.audit,
        )
        self.checkup = Checkup(c)
        self.sharing = Sharing(
            c,
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
        self.removal = Removal(
            c,
            accounts=self.accounts,
            colleagues=self.colleagues,
            ledger=self.ledger,
            ledger_counts=self.ledger_counts,
            cached_counts=self.cached_counts,
            links=self.links,
            copies=self._copies,
            rights=self._rights,
            sharing=self.sharing,
            dead_letters=self.dead_letters,
            deleted_emails=self.deleted_emails,
            blob_refs=self.blob_refs,
            audit=self.audit,
        )
        self.user_lifecycle = UserLifecycle(
            c,
            users=self.users,
            sign_ins=self.sign_ins,
            accounts=self.accounts,
            ledger=self.ledger,
            colleagues=self.colleagues,
            removal=self.removal,
            sharing=self.sharing,
            withdrawals=self.withdrawals,
            pending_work=self.pending_work,
            audit=self.audit,
        )
        self.withdrawing = Withdrawing(
            c,
            guard=self._guard,
            joined_links=self._joined_links,
            withdrawals=self.withdrawals,
            sharing=self.sharing,
            pending_work=self.pending_work,
            audit=self.audit,
        )
        self.previewing = Previewing(
            users=self.users,
            company=self.company,
            ledger=self.ledger,
            links=self.links,
            copies=self._copies,
            rights=self._rights,
            lines=self._lines,
            record_addresses=self.record_addresses,
            colleagues=self.colleagues,
        )
        self.data_subjects = DataSubjects(
            c, record_addresses=self.record_addresses, links=self.links, ledger=self.ledger
        )
        self.exporting = Exporting(
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
        self.erasing = Erasing(
            c,
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
