"""Emails deleted in the CRM, permanently, by a user who may."""

from __future__ import annotations

from services.store.access.guard import Guard
from services.store.access.visible_lines import VisibleLines
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.crm.summaries import Summaries
from services.store.mail.emails import Emails
from services.store.mail.orphaned_emails import OrphanedEmails


class Deleting:
    """Deletes for users. What a user may not see they cannot delete, nor detect by trying."""

    def __init__(
        self,
        *,
        guard: Guard,
        lines: VisibleLines,
        emails: Emails,
        orphaned_emails: OrphanedEmails,
        summaries: Summaries,
    ) -> None:
        self._guard = guard
        self._lines = lines
        self._emails = emails
        self._orphaned = orphaned_emails
        self._summaries = summaries

    async def delete(self, email: str, *, by: str | None) -> None:
        """Delete an email from every record, for every user, permanently. The mailboxes keep it; a resync does not bring it back.

        A user may delete an email that they see and hold a copy of. An administrator, and the operator at the machine
        (``by`` None), may delete any email.

        Raises:
            NotFoundError: there is no such user, or no email of this id that the user may see.
            NotAllowedError: the user sees it only because others share it, and is not an administrator.
        """
        if by is None:
            everything, name = True, "operator"
        else:
            user = await self._guard.viewer(by)
            everything, name = user.admin, user.email
            visible = [] if everything else await self._lines.visible(user, [email])
            if not everything and not visible:
                raise NotFoundError(f"there is no email {email}")
            if not everything and not any(copy.owner == name for one in visible for _, copy in one.copies()):
                raise NotAllowedError("only a user who holds a copy of an email, or an administrator, may delete it")
        if everything and not await self._emails.existing([email]):
            raise NotFoundError(f"there is no email {email}")
        await self._summaries.recompute(await self._orphaned.tombstone([email], by=name))
