"""What stages work on: the parts of the store below users and their rights."""

from __future__ import annotations

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
from services.store.ledger.cached_counts import CachedCounts
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
from services.store.sync.account_tokens import AccountTokens
from services.store.sync.account_troubles import AccountTroubles
from services.store.sync.accounts import Accounts
from services.store.sync.backlog import Backlog
from services.store.sync.epochs import Epochs
from services.store.sync.former_accounts import FormerAccounts
from services.store.sync.leases import Leases
from services.store.sync.progress import Progress


class StageStore:
    """The parts of the store that know neither users nor what they may see; see ``Store``."""

    def __init__(self, database: Database, crm: Database, config: StoreConfig) -> None:
        self._collections = c = Collections(database, crm, config)
        fence = Fence(c)

        # core
        self.audit = Audit(c, fence)
        self.singleton_lease = SingletonLease(c)
        self.pending_work = PendingWork(c)
        self.mark_keys = MarkKeys(c, config)
        self.colleagues = Colleagues(c, self.pending_work)
        self.address_proofs = AddressProofs(c, fence=fence, colleagues=self.colleagues, audit=self.audit)

        # sync
        self.former_accounts = FormerAccounts(c)
        self.accounts = Accounts(
            c,
            colleagues=self.colleagues,
            address_proofs=self.address_proofs,
            former_accounts=self.former_accounts,
            audit=self.audit,
        )
        self.account_tokens = AccountTokens(c, fence, self.accounts)
        self.account_troubles = AccountTroubles(c, fence)
        self.leases = Leases(c, config, fence)
        self.folders = Folders(c, fence)
        self.epochs = Epochs(c, fence, self.folders)
        self.ledger = Ledger(c, config)
        self.ledger_counts = LedgerCounts(c)
        self.cached_counts = CachedCounts(c, self.ledger_counts)
        self.poller_ledger = PollerLedger(c, fence, self.folders)
        self.ledger_doubts = LedgerDoubts(c, fence)
        self.matcher_ledger = MatcherLedger(c)
        self.operator_ledger = OperatorLedger(c)
        self.remarking = Remarking(c, fence)
        self.message_ids = MessageIds(c, config, fence)
        self.backlog = Backlog(c)
        self.progress = Progress(c)

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
            c,
            config,
            blob_refs=self.blob_refs,
            matcher_ledger=self.matcher_ledger,
            pending_work=self.pending_work,
            audit=self.audit,
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
