"""Mailboxes of a team: a user's mailbox is shared, a shared one becomes a user's own, and members change.

Links name the team, so that a change of members rewrites none: readers ask for the members at each request.
"""

from __future__ import annotations

from collections.abc import Collection

from schemas.accounts import Account, AccountState
from schemas.identity import team_of
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import CHANGED, Doc, decode
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.core.fence import MongoSession
from services.store.ownership.handover import Handover
from services.store.sync.accounts import Accounts

OWNER_DISABLED = "owner-disabled"
"""Why an account is paused: enabling its owner, or a member, resumes it."""
RESUMED: Doc = {"state": AccountState.ACTIVE.value, "reason": None, "trouble": None}


class Membership:
    """Fields ``owner`` and ``members`` of the accounts. Who may change them is the caller's to decide."""

    def __init__(
        self,
        collections: Collections,
        *,
        accounts: Accounts,
        colleagues: Colleagues,
        handover: Handover,
        audit: Audit,
    ) -> None:
        self._c = collections
        self._accounts = accounts
        self._colleagues = colleagues
        self._handover = handover
        self._audit = audit

    async def share(self, account: str, members: Collection[str], *, by: str) -> Account:
        """Make a user's mailbox one of a team. What its owner kept private stays private, and is the team's from then on.

        Raises:
            NotFoundError: there is no such connected account, or one of the members is no active user.
            NotAllowedError: it has no members, it is shared already, or its address is a user's.
            ChangedMeanwhileError: it has got another owner in the meantime.
        """
        found = await self._accounts.get(account)
        if found.state is AccountState.DISCONNECTED:
            raise NotFoundError(f"there is no connected account {account}")
        if found.shared or not members:
            raise NotAllowedError(f"{found.address} is shared already" if found.shared else "name a member")
        if await self._c.users.find_one({"_id": found.address}, {"_id": 1}) is not None:
            raise NotAllowedError(f"{found.address} is the address of a user: a user's own mailbox cannot be shared")
        await self._handover.hand_over(found, team_of(account), members, action="account.share", by=by)
        return await self._resumed(found, by=by)

    async def own(self, account: str, user: str, *, by: str, as_member: bool = False) -> Account:
        """Make a shared mailbox one user's own. What its team kept private stays private, and is the user's from then on.

        Args:
            account: the shared mailbox.
            user: whose it is from now on; need not be a member.
            by: who does it.
            as_member: whether that is theirs to do as a member only: then they have to be one.

        Raises:
            NotFoundError: there is no such connected shared mailbox, or no such active user.
            NotAllowedError: ``by`` is no member any more.
            ChangedMeanwhileError: its members have changed in the meantime.
        """
        found = await self._accounts.get(account)
        if not found.shared or found.state is AccountState.DISCONNECTED:
            raise NotFoundError(f"there is no shared mailbox {account}")
        if as_member and by not in found.members:
            raise NotAllowedError("only its members may do this")
        await self._handover.hand_over(found, user, action="account.own", by=by)
        return await self._resumed(found, by=by)

    async def _resumed(self, before: Account, *, by: str) -> Account:
        """Return an account after it was handed over. It goes on if it was paused with its former owner or members."""
        if before.reason == OWNER_DISABLED:
            await self._accounts.set_state(before.id, AccountState.ACTIVE, by=by)
        return await self._accounts.get(before.id)

    async def change(
        self,
        account: str,
        *,
        add: Collection[str] = (),
        remove: Collection[str] = (),
        by: str,
        as_member: bool = False,
    ) -> Account:
        """Change the members of a shared mailbox. Who leaves sees its mail no more from the next request on, who joins sees all of it.

        Args:
            account: the shared mailbox.
            add: users who join.
            remove: members who leave.
            by: who does it.
            as_member: whether that is theirs to do as a member only: then they still have to be one.

        Raises:
            NotFoundError: there is no such shared mailbox, a new member is no active user, or one who leaves is no member.
            NotAllowedError: the user is no member any more, or no member who is not disabled would be left.
        """

        async def write(session: MongoSession) -> Account:
            document = await self._c.accounts.find_one({"_id": account}, session=session)
            found = None if document is None else decode(Account, document)
            if found is None or not found.shared:
                raise NotFoundError(f"there is no shared mailbox {account}")
            before = frozenset(found.members)
            if as_member and by not in before:
                raise NotAllowedError("only its members may do this")
            if strangers := sorted({*remove} - before):
                raise NotFoundError(f"{', '.join(strangers)}: no member of {found.address}")
            after = (before | {*add}) - {*remove}
            await self._colleagues.require_active(after - before, session)
            if after == before:
                return found
            active: Doc = {"_id": {"$in": sorted(after)}, "disabled": {"$ne": True}}
            # A write, because a mere read would not see that the user is disabled at the same time.
            if not (await self._c.users.update_one(active, {"$inc": {"fence": 1}}, session=session)).matched_count:
                raise NotAllowedError(f"{found.address} needs a member who is not disabled: name another one first")
            resumed = RESUMED if found.state is AccountState.PAUSED and found.reason == OWNER_DISABLED else {}
            fields: Doc = {"members": sorted(after), **resumed}
            await self._c.accounts.update_one({"_id": account}, {"$set": fields, **CHANGED}, session=session)
            await self._note(account, before, after, by=by, session=session)
            return decode(Account, {**(document or {}), **fields})

        return await self._audit.transaction(write)

    async def forget(self, user: str, *, by: str, session: MongoSession) -> None:
        """Take a user who is removed out of every team, in the caller's transaction. A mailbox without members is paused."""
        async for document in self._c.accounts.find({"members": user}, session=session):
            found = decode(Account, document)
            left = frozenset(found.members) - {user}
            fields: Doc = {"members": sorted(left)}
            if not left and found.state in (AccountState.ACTIVE, AccountState.BLOCKED):
                fields |= {"state": AccountState.PAUSED.value, "reason": OWNER_DISABLED}
            await self._c.accounts.update_one({"_id": found.id}, {"$set": fields, **CHANGED}, session=session)
            await self._note(found.id, frozenset(found.members), left, by=by, session=session)

    async def _note(
        self, account: str, before: frozenset[str], after: frozenset[str], *, by: str, session: MongoSession
    ) -> None:
        moved = {"before": sorted(before), "after": sorted(after)}
        await self._audit.add("account.members", by=by, subject=f"account:{account}", session=session, **moved)
