"""The facade: one attribute a subject."""

from __future__ import annotations

from services.store.access.copies import Copies
from services.store.access.guard import Guard
from services.store.access.reading import Reading
from services.store.access.rights import RecordRights
from services.store.access.sign_ins import SignIns
from services.store.access.users import Company, Users
from services.store.admin.aliases import Aliases
from services.store.admin.attention import Attention
from services.store.admin.checkup import Checkup
from services.store.admin.erasing import Erasing
from services.store.admin.exporting import Exporting
from services.store.admin.previewing import Previewing
from services.store.admin.privacy import Privacy
from services.store.admin.removal import Removal
from services.store.admin.sharing import Sharing
from services.store.admin.subjects import Subjects
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Database
from services.store.core.fence import Fence
from services.store.core.migrations import migrate
from services.store.core.pending_work import PendingWork
from services.store.core.setup import setup
from services.store.core.singleton_lease import SingletonLease
from services.store.crm.records import Records
from services.store.crm.summaries import Summaries
from services.store.mail.blob_sweep import BlobSweep
from services.store.mail.blobs import Blobs
from services.store.mail.dead_letters import DeadLetters
from services.store.mail.emails import Emails
from services.store.mail.links import Links
from services.store.mail.orphaned_emails import OrphanedEmails
from services.store.sync.accounts import Accounts
from services.store.sync.backlog import Backlog
from services.store.sync.epochs import Epochs
from services.store.sync.folders import Folders
from services.store.sync.leases import Leases
from services.store.sync.ledger import Ledger
from services.store.sync.progress import Progress
from services.store.sync.status import Status


class Store:
    """Everything that Leadmail keeps in MongoDB. Constructing it asks the server nothing; call ``setup()`` once at start.

    Args:
        database: Leadmail's own.
        crm: the CRM's; of the same client.
        config: keys and the CRM's names.
    """

    def __init__(self, database: Database, crm: Database, config: StoreConfig) -> None:
        self._collections = c = Collections(database, crm, config)
        fence = Fence(c)
        self.audit = Audit(c)
        self.singleton_lease = SingletonLease(c)
        self.pending_work = PendingWork(c)
        self.backlog = Backlog(c)
        self.users = Users(c, Colleagues(c, self.pending_work), self.audit)
        self.company = Company(c)
        self.sign_ins = SignIns(c, self.users, self.audit)
        self.accounts = Accounts(c, fence, self.audit, self.pending_work)
        self.attention = Attention(c)
        self.leases = Leases(c, config, fence)
        self.folders = Folders(c, fence)
        self.ledger = Ledger(c, fence, self.folders, config)
        self.epochs = Epochs(c, fence, self.folders)
        self.emails = Emails(c, config)
        self.links = Links(c)
        self.records = Records(c, config)
        self.aliases = Aliases(c, accounts=self.accounts, folders=self.folders, records=self.records)
        self.summaries = Summaries(c, self.accounts, config)
        self.blobs = Blobs(c, fence)
        self.blob_sweep = BlobSweep(c, fence, self.ledger)
        self.dead_letters = DeadLetters(c, self.blobs)
        self.orphaned_emails = OrphanedEmails(c, self.ledger, self.blobs, self.pending_work, self.audit)
        copies = Copies(c, self.ledger, self.accounts, self.company)
        self.sharing = Sharing(
            c,
            accounts=self.accounts,
            company=self.company,
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
            ledger=self.ledger,
            sharing=self.sharing,
            letters=self.dead_letters,
            blobs=self.blobs,
            audit=self.audit,
        )
        self.progress = Progress(c)
        self.checkup = Checkup(c)
        self.status = Status(c, accounts=self.accounts, folders=self.folders, ledger=self.ledger, epochs=self.epochs)
        rights = RecordRights(c, config)
        guard = Guard(self.users, copies, rights)
        self.reading = Reading(
            c,
            guard=guard,
            accounts=self.accounts,
            folders=self.folders,
            blobs=self.blobs,
            records=self.records,
            emails=self.emails,
            orphaned_emails=self.orphaned_emails,
            summaries=self.summaries,
            audit=self.audit,
        )
        self.previewing = Previewing(
            c,
            users=self.users,
            company=self.company,
            links=self.links,
            copies=copies,
            rights=rights,
            lines=self.reading,
        )

        self.subjects = Subjects(c, records=self.records, links=self.links, ledger=self.ledger)
        exporting = Exporting(
            subjects=self.subjects,
            records=self.records,
            accounts=self.accounts,
            folders=self.folders,
            ledger=self.ledger,
            emails=self.emails,
            blobs=self.blobs,
            audit=self.audit,
        )
        erasing = Erasing(
            c,
            subjects=self.subjects,
            records=self.records,
            links=self.links,
            ledger=self.ledger,
            letters=self.dead_letters,
            pending_work=self.pending_work,
            orphaned_emails=self.orphaned_emails,
            summaries=self.summaries,
            audit=self.audit,
        )
        self.privacy = Privacy(users=self.users, exporting=exporting, erasing=erasing)

    async def setup(self) -> tuple[str, ...]:
        """Make collections and indexes that are missing, then migrate; every process does so at start.

        Returns the names of the migrations that were run by this call.

        Raises:
            LayoutError: an index of ours exists with other properties.
        """
        await setup(self._collections)
        return await migrate(self._collections)
