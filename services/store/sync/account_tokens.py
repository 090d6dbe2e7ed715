"""OAuth2 tokens of accounts: one process at a time refreshes them, and a new refresh token is never lost."""

from __future__ import annotations

from datetime import datetime, timedelta

from pymongo import ReturnDocument

from schemas.accounts import Account, Lease, SealedCredentials
from services.store.core.collections import Collections
from services.store.core.documents import CONNECTED, Doc, decode, plain
from services.store.core.errors import LeaseLostError
from services.store.core.fence import Fence, MongoSession
from services.store.sync.accounts import Accounts


class AccountTokens:
    """Claims a refresh and saves its result by compare-and-set on the sealed credentials. A rotation of keys is no change."""

    def __init__(self, collections: Collections, fence: Fence, accounts: Accounts) -> None:
        self._documents = collections.accounts
        self._fence = fence
        self._accounts = accounts

    async def current(self, account: str) -> Account:
        """Return an account as it is stored.

        Raises:
            NotFoundError: there is no such account.
        """
        return await self._accounts.get(account)

    async def is_signed_in(self, account: Account) -> bool:
        """Whether an account, or another one under its address, is still connected by a sign-in."""
        either = [{"_id": account.id}, {"address": account.address}]
        query = {"$or": either, "state": CONNECTED, "grant": {"$nin": ["", None]}}
        return await self._documents.find_one(query, {"_id": 1}) is not None

    async def claim(self, account: Account, *, lasts: timedelta) -> bool:
        """Claim the refresh of an account's tokens. False if another process has it, or the credentials were replaced."""
        free = {"$expr": {"$lt": [{"$ifNull": ["$token_claim", 0]}, "$$NOW"]}}
        until = {"$add": ["$$NOW", int(lasts.total_seconds() * 1000)]}
        done = await self._documents.update_one({**_same(account), **free}, [{"$set": {"token_claim": until}}])
        return bool(done.modified_count)

    async def release(self, account: Account) -> None:
        """Give a claim back: no new tokens came."""
        await self._documents.update_one(_same(account), {"$unset": {"token_claim": ""}})

    async def save(
        self, account: Account, credentials: SealedCredentials, *, refresh_at: datetime | None, lease: Lease | None
    ) -> Account | None:
        """Replace the account's tokens. Returns None if its owner replaced the credentials meanwhile: theirs count.

        Raises:
            LeaseLostError: another poller has the account. The tokens are saved all the same: the server knows no others any more.
        """
        fields = {"credentials": plain(credentials), "refresh_at": plain(refresh_at)}

        async def write(session: MongoSession | None = None) -> Account | None:
            found = await self._documents.find_one_and_update(
                _same(account),
                {"$set": fields, "$unset": {"token_claim": ""}},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            return None if found is None else decode(Account, found)

        if lease is None:
            return await write()
        try:
            return await self._fence.write(lease, write)
        except LeaseLostError:
            await write()
            raise


def _same(account: Account) -> Doc:
    return {"_id": account.id, "credentials.ciphertext": account.credentials.ciphertext}
