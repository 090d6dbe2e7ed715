"""Emails deleted in the CRM, for good: by somebody who may."""

from __future__ import annotations

from services.store.access.lines import Lines
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.crm.summaries import Summaries
from services.store.mail.emails import Emails
from services.store.mail.orphaned_emails import OrphanedEmails


class Deleting(Lines):
    """The part of ``reading`` that takes mail away: what somebody may not see he cannot delete, nor learn of by trying."""

    _orphaned: OrphanedEmails
    _summaries: Summaries
    _stored: Emails

    async def delete(self, email: str, *, by: str | None) -> None:
        """Delete an email from every record, for everybody, for good: no re-sync brings it back. The mailboxes keep theirs.

        A user may delete what he sees and holds a copy of; an administrator, and the operator at the machine
        (``by`` None), anything.

        Raises:
            NotFoundError: there is no such user, or no email of this id that he may see.
            NotAllowedError: he sees it by what others share, and is no administrator.
        """
        if by is None:
            everything, name = True, "operator"
        else:
            user = await self._guard.viewer(by)
            everything, name = user.admin, user.email
            visible = [] if everything else await self._visible(user, [email])
            if not everything and not visible:
                raise NotFoundError(f"there is no email {email}")
            if not everything and not any(copy.owner == name for one in visible for _, copy in one.copies()):
                raise NotAllowedError("only who holds a copy of an email, or an administrator, may delete it")
        if everything and not await self._stored.existing([email]):
            raise NotFoundError(f"there is no email {email}")
        await self._summaries.recompute(await self._orphaned.tombstone([email], by=name))
