"""Emails and threads that their holders keep private. Documents of ``withdrawals``: owner, kind, target.

What a member keeps private of a shared mailbox's copies is the team's (``schemas.identity``), which is the owner here.

A thread is kept private by its ids (``identity.thread_ids``), a document for each: mail that names one of them is covered.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Literal

from pymongo import UpdateOne

from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.fence import MongoSession

Kind = Literal["email", "thread"]


class Withdrawals:
    """A user's withdrawal covers every copy of the email, or of the thread's emails, in any of their mailboxes, also copies to come."""

    def __init__(self, collections: Collections) -> None:
        self._withdrawals = collections.withdrawals

    async def add(self, owner: str, kind: Kind, *targets: str, session: MongoSession | None = None) -> bool:
        """Withdraw emails (``targets``: their keys) or a thread (its ids). Returns whether any of that is new."""
        made = {"owner": owner, "kind": kind, "at": now()}
        writes = [
            UpdateOne({"_id": _id(owner, kind, one)}, {"$setOnInsert": {**made, "target": one}}, upsert=True)
            for one in targets
        ]
        return (await self._withdrawals.bulk_write(writes, ordered=False, session=session)).upserted_count > 0

    async def remove(self, owner: str, kind: Kind, *targets: str, session: MongoSession | None = None) -> bool:
        """Take withdrawals back. Returns whether there was one."""
        ids = [_id(owner, kind, one) for one in targets]
        return (await self._withdrawals.delete_many({"_id": {"$in": ids}}, session=session)).deleted_count > 0

    async def kinds(self, owners: AbstractSet[str], email: str, ids: Collection[str]) -> frozenset[Kind]:
        """Return by what one of some owners keeps an email private: by itself, by its thread (the email's ids), or both."""
        wanted: dict[str, Kind] = {}
        for owner in owners:
            wanted |= {_id(owner, "thread", one): "thread" for one in ids}
            wanted[_id(owner, "email", email)] = "email"
        found = self._withdrawals.find({"_id": {"$in": list(wanted)}}, {"_id": 1})
        return frozenset([wanted[one["_id"]] async for one in found])

    async def keepers(self, owners: Iterable[str]) -> frozenset[str]:
        """Return which of some users keep anything private."""
        return frozenset(await self._withdrawals.distinct("owner", {"owner": {"$in": sorted(set(owners))}}))

    async def targets(self, owner: str) -> list[str]:
        """Return the keys of emails and the ids of threads that a user keeps private."""
        return await self._withdrawals.distinct("target", {"owner": owner})

    async def hand_over(self, owner: str, heir: str, *, session: MongoSession | None = None) -> None:
        """Let what a user keeps private stay private when their mailboxes go to another user. Repeated, it adds what is new."""
        has = {one["_id"] async for one in self._withdrawals.find({"owner": heir}, {"_id": 1}, session=session)}
        async for one in self._withdrawals.find({"owner": owner}, session=session):
            if _id(heir, one["kind"], one["target"]) not in has:
                await self.add(heir, one["kind"], one["target"], session=session)

    async def follow(self, owners: Iterable[str], renamed: Mapping[str, str]) -> None:
        """Let what users keep private stay so under a new name: an email's new key, or its thread's id if that follows the key.

        Args:
            owners: users with a copy.
            renamed: new keys and ids by the former ones.
        """
        query: Doc = {"owner": {"$in": list(set(owners))}, "target": {"$in": list(renamed)}}
        async for one in self._withdrawals.find(query):
            await self.add(one["owner"], one["kind"], renamed[one["target"]])

    async def of(self, owners: Iterable[str], threads: Mapping[str, Collection[str]]) -> frozenset[tuple[str, str]]:
        """Return the (owner, email key) pairs that are withdrawn.

        Args:
            owners: users with a copy of one of the emails.
            threads: the emails in question, key to the ids by which they join threads.
        """
        if not (keepers := await self.keepers(owners)):
            return frozenset()
        targets = set(threads).union(*threads.values())
        query: Doc = {"owner": {"$in": list(keepers)}, "target": {"$in": list(targets)}}
        found = {(one["owner"], one["kind"], one["target"]) async for one in self._withdrawals.find(query)}
        return frozenset(
            (owner, email)
            for owner in {owner for owner, _, _ in found}
            for email, ids in threads.items()
            if (owner, "email", email) in found or any((owner, "thread", one) in found for one in ids)
        )


def _id(owner: str, kind: Kind, target: str) -> str:
    return f"{owner}/{kind}/{target}"
