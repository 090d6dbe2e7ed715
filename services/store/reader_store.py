"""What users work with: who they are, and all that they may read."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from services.store.stage_store import StageStore

if TYPE_CHECKING:
    from services.store.access.copies import Copies
    from services.store.access.groups import Groups
    from services.store.access.guard import Guard
    from services.store.access.identities import Identities
    from services.store.access.pending_sign_ins import PendingSignIns
    from services.store.access.rights import RecordRights
    from services.store.access.scim_tokens import ScimTokens
    from services.store.access.sign_ins import SignIns
    from services.store.access.teams import Teams
    from services.store.access.users import Company, Users
    from services.store.access.withdrawals import Withdrawals
    from services.store.mail.joined_links import JoinedLinks
    from services.store.readers.candidates import Candidates
    from services.store.readers.deleting import Deleting
    from services.store.readers.email_search import EmailSearch
    from services.store.readers.explaining import Explaining
    from services.store.readers.failures import Failures
    from services.store.readers.reading import Reading
    from services.store.readers.record_search import RecordSearch
    from services.store.readers.suggesting import Suggesting
    from services.store.readers.visible_lines import VisibleLines
    from services.store.readers.visible_mail import VisibleMail


class ReaderStore(StageStore):
    """The part of the store that the guard stands in front of."""

    @cached_property
    def _rights(self) -> RecordRights:
        from services.store.access.rights import RecordRights

        return RecordRights(self._collections, self._config)

    @cached_property
    def users(self) -> Users:
        from services.store.access.users import Users

        return Users(self._collections, self.colleagues, self.audit)

    @cached_property
    def company(self) -> Company:
        from services.store.access.users import Company

        return Company(self._collections, self.colleagues)

    @cached_property
    def identities(self) -> Identities:
        from services.store.access.identities import Identities

        return Identities(self._collections, self.users, self.audit)

    @cached_property
    def sign_ins(self) -> SignIns:
        from services.store.access.sign_ins import SignIns

        return SignIns(self._collections, self.users, self.audit)

    @cached_property
    def scim_tokens(self) -> ScimTokens:
        from services.store.access.scim_tokens import ScimTokens

        return ScimTokens(self._collections, self.audit)

    @cached_property
    def groups(self) -> Groups:
        from services.store.access.groups import Groups

        return Groups(self._collections, self.users, self.audit)

    @cached_property
    def pending_sign_ins(self) -> PendingSignIns:
        from services.store.access.pending_sign_ins import PendingSignIns

        return PendingSignIns(self._collections)

    @cached_property
    def withdrawals(self) -> Withdrawals:
        from services.store.access.withdrawals import Withdrawals

        return Withdrawals(self._collections)

    @cached_property
    def teams(self) -> Teams:
        from services.store.access.teams import Teams

        return Teams(self._collections)

    @cached_property
    def _copies(self) -> Copies:
        from services.store.access.attesting import Attesting
        from services.store.access.copies import Copies

        return Copies(
            self._collections,
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

    @cached_property
    def _guard(self) -> Guard:
        from services.store.access.guard import Guard

        return Guard(self.users, self.teams, self._copies, self._rights)

    @cached_property
    def _candidates(self) -> Candidates:
        from services.store.readers.candidates import Candidates

        return Candidates(self._collections, self._guard)

    @cached_property
    def _lines(self) -> VisibleLines:
        from services.store.readers.visible_lines import VisibleLines

        return VisibleLines(
            self._collections,
            guard=self._guard,
            candidates=self._candidates,
            colleagues=self.colleagues,
            folders=self.folders,
        )

    @cached_property
    def _joined_links(self) -> JoinedLinks:
        from services.store.mail.joined_links import JoinedLinks

        return JoinedLinks(self._collections)

    @cached_property
    def _visible_mail(self) -> VisibleMail:
        from services.store.readers.threads import Threads
        from services.store.readers.visible_mail import VisibleMail

        return VisibleMail(self._guard, self._candidates, self._lines, Threads(self._guard, self._joined_links))

    @cached_property
    def _failures(self) -> Failures:
        from services.store.readers.failures import Failures

        return Failures(self._guard, self._joined_links, self._lines)

    @cached_property
    def reading(self) -> Reading:
        from services.store.readers.reading import Reading

        return Reading(self._collections, self._visible_mail, failures=self._failures, blobs=self.blobs)

    @cached_property
    def email_search(self) -> EmailSearch:
        from services.store.readers.email_search import EmailSearch

        return EmailSearch(self._collections, self._config, self._visible_mail)

    @cached_property
    def record_search(self) -> RecordSearch:
        from services.store.readers.record_search import RecordSearch

        return RecordSearch(self._guard, self.records)

    @cached_property
    def explaining(self) -> Explaining:
        from services.store.readers.explaining import Explaining

        return Explaining(self._collections, self._guard, self.emails, self.audit)

    @cached_property
    def suggesting(self) -> Suggesting:
        from services.store.readers.suggesting import Suggesting

        return Suggesting(
            guard=self._guard, lines=self._lines, colleagues=self.colleagues, record_addresses=self.record_addresses
        )

    @cached_property
    def deleting(self) -> Deleting:
        from services.store.readers.deleting import Deleting

        return Deleting(
            guard=self._guard,
            lines=self._lines,
            emails=self.emails,
            ledger=self.ledger,
            accounts=self.accounts,
            orphaned_emails=self.orphaned_emails,
            summaries=self.summaries,
            undo=timedelta(days=self._config.undo_days),
        )
