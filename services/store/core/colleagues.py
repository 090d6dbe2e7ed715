"""Who is a colleague: users, and whoever has a connected account."""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from services.store.core.collections import Collections
from services.store.core.pending_work import PendingWork


class Colleagues:
    """The part of ``accounts`` that tells colleagues from external people."""

    def __init__(self, collections: Collections, pending_work: PendingWork) -> None:
        self._accounts = collections.accounts
        self._users = collections.users
        self._emails = collections.emails
        self._pending = pending_work

    @asynccontextmanager
    async def changing(self, addresses: Collection[str]) -> AsyncIterator[None]:
        """Owe, for a change that makes or unmakes addresses a colleague's, what follows: it is there before the change.

        Paid at once where no stored mail names one of them; what is stored later is decided by the changed state.
        """
        if not addresses:
            yield
            return
        debt = await self._pending.enqueue(addresses=addresses)
        yield
        if await self._emails.find_one({"participants.address": {"$in": list(addresses)}}, {"_id": 1}) is None:
            await self._pending.done([debt])

    async def own_addresses(self) -> dict[str, builtins.list[str]]:
        """Return the ids of accounts by each of their own addresses (to tell colleagues from external people)."""
        addresses: dict[str, list[str]] = {}
        async for document in self._accounts.find({}, {"address": 1, "aliases": 1}):
            for address in (document["address"], *document["aliases"]):
                addresses.setdefault(address, []).append(document["_id"])
        return addresses

    async def own_among(self, addresses: Collection[str]) -> frozenset[str]:
        """Return which of the addresses are colleagues': a user's, or a connected account's own or an alias of it."""
        if not addresses:
            return frozenset()
        wanted = list(addresses)
        users = {document["_id"] async for document in self._users.find({"_id": {"$in": wanted}}, {"_id": 1})}
        query = {"$or": [{"address": {"$in": wanted}}, {"aliases": {"$in": wanted}}]}
        own: set[str] = users
        async for document in self._accounts.find(query, {"address": 1, "aliases": 1}):
            own.update((document["address"], *document["aliases"]))
        return frozenset(own.intersection(wanted))

    async def no_users(self, addresses: Collection[str]) -> frozenset[str]:
        """Return which of the addresses are no user's."""
        found = self._users.find({"_id": {"$in": list(addresses)}}, {"_id": 1})
        return frozenset(addresses) - {document["_id"] async for document in found}
