"""Emails deleted in the CRM, by a user who may."""

from __future__ import annotations

from datetime import timedelta

from services.store.access.guard import Guard
from services.store.access.teams import ActiveViewer
from services.store.core.audit import OPERATOR
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.crm.summaries import Summaries
from services.store.ledger.ledger import Ledger
from services.store.mail.emails import Emails
from services.store.mail.orphaned_emails import OrphanedEmails
from services.store.readers.visible_lines import VisibleLines
from services.store.sync.accounts import Accounts


class Deleting:
    """Deletes for users. What a user may not see they cannot delete, nor detect by trying."""

    def __init__(
        self,
        *,
        guard: Guard,
        lines: VisibleLines,
        emails: Emails,
        ledger: Ledger,
        accounts: Accounts,
        orphaned_emails: OrphanedEmails,
        summaries: Summaries,
        undo: timedelta,
    ) -> None:
        self._guard = guard
        self._lines = lines
        self._emails = emails
        self._ledger = ledger
        self._accounts = accounts
        self._orphaned = orphaned_emails
        self._summaries = summaries
        self._undo = undo

    async def delete(self, email: str, *, by: str | None) -> None:
        """Delete an email from every record, for every user. The mailboxes keep it; a resync does not bring it back.

        ``store.undoing`` undoes it within the grace period (setting ``undo_days``).
        A user may delete an email of which they hold the only copies, in mailboxes of their own or of their teams: a user who
        downloads a shared mail and puts it into their own mailbox must not be able to delete it for everyone. An administrator,
        and the operator at the machine (``by`` None), may delete any email.

        Raises:
            NotFoundError: there is no such user, or no email of this id that the user may see.
            NotAllowedError: another user holds a copy too, or the user holds none, and is not an administrator.
        """
        user = None if by is None else await self._guard.viewer(by)
        if user is None or user.admin:
            found = bool(await self._emails.existing([email]))
        else:
            found = bool(await self._lines.visible(user, [email]))
            if found and not _alone(await self._holders(email), user):
                raise NotAllowedError(
                    "only an administrator, or the holder of its only copies, may delete an email for everyone: "
                    "to hide your own copies, keep it private"
                )
        if not found:
            raise NotFoundError(f"there is no email {email}")
        name = user.email if user else OPERATOR
        await self._summaries.recompute(await self._orphaned.tombstone([email], by=name, undo=self._undo))

    async def _holders(self, email: str) -> set[str]:
        """Return the owners of every copy, also of those that are flagged as deleted and may come back."""
        rows = (await self._ledger.copies([email])).get(email, [])
        accounts = await self._accounts.of_ids({row.account for row in rows})
        return {account.owner for account in accounts.values()}


def _alone(holders: set[str], user: ActiveViewer) -> bool:
    """Whether a user holds every copy, in their own mailboxes or in shared ones."""
    return bool(holders) and holders <= user.owners
