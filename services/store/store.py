"""The facade: one attribute per subject."""

from __future__ import annotations

from datetime import timedelta

from services.store.access.attesting import Attesting
from services.store.access.copies import Copies
from services.store.access.groups import Groups
from services.store.access.guard import Guard
from services.store.access.pending_sign_ins import PendingSignIns
from services.store.access.rights import RecordRights
from services.store.access.scim_tokens import ScimTokens
from services.store.access.sign_ins import SignIns
from services.store.access.users import Company, Users
from services.store.access.withdrawals import Withdrawals
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
from services.store.mail.joined_links import JoinedLinks
from services.store.readers.candidates import Candidates
from services.store.readers.deleting import Deleting
from services.store.readers.email_search import EmailSearch
from services.store.readers.explaining import Explaining
from services.store.readers.failures import Failures
from services.store.readers.reading import Reading
from services.store.readers.record_search import RecordSearch
from services.store.readers.suggesting import Suggesting
from services.store.readers.threads import Threads
from services.store.readers.visible_lines import VisibleLines
from services.store.stage_store import StageStore
from services.store.sync.attention import Attention, TroubleMails
from services.store.sync.blocked_accounts import BlockedAccounts
from services.store.sync.budgets import Budgets
from services.store.sync.host_connections import HostConnections
from services.store.sync.status import Status


class Store(StageStore):
    """Everything that Leadmail keeps in MongoDB. Constructing it sends nothing to the server. Call ``setup()`` once at start.

    Args:
        database: Leadmail's own database.
        crm: the CRM's database, of the same client.
        config: keys and the CRM's names.
    """

    def __init__(self, database: Database, crm: Database, config: StoreConfig) -> None:
        super().__init__(database, crm, config)
        c = self._collections
        rights = RecordRights(c, config)
        self.status = Status(
            c,
            accounts=self.accounts,
            folders=self.folders,
            ledger_counts=self.ledger_counts,
            message_ids=self.message_ids,
            epochs=self.epochs,
            seen_by_owner=AttachedMail(c, rights.readable if config.readers_field else None).seen_by_owner,
        )

        # access
        self.users = Users(c, self.colleagues, self.audit)
        self.company = Company(c, self.colleagues)
        self.sign_ins = SignIns(c, self.users, self.audit)
        self.scim_tokens = ScimTokens(c, self.audit)
        self.groups = Groups(c, self.users, self.audit)
        self.pending_sign_ins = PendingSignIns(c)
        self.withdrawals = Withdrawals(c)
        copies = Copies(
            c,
            ledger=self.ledger,
            accounts=self.accounts,
            colleagues=self.colleagues,
            company=self.company,
            withdrawals=self.withdrawals,
            attesting=Attesting(
                emails=self.emails,
                ledger=self.ledger,
                accounts=self.accounts,
                folders=self.folders,
                colleagues=self.colleagues,
                company=self.company,
            ),
        )
        guard = Guard(self.users, copies, rights)
        candidates = Candidates(c, guard)
        lines = VisibleLines(c, guard=guard, candidates=candidates, colleagues=self.colleagues, folders=self.folders)
        joined_links = JoinedLinks(c)
        threads = Threads(guard, joined_links)
        self.reading = Reading(
            c,
            guard=guard,
            candidates=candidates,
            lines=lines,
            threads=threads,
            failures=Failures(guard, joined_links, lines),
            blobs=self.blobs,
        )
        self.email_search = EmailSearch(c, config, guard=guard, candidates=candidates, lines=lines, threads=threads)
        self.record_search = RecordSearch(guard, self.records)
        self.explaining = Explaining(c, guard, self.emails, self.audit)
        self.suggesting = Suggesting(
            guard=guard,
            lines=lines,
            colleagues=self.colleagues,
            record_addresses=self.record_addresses,
        )
        self.deleting = Deleting(
            guard=guard,
            lines=lines,
            emails=self.emails,
            ledger=self.ledger,
            accounts=self.accounts,
            orphaned_emails=self.orphaned_emails,
            summaries=self.summaries,
            undo=timedelta(days=config.undo_days),
        )

        # admin
        self.undoing = Undoing(users=self.users, accounts=self.accounts, deleted_emails=self.deleted_emails)
        self.address_codes = AddressCodes(c, address_proofs=self.address_proofs, blobs=self.blobs, audit=self.audit)
        self.aliases = Aliases(
            c,
            users=self.users,
            lines=lines,
            rights=rights,
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
            copies=copies,
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
            links=self.links,
            copies=copies,
            rights=rights,
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
            guard=guard,
            joined_links=joined_links,
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
            copies=copies,
            rights=rights,
            lines=lines,
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
