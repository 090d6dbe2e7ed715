"""Blocked accounts whose login is tried again: what was wrong may be right by now."""

from __future__ import annotations

from datetime import timedelta

from schemas.accounts import Account, AccountState
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import decode, now, plain
from services.store.core.fence import MongoSession

_BLOCKED = {"state": AccountState.BLOCKED.value}


class BlockedAccounts:
    """Hands out the blocked accounts that are due, each to one poller."""

    def __init__(self, collections: Collections, *, audit: Audit) -> None:
        self._accounts = collections.accounts
        self._audit = audit

    async def claim(self, delay: timedelta) -> Account | None:
        """Return a blocked account to try now, and note that the next try is after ``delay``; None if none is due."""
        moment = now()
        # None also stands for accounts that an earlier version blocked.
        due = {**_BLOCKED, "$or": [{"retry_at": None}, {"retry_at": {"$lte": moment}}]}
        document = await self._accounts.find_one_and_update(due, {"$set": {"retry_at": moment + delay}})
        return None if document is None else decode(Account, document)

    async def postpone(self, account: Account, delay: timedelta) -> None:
        """Try again after ``delay``: the server was down, which says nothing about the login."""
        await self._accounts.update_one({"_id": account.id, **_BLOCKED}, {"$set": {"retry_at": now() + delay}})

    async def note_reason(self, account: Account, reason: str) -> None:
        """Store what the server says now. It is the same incident: its owner is not notified again."""
        tried = {"_id": account.id, **_BLOCKED, "credentials": plain(account.credentials)}
        await self._accounts.update_one(tried, {"$set": {"reason": reason}})

    async def unblock(self, account: Account) -> bool:
        """Activate an account whose login works again. Returns False if it was changed meanwhile."""
        tried = {"_id": account.id, **_BLOCKED, "credentials": plain(account.credentials)}
        active = {"state": AccountState.ACTIVE.value, "reason": None, "retry_at": None, "trouble": None}
        subject, became = f"account:{account.id}", {"state": AccountState.ACTIVE, "reason": None}

        async def write(session: MongoSession) -> bool:
            done = bool((await self._accounts.update_one(tried, {"$set": active}, session=session)).modified_count)
            if done:
                await self._audit.add("account.state", by="poller", subject=subject, session=session, **became)
            return done

        return await self._audit.transaction(write)
