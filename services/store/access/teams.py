"""As which owners a user holds mail: as themselves, and as a member of the teams of shared mailboxes."""

from __future__ import annotations

from schemas.accounts import Account, User
from services.store.core.collections import Collections
from services.store.core.errors import NotFoundError


class ActiveViewer(User):
    """A user who reads, at this moment."""

    owners: frozenset[str]
    """The user, and the team of each shared mailbox that they are a member of: copies of these are their own."""


class Teams:
    """Asked at each request, so that a change of members works at the next one. One query, whatever the answer."""

    def __init__(self, collections: Collections) -> None:
        self._accounts = collections.accounts

    async def owners(self, user: str) -> frozenset[str]:
        """Return as which owners a user holds mail."""
        found = self._accounts.find({"members": user}, {"owner": 1})
        return frozenset({user, *[one["owner"] async for one in found]})

    async def viewer(self, user: User) -> ActiveViewer:
        """Return a user as one who reads."""
        return ActiveViewer(**dict(user), owners=await self.owners(user.email))


def asker(account: Account, by: str | None) -> str:
    """Return as whom a question about a mailbox is answered: the user who asks, or else its owner or first member.

    Raises:
        NotFoundError: nobody asks, and all members of the mailbox were removed.
    """
    if found := by or next(iter(account.holders), None):
        return found
    raise NotFoundError(f"{account.address} has no members: add one first")
