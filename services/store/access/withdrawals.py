"""Emails and threads that their holders keep private. Documents of ``withdrawals``: owner, kind, target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.fence import MongoSession

Kind = Literal["email", "thread"]


class Withdrawals:
    """A user's withdrawal covers every copy of the email, or of the thread's emails, in any of their mailboxes, also copies to come."""

    def __init__(self, collections: Collections) -> None:
        self._withdrawals = collections.withdrawals

    async def add(self, owner: str, kind: Kind, target: str, session: MongoSession | None = None) -> bool:
        """Withdraw an email (``target``: its key) or a thread (``target``: its id). Returns whether that is new."""
        document = {"owner": owner, "kind": kind, "target": target, "at": now()}
        result = await self._withdrawals.update_one(
            {"_id": _id(owner, kind, target)}, {"$setOnInsert": document}, upsert=True, session=session
        )
        return result.upserted_id is not None

    async def remove(self, owner: str, kind: Kind, target: str, session: MongoSession | None = None) -> bool:
        """Take a withdrawal back. Returns whether there was one."""
        result = await self._withdrawals.delete_one({"_id": _id(owner, kind, target)}, session=session)
        return result.deleted_count > 0

    async def kinds(self, owner: str, email: str, thread: str) -> frozenset[Kind]:
        """Return by what a user keeps an email private: by itself, by its thread, or both."""
        wanted: dict[str, Kind] = {_id(owner, "email", email): "email", _id(owner, "thread", thread): "thread"}
        found = self._withdrawals.find({"_id": {"$in": list(wanted)}}, {"_id": 1})
        return frozenset([wanted[one["_id"]] async for one in found])

    async def targets(self, owner: str) -> list[str]:
        """Return the keys of emails and the ids of threads that a user keeps private."""
        return await self._withdrawals.distinct("target", {"owner": owner})

    async def hand_over(self, owner: str, heir: str) -> None:
        """Let what a user keeps private stay private when their mailboxes go to another user."""
        async for one in self._withdrawals.find({"owner": owner}):
            await self.add(heir, one["kind"], one["target"])

    async def follow(self, owners: Iterable[str], renamed: Mapping[str, str]) -> None:
        """Let what users keep private stay so under a new name: an email's new key, or its thread's id if that follows the key.

        Args:
            owners: users with a copy.
            renamed: new keys and ids by the former ones.
        """
        query: Doc = {"owner": {"$in": list(set(owners))}, "target": {"$in": list(renamed)}}
        async for one in self._withdrawals.find(query):
            await self.add(one["owner"], one["kind"], renamed[one["target"]])

    async def of(self, owners: Iterable[str], threads: Mapping[str, str]) -> frozenset[tuple[str, str]]:
        """Return the (owner, email key) pairs that are withdrawn.

        Args:
            owners: users with a copy of one of the emails.
            threads: the emails in question, key to thread id.
        """
        targets = {*threads.keys(), *threads.values()}
        query: Doc = {"owner": {"$in": list(set(owners))}, "target": {"$in": list(targets)}}
        found = {(one["owner"], one["kind"], one["target"]) async for one in self._withdrawals.find(query)}
        return frozenset(
            (owner, email)
            for owner in {owner for owner, _, _ in found}
            for email, thread in threads.items()
            if (owner, "email", email) in found or (owner, "thread", thread) in found
        )


def _id(owner: str, kind: Kind, target: str) -> str:
    return f"{owner}/{kind}/{target}"
