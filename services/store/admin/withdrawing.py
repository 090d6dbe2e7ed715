"""Keeping an email or a thread private, and sharing it again: by a user, for their own copies."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.emails import Link
from services.store.access.guard import Guard
from services.store.access.withdrawals import Kind, Withdrawals
from services.store.admin.sharing import Sharing
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.core.fence import MongoSession
from services.store.core.pending_work import PendingWork
from services.store.mail.joined_links import JoinedLinks


class Withdrawing:
    """Narrowing works from the moment the withdrawal is stored, since every reader checks it; stored grants follow."""

    def __init__(
        self,
        collections: Collections,
        *,
        guard: Guard,
        joined_links: JoinedLinks,
        withdrawals: Withdrawals,
        sharing: Sharing,
        pending_work: PendingWork,
        colleagues: Colleagues,
        audit: Audit,
    ) -> None:
        self._links = collections.links
        self._accounts = collections.accounts
        self._guard = guard
        self._joined = joined_links
        self._withdrawals = withdrawals
        self._sharing = sharing
        self._pending = pending_work
        self._colleagues = colleagues
        self._audit = audit

    async def keep_private(self, email: str, *, by: str, thread: bool = False) -> int:
        """Withdraw a user's copies of an email, or of its thread. Returns how many emails it covers now.

        Copies in a shared mailbox are withdrawn for its team.

        The thread is what the user's own mail joins, and mail still to come that names one of its emails, or one that they name.

        Raises:
            NotFoundError: there is no such user, or no email with this id that they may see.
            NotAllowedError: they hold no copy of it.
        """
        return await self._change(email, by=by, thread=thread, private=True)

    async def share_again(self, email: str, *, by: str, thread: bool = False) -> int:
        """Undo ``keep_private``; the account's policy decides again. Returns and raises the same."""
        return await self._change(email, by=by, thread=thread, private=False)

    async def _change(self, email: str, *, by: str, thread: bool, private: bool) -> int:
        while (covered := await self._change_once(email, by=by, thread=thread, private=private)) is None:
            pass
        return covered

    async def _change_once(self, email: str, *, by: str, thread: bool, private: bool) -> int | None:
        """Do it once; None if one of the mailboxes has got another owner meanwhile, or the user has left a team: nothing was changed."""
        user = await self._guard.viewer(by)
        found = self._links.find({"email": email})
        decisions = await self._guard.decide(user, [decode(Link, document) async for document in found])
        visible = [one for one in decisions if one.visible]
        if not visible:
            raise NotFoundError(f"there is no email {email}")
        held = {account.id: account.owner for one in visible for _, account in one.copies()}
        held = {account: owner for account, owner in held.items() if owner in user.owners}
        holding = set(held.values())
        if not holding:
            raise NotAllowedError("only a user who holds a copy of an email can keep it private or share it again")
        kind: Kind = "thread" if thread else "email"
        keys, targets = {email}, {owner: {email} for owner in sorted(holding)}
        if thread:
            ids = visible[0].link.joins
            for owner in targets:
                links = await self._joined.own(owner, ids)
                keys |= {link.email for link in links}
                targets[owner] = {*ids, *(one for link in links for one in link.joins)}
        work = await self._pending.enqueue(emails=keys)
        change = self._withdrawals.add if private else self._withdrawals.remove
        action = "email.private" if private else "email.share"

        async def write(session: MongoSession) -> bool:
            await self._colleagues.hold([user.email], session)
            if not await self._still_held(held, user.email, session):
                return False
            moved = [await change(owner, kind, *sorted(of), session=session) for owner, of in targets.items()]
            if any(moved):
                await self._audit.add(action, by=user.email, subject=f"email:{email}", session=session, thread=thread)
            return True

        done = await self._audit.transaction(write)
        if done:
            await self._sharing.recompute(sorted(keys))
        await self._pending.done([work])
        return len(keys) if done else None

    async def _still_held(self, held: Mapping[str, str], user: str, session: MongoSession) -> bool:
        """Whether accounts have the owners that they had, and the user is still a member of those that are shared."""
        theirs: Doc = {"$or": [{"owner": user}, {"members": user}]}
        found = self._accounts.find({"_id": {"$in": list(held)}, **theirs}, {"owner": 1}, session=session)
        return {one["_id"]: one["owner"] async for one in found} == dict(held)
