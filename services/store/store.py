"""The facade: one attribute per subject."""

from __future__ import annotations

from datetime import timedelta

from services.store.access.attesting import Attesting
from services.store.access.copies import Copies
from services.store.access.guard import Guard
from services.store.access.rights import RecordRights
from services.store.access.sign_ins import SignIns
from services.store.access.users import Company, Users
from services.store.access.withdrawals import Withdrawals
from services.store.admin.address_codes import AddressCodes
from services.store.admin.aliases import Aliases
from services.store.admin.attached_mail import AttachedMail
from services.store.admin.attention import Attention, TroubleMails
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
from services.store.core.address_proofs import AddressProofs
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Database
from services.store.core.fence import Fence
from services.store.core.mark_keys import MarkKeys
from services.store.core.migrations import migrate
from services.store.core.pending_work import PendingWork
from services.store.core.setup import setup
from services.store.core.singleton_lease import SingletonLease
from services.store.crm.record_addresses import RecordAddresses
from services.store.crm.record_watch import RecordWatch
from services.store.crm.records import Records
from services.store.crm.summaries import Summaries
from services.store.ledger.folders import Folders
from services.store.ledger.ledger import Ledger
from services.store.ledger.ledger_counts import LedgerCounts
from services.store.ledger.ledger_doubts import LedgerDoubts
from services.store.ledger.ledger_matcher import MatcherLedger
from services.store.ledger.ledger_operator import OperatorLedger
from services.store.ledger.ledger_poller import PollerLedger
from services.store.ledger.message_ids import MessageIds
from services.store.ledger.remarking import Remarking
from services.store.mail.blob_refs import BlobReferences
from services.store.mail.blob_sweep import BlobSweep
from services.store.mail.blobs import Blobs
from services.store.mail.dead_letters import DeadLetters
from services.store.mail.deleted_emails import DeletedEmails
from services.store.mail.emails import Emails
from services.store.mail.links import Links
from services.store.mail.orphaned_emails import OrphanedEmails
from services.store.readers.candidates import Candidates
from services.store.readers.deleting import Deleting
from services.store.readers.email_search import EmailSearch
from services.store.readers.explaining import Explaining
from services.store.readers.reading import Reading
from services.store.readers.record_search import RecordSearch
from services.store.readers.suggesting import Suggesting
from services.store.readers.visible_lines import VisibleLines
from services.store.sync.accounts import Accounts
from services.store.sync.backlog import Backlog
from services.store.sync.blocked_accounts import BlockedAccounts
from services.store.sync.epochs import Epochs
from services.store.sync.former_accounts import FormerAccounts
from services.store.sync.leases import Leases
from services.store.sync.progress import Progress
from services.store.sync.status import Status


class Store:
    """Everything that Leadmail keeps in MongoDB. Constructing it sends nothing to the server. Call ``setup()`` once at start.

    Args:
        database: Leadmail's own database.
        crm: the CRM's database, of the same client.
        config: keys and the CRM's names.
    """

    def __init__(self, database: Database, crm: Database, config: StoreConfig) -> None:  # noqa: PLR0915 - one statement per subject
        self._collections = c = Collections(database, crm, config)
        fence = Fence(c)

        # core
        self.audit = Audit(c)
        self.singleton_lease = SingletonLease(c)
        self.pending_work = PendingWork(c)
        self.mark_keys = MarkKeys(c, config)
        self.colleagues = Colleagues(c, self.pending_work)
        self.address_proofs = AddressProofs(c, fence=fence, colleagues=self.colleagues, audit=self.audit)

        # sync
        self.former_accounts = FormerAccounts(c)
        self.accounts = Accounts(
            c,
            fence=fence,
            colleagues=self.colleagues,
            address_proofs=self.address_proofs,
            former_accounts=self.former_accounts,
            audit=self.audit,
        )
        self.leases = Leases(c, config, fence)
        self.folders = Folders(c, fence)
        self.epochs = Epochs(c, fence, self.folders)
        self.ledger = Ledger(c, config)
        self.ledger_counts = LedgerCounts(c)
        self.poller_ledger = PollerLedger(c, fence, self.folders)
        self.ledger_doubts = LedgerDoubts(c, fence)
        self.matcher_ledger = MatcherLedger(c)
        self.operator_ledger = OperatorLedger(c)
        self.remarking = Remarking(c, fence)
        self.message_ids = MessageIds(c, config, fence)
        self.backlog = Backlog(c)
        self.progress = Progress(c)
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

        # crm
        self.records = Records(c, config)
        self.record_addresses = RecordAddresses(c, config, self.mark_keys)
        self.record_watch = RecordWatch(c, config)
        self.summaries = Summaries(c, self.colleagues, config)

        # mail
        self.emails = Emails(c, config)
        self.links = Links(c)
        self.blobs = Blobs(c)
        self.blob_refs = BlobReferences(c, fence)
        self.blob_sweep = BlobSweep(c, fence, self.matcher_ledger)
        self.dead_letters = DeadLetters(c, self.blob_refs)
        self.deleted_emails = DeletedEmails(
            c, config, blob_refs=self.blob_refs, matcher_ledger=self.matcher_ledger, pending_work=self.pending_work
        )
        self.orphaned_emails = OrphanedEmails(
            c,
            ledger=self.ledger,
            matcher_ledger=self.matcher_ledger,
            blob_refs=self.blob_refs,
            deleted_emails=self.deleted_emails,
            pending_work=self.pending_work,
            audit=self.audit,
        )

        # access
        self.users = Users(c, self.colleagues, self.audit)
        self.company = Company(c, self.colleagues)
        self.sign_ins = SignIns(c, self.users, self.audit)
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
        self.reading = Reading(c, guard=guard, candidates=candidates, lines=lines, blobs=self.blobs)
        self.email_search = EmailSearch(c, config, guard=guard, candidates=candidates, lines=lines)
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
        self.undoing = Undoing(
            users=self.users, accounts=self.accounts, deleted_emails=self.deleted_emails, audit=self.audit
        )
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

    async def setup(self) -> tuple[str, ...]:
        """Create missing collections and indexes, migrate, and check this process's keys. Every process calls this at start.

        Returns the names of the migrations that this call ran.

        Raises:
            LayoutError: one of the indexes exists with other properties, or this process lacks a key that is needed.
        """
        await setup(self._collections)
        ran = await migrate(self._collections)
        await self.mark_keys.setup()
        return ran
