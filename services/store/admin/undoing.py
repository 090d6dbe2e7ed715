"""Deletions undone: by an administrator, or by the user who deleted the email and still holds all the copies that it had."""

from __future__ import annotations

from schemas.accounts import User
from services.store.access.users import Users
from services.store.core.audit import OPERATOR
from services.store.core.errors import NotFoundError
from services.store.mail.deleted_emails import DeletedEmails, HeldDeletedEmail
from services.store.sync.accounts import Accounts

WITHHELD = ""
"""The subject of a deleted email for a user who held no copy of it."""


class Undoing:
    """For everyone else a deleted email is like one that never existed. The audit log names it by its id only."""

    def __init__(self, *, users: Users, accounts: Accounts, deleted_emails: DeletedEmails) -> None:
        self._users = users
        self._accounts = accounts
        self._deleted = deleted_emails

    async def deleted(self, by: str | None) -> list[HeldDeletedEmail]:
        """Return the deletions that a user may undo, newest first: an administrator all, others their own.

        Who left the team of a shared mailbox undoes none that concerns its mail: as with deleting, every copy has to be theirs.

        Only those who held a copy get the subject. ``by`` None is the operator.

        Raises:
            NotFoundError: there is no such user, or they are disabled.
        """
        return await self._shown(None if by is None else await self._users.active(by), "")

    async def restore(self, start: str, *, by: str | None) -> str:
        """Undo a deletion. Returns the email's id. Its mail is back on pages once the matcher has relinked it.

        Args:
            start: the email's id, or the start of it.
            by: the user; None is the operator.

        Raises:
            NotFoundError: there is no such user, they are disabled, none or several deletions that they may undo begin so, the
                grace period has passed, or no mailbox holds a copy any longer.
        """
        user = None if by is None else await self._users.active(by)
        found = await self._shown(user, start) if start else []
        if len(found) > 1:
            raise NotFoundError(f"several deleted emails begin with {start}: give more of the id")
        if not found:
            raise NotFoundError(
                f"there is no deleted email {start} that {'you' if user else 'the operator'} can restore"
            )
        key = found[0].email
        await self._deleted.restore(key, by=user.email if user else OPERATOR)
        return key

    async def _shown(self, user: User | None, start: str) -> list[HeldDeletedEmail]:
        found = await self._deleted.newest(by=None if user is None or user.admin else user.email, start=start)
        accounts = await self._accounts.of_ids({account for one in found for account in one.accounts})
        theirs = {account for account, one in accounts.items() if user is not None and user.email in one.holders}
        if user is not None and not user.admin:
            found = [one for one in found if one.accounts <= theirs]

        def held(one: HeldDeletedEmail) -> bool:
            return not theirs.isdisjoint(one.accounts)

        bare = {"subject": WITHHELD, "accounts": frozenset[str]()}
        return [one if held(one) else one.model_copy(update=bare) for one in found]
