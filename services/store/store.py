"""The facade: one attribute a subject."""

from __future__ import annotations

from services.store.accounts import Accounts
from services.store.aliases import Aliases
from services.store.attention import Attention
from services.store.audit import Audit
from services.store.backlog import Backlog
from services.store.blob_sweep import BlobSweep
from services.store.blobs import Blobs
from services.store.checkup import Checkup
from services.store.colleagues import Colleagues
from services.store.collections import Collections
from services.store.config import StoreConfig
from services.store.copies import Copies
from services.store.dead_letters import DeadLetters
from services.store.debts import Debts
from services.store.documents import Database
from services.store.emails import Emails
from services.store.epochs import Epochs
from services.store.erasing import Erasing
from services.store.exporting import Exporting
from services.store.fence import Fence
from services.store.folders import Folders
from services.store.guard import Guard
from services.store.leases import Leases
from services.store.ledger import Ledger
from services.store.links import Links
from services.store.migrations import migrate
from services.store.previewing import Previewing
from services.store.privacy import Privacy
from services.store.progress import Progress
from services.store.reading import Reading
from services.store.records import Records
from services.store.removal import Removal
from services.store.rights import RecordRights
from services.store.setup import setup
from services.store.sharing import Sharing
from services.store.sign_ins import SignIns
from services.store.status import Status
from services.store.subjects import Subjects
from services.store.summaries import Summaries
from services.store.turns import Turns
from services.store.unheld import Unheld
from services.store.users import Company, Users


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
        self.turns = Turns(c)
        self.debts = Debts(c)
        self.backlog = Backlog(c)
        self.users = Users(c, Colleagues(c, self.debts), self.audit)
        self.company = Company(c)
        self.sign_ins = SignIns(c, self.users, self.audit)
        self.accounts = Accounts(c, fence, self.audit, self.debts)
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
        self.unheld = Unheld(c, self.ledger, self.blobs, self.debts, self.audit)
        copies = Copies(c, self.ledger, self.accounts, self.company)
        self.sharing = Sharing(
            c,
            accounts=self.accounts,
            company=self.company,
            emails=self.emails,
            links=self.links,
            debts=self.debts,
            copies=copies,
            unheld=self.unheld,
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
            unheld=self.unheld,
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
            debts=self.debts,
            unheld=self.unheld,
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
