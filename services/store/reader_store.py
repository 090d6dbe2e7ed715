"""What users work with: who they are, and all that they may read."""

from __future__ import annotations

from datetime import timedelta

from services.store.access.attesting import Attesting
from services.store.access.copies import Copies
from services.store.access.groups import Groups
from services.store.access.guard import Guard
from services.store.access.identities import Identities
from services.store.access.pending_sign_ins import PendingSignIns
from services.store.access.rights import RecordRights
from services.store.access.scim_tokens import ScimTokens
from services.store.access.sign_ins import SignIns
from services.store.access.users import Company, Users
from services.store.access.withdrawals import Withdrawals
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
from services.store.readers.visible_mail import VisibleMail
from services.store.stage_store import StageStore


class ReaderStore(StageStore):
    """The part of the store that the guard stands in front of."""

    def __init__(self, database: Database, crm: Database, config: StoreConfig) -> None:
        super().__init__(database, crm, config)
        c = self._collections
        self._rights = RecordRights(c, config)
        self.users = Users(c, self.colleagues, self.audit)
        self.company = Company(c, self.colleagues)
        self.identities = Identities(c, self.users, self.audit)
        self.sign_ins = SignIns(c, self.users, self.audit)
        self.scim_tokens = ScimTokens(c, self.audit)
        self.groups = Groups(c, self.users, self.audit)
        self.pending_sign_ins = PendingSignIns(c)
        self.withdrawals = Withdrawals(c)
        self._copies = Copies(
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
        self._guard = guard = Guard(self.users, self._copies, self._rights)
        candidates = Candidates(c, guard)
        self._lines = lines = VisibleLines(
            c, guard=guard, candidates=candidates, colleagues=self.colleagues, folders=self.folders
        )
        self._joined_links = JoinedLinks(c)
        mail = VisibleMail(guard, candidates, lines, Threads(guard, self._joined_links))
        failures = Failures(guard, self._joined_links, lines)
        self.reading = Reading(c, mail, failures=failures, blobs=self.blobs)
        self.email_search = EmailSearch(c, config, mail)
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
