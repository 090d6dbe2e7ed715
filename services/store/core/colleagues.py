"""Who is a colleague: every user, and every owner of a proven address of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from schemas.accounts import proven_addresses
from schemas.sharing import covering_domain
from services.store.core.collections import Collections
from services.store.core.documents import at_domains
from services.store.core.errors import NotFoundError
from services.store.core.fence import MongoSession
from services.store.core.pending_work import PendingWork

_AT_ONCE = 500


class Colleagues:
    """Tells colleagues from external people."""

    def __init__(self, collections: Collections, pending_work: PendingWork) -> None:
        self._accounts = collections.accounts
        self._users = collections.users
        self._emails = collections.emails
        self._pending = pending_work

    @asynccontextmanager
    async def changing(self, addresses: Collection[str]) -> AsyncIterator[None]:
        """Enqueue the follow-up work before a change that makes addresses a colleague's, or no longer a colleague's.

        The work is done at once if no stored mail names one of the addresses: mail stored later follows the changed state.
        """
        if not addresses:
            yield
            return
        work = await self._pending.enqueue(addresses=addresses)
        yield
        if await self._emails.find_one({"participants.address": {"$in": list(addresses)}}, {"_id": 1}) is None:
            await self._pending.done([work])

    async def domains_change(self, domains: Collection[str]) -> None:
        """Enqueue the follow-up work of domains that become or cease to be internal: who is external decides about threads."""
        if not domains:
            return
        query, fields = {"participants.address": at_domains(domains)}, {"participants.address": 1}
        part: set[str] = set()
        async for email in self._emails.find(query, fields):
            part.update(one["address"] for one in email["participants"] if covering_domain(one["address"], domains))
            if len(part) >= _AT_ONCE:
                await self._pending.enqueue(addresses=part)
                part = set()
        if part:
            await self._pending.enqueue(addresses=part)

    async def own_among(self, addresses: Collection[str]) -> frozenset[str]:
        """Return which of the addresses are colleagues': a user's, or a proven address of an account."""
        if not addresses:
            return frozenset()
        wanted = list(addresses)
        users = {document["_id"] async for document in self._users.find({"_id": {"$in": wanted}}, {"_id": 1})}
        query = {"$or": [{"address": {"$in": wanted}}, {"aliases": {"$in": wanted}}]}
        own: set[str] = users
        fields = {"owner": 1, "address": 1, "aliases": 1, "proofs.address": 1}
        async for found in self._accounts.find(query, fields):
            proven = [proof["address"] for proof in found.get("proofs", ())]
            own |= proven_addresses(found["owner"], (found["address"], *found["aliases"]), proven)
        return frozenset(own.intersection(wanted))

    async def require_active(self, users: Collection[str], session: MongoSession) -> None:
        """Check that users may become holders of a mailbox, in the caller's transaction. A removal at the same time conflicts with it.

        Raises:
            NotFoundError: one of them is no user, or is disabled.
        """
        for user in sorted(users):
            active = {"_id": user, "disabled": {"$ne": True}}
            if not (await self._users.update_one(active, {"$inc": {"fence": 1}}, session=session)).matched_count:
                raise NotFoundError(f"there is no active user {user}")

    async def hold(self, users: Collection[str], session: MongoSession) -> None:
        """Let what the caller's transaction decides about users, and any such of another one, follow each other, never overlap."""
        await self._users.update_many({"_id": {"$in": sorted(users)}}, {"$inc": {"fence": 1}}, session=session)

    async def no_users(self, addresses: Collection[str]) -> frozenset[str]:
        """Return which of the addresses belong to no user."""
        found = self._users.find({"_id": {"$in": list(addresses)}}, {"_id": 1})
        return frozenset(addresses) - {document["_id"] async for document in found}
