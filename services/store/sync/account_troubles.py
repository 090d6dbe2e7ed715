"""What hinders the poller on an account, written under its lease: the account is blocked, or has trouble for now."""

from __future__ import annotations

from datetime import timedelta

from pymongo import ReturnDocument

from schemas.accounts import AccountState, Lease, SealedCredentials, Trouble
from services.store.core.collections import Collections
from services.store.core.documents import now, plain
from services.store.core.fence import Fence, MongoSession


class AccountTroubles:
    """Blocks accounts, and notes what their pollers meet. ``blocked_accounts`` unblocks."""

    def __init__(self, collections: Collections, fence: Fence) -> None:
        self._accounts = collections.accounts
        self._fence = fence

    async def block(
        self, lease: Lease, reason: str, *, tried: SealedCredentials, retry: timedelta = timedelta(days=1)
    ) -> int | None:
        """Block an account that cannot log in, so that no poller takes it. Returns the incident's number.

        Its login is tried again after ``retry``.

        Returns None and changes nothing if the owner has paused it meanwhile, or has replaced the credentials that were tried.

        Raises:
            LeaseLostError: another poller has it.
        """

        async def write(session: MongoSession) -> int | None:
            active = {"_id": lease.account, "state": AccountState.ACTIVE.value, "credentials": plain(tried)}
            blocked = {
                "state": AccountState.BLOCKED.value,
                "reason": reason,
                "trouble": None,
                "retry_at": now() + retry,
            }
            update = {"$set": blocked, "$inc": {"incident": 1}}
            document = await self._accounts.find_one_and_update(
                active, update, projection={"incident": 1}, return_document=ReturnDocument.AFTER, session=session
            )
            return int(document["incident"]) if document else None

        return await self._fence.write(lease, write)

    async def note(self, lease: Lease, trouble: Trouble | None) -> None:
        """Store why an account cannot go on, or that it can (None).

        While the code stays the same, so does ``since``; while that does, so does ``owner_told``: it is one trouble.

        Raises:
            LeaseLostError: another poller has it.
        """

        async def write(session: MongoSession) -> None:
            fields = None if trouble is None else plain(trouble)
            account = {"_id": lease.account}
            if fields is not None:
                known = await self._accounts.find_one(account, {"trouble": 1}, session=session)
                before = (known or {}).get("trouble") or {}
                if before.get("code") == fields["code"]:
                    fields["since"] = before["since"]
                if before.get("since") == fields["since"]:
                    fields["owner_told"] = before["owner_told"]
            await self._accounts.update_one(account, {"$set": {"trouble": fields}}, session=session)

        await self._fence.write(lease, write)
