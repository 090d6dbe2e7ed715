"""Which poller works on which account: leases in the account documents, by the server's clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from typing import NamedTuple

from bson import ObjectId, Timestamp
from pymongo import UpdateOne

from schemas.accounts import AccountState, Lease
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc, now, share_field_names
from services.store.core.fence import Fence

_DEAD_AT_ONCE = 1000
_TOGETHER = 250
"""How many leases one write renews. It waits for a transaction on an account of theirs, and what it has left to renew waits with it."""
_FRESH = timedelta(minutes=1)


class Heartbeats(NamedTuple):
    """The pollers that are alive."""

    alive: int
    next_end: float | None
    """In how many seconds another one is dead if it stays silent; None if there is no other."""


class Leases:
    """Acquires, renews and releases leases. ``fence`` protects writes with them.

    Heartbeats and renewals have connections of their own if ``own`` is of another client: on shared ones they would wait behind
    all that thousands of accounts ask for when they start, until the leases end.
    """

    def __init__(self, collections: Collections, config: StoreConfig, fence: Fence, own: Collections) -> None:
        self._fence = fence
        self._own = own
        self._accounts = collections.accounts
        self._pollers = own.pollers
        self._ttl = int(config.lease_seconds * 1000)

    async def heartbeat(self, poller: str) -> Heartbeats:
        """Record that a poller is alive. Returns which are, including this one."""
        await self._pollers.update_one({"_id": poller}, [{"$set": {"at": "$$NOW"}}], upsert=True)
        left: Doc = {"left": {"$subtract": [{"$add": ["$at", self._ttl]}, "$$NOW"]}}
        found = [
            one async for one in await self._pollers.aggregate([{"$project": left}, {"$match": {"left": {"$gt": 0}}}])
        ]
        others = [one["left"] / 1000 for one in found if one["_id"] != poller]
        return Heartbeats(len(others) + 1, min(others, default=None))

    async def leave(self, poller: str) -> None:
        """Record that a poller ends, so that the others take over its share at once."""
        await self._pollers.delete_one({"_id": poller})

    async def share(self, pollers: int) -> int:
        """Return the fair share of one of ``pollers``: active accounts divided by pollers, rounded up."""
        active = await self._accounts.count_documents({"state": AccountState.ACTIVE.value})
        return -(-active // max(1, pollers))

    async def fresh(self) -> bool:
        """Whether an account of the last minute was never leased. Cheap enough to ask every second."""
        # Ids begin with their creation time, so this reads a few index entries regardless of the number of accounts.
        since = str(ObjectId.from_datetime(now() - _FRESH))
        query = {"_id": {"$gte": since}, "state": AccountState.ACTIVE.value, "lease": {"$exists": False}}
        return await self._accounts.find_one(query, {"_id": 1}) is not None

    async def changes(self) -> dict[str, object]:
        """Return the accounts that users changed within the last minute, each with a value that the next change replaces.

        Cheap enough to ask every second.
        """
        since = Timestamp(int((now() - _FRESH).timestamp()), 0)
        found = self._accounts.find({"changed_at": {"$gte": since}}, {"changed_at": 1})
        return {document["_id"]: document["changed_at"] async for document in found}

    async def acquire(self, poller: str, share: int, *, at_most: int = 50) -> list[Lease]:
        """Lease free accounts until the poller holds ``share`` of them, at most ``at_most`` per call. Returns the new leases.

        A poller that died leaves thousands: they are claimed in bulk.
        """
        # Expired leases do not count, even under this name: a killed process may have restarted with it.
        alive = {"$expr": {"$gte": ["$lease.expires", "$$NOW"]}}
        held = await self._accounts.count_documents(
            {"lease.holder": poller, "state": AccountState.ACTIVE.value, **alive}
        )
        taken: list[Lease] = []
        wanted = min(share - held, at_most)
        if wanted > 0:
            await self._kill_dead_sessions()
        while len(taken) < wanted and (free := await self._sample_free(wanted - len(taken))):
            taken += await self._claim(poller, free)
        return taken

    async def _sample_free(self, count: int) -> list[str]:
        """Return some free accounts, picked at random: pollers that claim at the same time seldom want the same ones."""
        pipeline = [{"$match": self._free()}, {"$sample": {"size": count}}, {"$project": {"_id": 1}}]
        return [document["_id"] async for document in await self._accounts.aggregate(pipeline)]

    async def _claim(self, poller: str, accounts: Sequence[str]) -> list[Lease]:
        """Lease those of the accounts that are still free."""
        sessions = {account: self._fence.new_session() for account in accounts}
        claims = [
            UpdateOne(
                {"_id": account, **self._free()},
                [
                    {
                        "$set": {
                            "lease": {
                                "holder": poller,
                                # The token outlives its holder: ``release`` keeps it.
                                "token": {"$add": [{"$ifNull": ["$lease.token", 0]}, 1]},
                                "expires": self._expires(),
                                "session": session_id,
                            }
                        }
                    }
                ],
            )
            for account, (_, session_id) in sessions.items()
        ]
        async with self._fence.unblocked():
            await self._accounts.bulk_write(claims, ordered=False)
        mine = {
            "_id": {"$in": list(accounts)},
            "lease.session": {"$in": [session_id for _, session_id in sessions.values()]},
        }
        taken: list[Lease] = []
        async for document in self._accounts.find(mine, {"lease.token": 1}):
            lease = Lease(account=document["_id"], holder=poller, token=document["lease"]["token"])
            share_field_names(lease)
            self._fence.bind(lease, sessions.pop(lease.account)[0])
            taken.append(lease)
        for session, _ in sessions.values():
            await session.end_session()
        return taken

    def _free(self) -> Doc:
        return {"state": AccountState.ACTIVE.value, "$expr": {"$lt": [{"$ifNull": ["$lease.expires", 0]}, "$$NOW"]}}

    async def _kill_dead_sessions(self) -> None:
        """End the transactions of killed pollers. They would lock the accounts for up to a minute."""
        expired = {"lease.session": {"$exists": True}, "$expr": {"$lt": ["$lease.expires", "$$NOW"]}}
        found = self._accounts.find({**expired, "state": AccountState.ACTIVE.value}, {"lease.session": 1}).limit(
            _DEAD_AT_ONCE
        )
        await self._fence.kill([document["lease"]["session"] async for document in found])

    async def renew(self, leases: Sequence[Lease]) -> list[Lease]:
        """Extend the leases of one poller, many in one call. Returns those that it has lost: drop their accounts at once."""
        if not leases:
            return []
        async with self._fence.unblocked():
            lost = await asyncio.gather(
                *(self._renew(leases[at : at + _TOGETHER]) for at in range(0, len(leases), _TOGETHER))
            )
        for lease in (all_lost := [*chain.from_iterable(lost)]):
            await self._fence.forget(lease)
        return all_lost

    async def _renew(self, leases: Sequence[Lease]) -> list[Lease]:
        holder, ids = leases[0].holder, [lease.account for lease in leases]
        mine: Doc = {"_id": {"$in": ids}, "lease.holder": holder}
        await self._own.accounts.update_many(mine, [{"$set": {"lease.expires": self._expires()}}])
        # Tokens only grow. So if there are as many leases, and their tokens have the same sum, every one is the same.
        total: list[Doc] = [
            {"$match": mine},
            {"$group": {"_id": None, "leases": {"$sum": 1}, "tokens": {"$sum": "$lease.token"}}},
        ]
        async for found in await self._own.accounts.aggregate(total):
            if (found["leases"], found["tokens"]) == (len(leases), sum(lease.token for lease in leases)):
                return []
        tokens = {
            document["_id"]: document["lease"]["token"]
            async for document in self._own.accounts.find(mine, {"lease.token": 1})
        }
        return [lease for lease in leases if tokens.get(lease.account) != lease.token]

    async def release(self, leases: Sequence[Lease]) -> None:
        """Release accounts in one call: the next poller gets them at once, with a higher token. A lost lease is left alone."""
        free = [
            UpdateOne(
                {"_id": lease.account, "lease.holder": lease.holder, "lease.token": lease.token},
                {"$set": {"lease": {"token": lease.token}}},
            )
            for lease in leases
        ]
        if free:
            await self._accounts.bulk_write(free, ordered=False)
        for lease in leases:
            await self._fence.forget(lease)

    def _expires(self) -> Doc:
        return {"$add": ["$$NOW", self._ttl]}
