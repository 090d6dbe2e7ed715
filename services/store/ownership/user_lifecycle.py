"""Users who leave: disabled for a while, or removed with their mailboxes disconnected, purged or transferred."""

from __future__ import annotations

from typing import Literal

from schemas.accounts import Account, AccountState, User
from services.store.access.sign_ins import SignIns
from services.store.access.users import Users
from services.store.admin.removal import Removal
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import CONNECTED, Doc
from services.store.core.errors import NotAllowedError
from services.store.core.fence import MongoSession
from services.store.ownership.handover import Handover
from services.store.ownership.membership import OWNER_DISABLED, Membership
from services.store.sync.accounts import Accounts


class UserLifecycle:
    """Access ends with the first write of each method: readers ask for the user at every request."""

    def __init__(
        self,
        collections: Collections,
        *,
        users: Users,
        sign_ins: SignIns,
        accounts: Accounts,
        colleagues: Colleagues,
        removal: Removal,
        handover: Handover,
        membership: Membership,
        audit: Audit,
    ) -> None:
        self._c = collections
        self._users = users
        self._sign_ins = sign_ins
        self._accounts = accounts
        self._colleagues = colleagues
        self._removal = removal
        self._handover = handover
        self._membership = membership
        self._audit = audit

    async def disable(self, email: str, *, by: str) -> User:
        """Lock a user out: sessions end and their mailboxes are paused. Their mail stays shared as it is.

        A shared mailbox goes on while another member is active.

        Raises:
            NotFoundError: there is no such user.
            NotAllowedError: it is the last administrator who is not disabled.
        """
        user = await self._users.get(email)
        await self._spare_last_administrator(user)
        await self._set_disabled(user, "user.disable", by=by)
        await self._sign_ins.end_all(user.email)
        for account in await self._accounts.held_by(user.email):
            works = account.state in (
                AccountState.ACTIVE,
                AccountState.BLOCKED,
            )  # a blocked one would be tried again daily
            if works and not await self._is_used(account):
                await self._accounts.set_state(account.id, AccountState.PAUSED, by=by, reason=OWNER_DISABLED)
        return user.model_copy(update={"disabled": True})

    async def enable(self, email: str, *, by: str) -> User:
        """Undo ``disable``. Mailboxes that the user paused themselves stay paused, and the user signs in again.

        Raises:
            NotFoundError: there is no such user.
        """
        user = await self._users.get(email)
        if user.disabled:
            await self._sign_ins.end_all(user.email)  # one that started just as the user was disabled
        await self._set_disabled(user, "user.enable", by=by)
        for account in await self._accounts.held_by(user.email):
            if account.reason == OWNER_DISABLED:
                await self._accounts.set_state(account.id, AccountState.ACTIVE, by=by)
        return user.model_copy(update={"disabled": False})

    async def _is_used(self, account: Account) -> bool:
        """Whether one of those whose mailbox it is, is not disabled."""
        active = {"_id": {"$in": list(account.holders)}, "disabled": {"$ne": True}}
        return await self._c.users.find_one(active, {"_id": 1}) is not None

    async def concerned(self, email: str) -> list[Account]:
        """Return the mailboxes whose fate a user's removal decides: their own, and shared ones of which they are the last member."""
        return [one for one in await self._accounts.held_by(email) if one.holders == (email,)]

    async def _set_disabled(self, user: User, action: Literal["user.disable", "user.enable"], *, by: str) -> None:
        disabled = action == "user.disable"

        async def write(session: MongoSession) -> None:
            await self._c.users.update_one({"_id": user.email}, {"$set": {"disabled": disabled}}, session=session)
            await self._audit.add(action, by=by, subject=f"user:{user.email}", session=session)

        if user.disabled is not disabled:
            await self._audit.transaction(write)

    async def remove(
        self, email: str, *, by: str, purge: bool = False, transfer_to: str | None = None
    ) -> list[Account]:
        """Remove a user for good. Returns their mailboxes (see ``concerned``), which are disconnected, purged or transferred.

        Shared mailboxes with other members lose one member.

        Call it again after an interruption: it continues where it stopped.

        Args:
            email: the user.
            by: who does it.
            purge: also delete the mail of their mailboxes.
            transfer_to: a user who owns the mailboxes from now on. What the former owner kept private stays private.

        Raises:
            NotFoundError: there is no such user, or ``transfer_to`` is not an active user.
            NotAllowedError: it is the last administrator who is not disabled, or ``transfer_to`` is the user.
        """
        user = await self._users.get(email)
        heir = None if transfer_to is None else await self._users.active(transfer_to)
        if heir is not None and heir.email == user.email:
            raise NotAllowedError("the mailboxes must go to another user")
        await self.disable(user.email, by=by)
        how = "transfer" if heir else "purge" if purge else "disconnect"
        accounts = dict[str, Account]()

        async def write(session: MongoSession) -> bool:
            connected: Doc = {"owner": user.email, "state": CONNECTED}
            if await self._c.accounts.find_one(connected, {"_id": 1}, session=session) is not None:
                return False
            await self._c.users.delete_one({"_id": user.email}, session=session)
            member = {"members": user.email}
            await self._c.groups.update_many(member, {"$pull": member}, session=session)
            await self._membership.forget(user.email, by=by, session=session)
            details = {"accounts": list(accounts), "how": how}
            await self._audit.add("user.remove", by=by, subject=f"user:{user.email}", session=session, **details)
            return True

        async with self._colleagues.changing([user.email]):
            while True:
                accounts |= {one.id: one for one in await self._settle(user.email, heir, purge=purge, by=by)}
                if await self._audit.transaction(write):
                    break  # else they were enabled meanwhile, and got another mailbox
        await self._sign_ins.end_all(user.email)
        return list(accounts.values())

    async def _settle(self, email: str, heir: User | None, *, purge: bool, by: str) -> list[Account]:
        """Disconnect, purge or transfer the mailboxes that a removal concerns. Returns them."""
        accounts = await self.concerned(email)
        for account in accounts:
            if heir is not None:
                await self._transfer(account, heir, by=by)
            elif purge:
                await self._removal.purge(account.id, by=by)
            elif account.state is not AccountState.DISCONNECTED:
                await self._removal.disconnect(account.id, by=by)
        return accounts

    async def _transfer(self, account: Account, heir: User, *, by: str) -> None:
        if account.shared:
            await self._membership.change(account.id, add=[heir.email], remove=account.members, by=by)
            return
        await self._handover.hand_over(account, heir.email, action="account.transfer", by=by)
        if account.reason == OWNER_DISABLED:
            await self._accounts.set_state(account.id, AccountState.ACTIVE, by=by)

    async def _spare_last_administrator(self, user: User) -> None:
        if user.admin and not user.disabled and not await self._users.another_administrator(user.email):
            raise NotAllowedError(f"{user.email} is the last administrator: make another user one first")
