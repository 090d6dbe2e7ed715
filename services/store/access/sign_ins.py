"""Access to the console: one-time links, sessions, and the count of attempts.

The database holds only hashes of links and cookies, so that its content lets no reader sign in. MongoDB removes expired
documents.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import NamedTuple

from pymongo import ReturnDocument

from schemas.accounts import User
from services.store.access.users import Users
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.errors import NotFoundError
from services.store.core.fence import MongoSession


class SignInLink(NamedTuple):
    """What a one-time link is for."""

    user: User
    page: str
    """The page that the user wanted to open."""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _attempts_at(what: str, within: timedelta) -> Doc:
    return {"_id": _hash(f"{what}/{int(now().timestamp() // within.total_seconds())}")}


class SignIns:
    """Documents of ``sign_in_links``, ``sessions`` and ``attempts``."""

    def __init__(self, collections: Collections, users: Users, audit: Audit) -> None:
        self._links = collections.sign_in_links
        self._sessions = collections.sessions
        self._attempts = collections.attempts
        self._users = users
        self._audit = audit

    async def offer(self, user: str, token: str, *, lasts: timedelta, page: str = "/", by: str | None = None) -> User:
        """Store a one-time link that signs a user in. If another user made it (``by``), the audit log says so.

        Raises:
            NotFoundError: there is no such user, or the user is disabled.
        """
        found = await self._users.active(user)
        link: Doc = {"_id": _hash(token), "user": found.email, "page": page, "until": now() + lasts}

        async def write(session: MongoSession) -> None:
            await self._links.insert_one(link, session=session)
            if by is not None:
                await self._audit.add("console.link", by=by, subject=f"user:{found.email}", session=session)

        await self._audit.transaction(write)
        return found

    async def offered(self, token: str) -> SignInLink:
        """Return what a link is for, without using it up.

        Raises:
            NotFoundError: there is no such link, it has expired or was used, or its user does not exist or is disabled.
        """
        document = await self._links.find_one({"_id": _hash(token), "until": {"$gt": now()}})
        if document is None:
            raise NotFoundError("there is no such link")
        return SignInLink(await self._users.active(document["user"]), document["page"])

    async def use(self, token: str, session: str, *, lasts: timedelta) -> SignInLink:
        """Use up a link and start a session. Of several concurrent calls, one succeeds.

        Raises:
            NotFoundError: as for ``offered``.
        """
        moment = now()

        async def write(mongo: MongoSession) -> SignInLink:
            link: Doc = {"_id": _hash(token), "until": {"$gt": moment}}
            document = await self._links.find_one_and_delete(link, session=mongo)
            if document is None:
                raise NotFoundError("there is no such link")
            user = await self._users.active(document["user"])
            await self._start(user, session, lasts, mongo)
            return SignInLink(user, document["page"])

        return await self._audit.transaction(write)

    async def start(self, user: str, session: str, *, lasts: timedelta, how: str) -> None:
        """Start a session of a user who proved who they are in another way, which the audit log names.

        Raises:
            NotFoundError: there is no such user, or the user is disabled.
        """

        async def write(mongo: MongoSession) -> None:
            await self._start(await self._users.active(user), session, lasts, mongo, how=how)

        await self._audit.transaction(write)

    async def _start(self, user: User, session: str, lasts: timedelta, mongo: MongoSession, **details: str) -> None:
        moment = now()
        started: Doc = {"_id": _hash(session), "user": user.email, "since": moment, "until": moment + lasts}
        await self._sessions.insert_one(started, session=mongo)
        subject = f"user:{user.email}"
        await self._audit.add("console.sign-in", by=user.email, subject=subject, session=mongo, **details)

    async def user_of(self, session: str) -> User | None:
        """Return the user of a session; None if it has expired, or its user does not exist or is disabled."""
        document = await self._sessions.find_one(
            {"_id": _hash(session), "until": {"$gt": now()}, "ended": {"$exists": False}}
        )
        if document is None:
            return None
        try:
            return await self._users.active(document["user"])
        except NotFoundError:
            await self._lock_out(document["user"])
            return None

    async def open_sessions(self) -> dict[str, int]:
        """Return the number of open sessions by user, without users who have none."""
        query = {"until": {"$gt": now()}, "ended": {"$exists": False}}
        found = await self._sessions.aggregate([{"$match": query}, {"$group": {"_id": "$user", "count": {"$sum": 1}}}])
        return {one["_id"]: one["count"] async for one in found}

    async def was_ended(self, session: str) -> bool:
        """Whether a session ended because its user was disabled or removed, so that the user can be notified."""
        query = {"_id": _hash(session), "until": {"$gt": now()}, "ended": True}
        return await self._sessions.find_one(query, {"_id": 1}) is not None

    async def _lock_out(self, user: str) -> None:
        """End the sessions of a user for good; what remains of them names no one and expires as they would have."""
        await self._sessions.update_many({"user": user}, {"$set": {"ended": True}, "$unset": {"user": ""}})

    async def end(self, session: str) -> None:
        """End a session."""
        await self._sessions.delete_one({"_id": _hash(session)})

    async def end_all(self, user: str) -> None:
        """End every session of a user and withdraw the links that were sent to them."""
        await self._lock_out(user)
        await self._links.delete_many({"user": user})

    async def attempt(self, what: str, *, most: int, within: timedelta) -> bool:
        """Count an attempt; False if there were too many within a span of time. ``what`` is stored as a hash."""
        found = await self._attempts.find_one_and_update(
            _attempts_at(what, within),
            {"$inc": {"count": 1}, "$setOnInsert": {"until": now() + within}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return found is not None and found["count"] <= most

    async def take_back_attempt(self, what: str, *, within: timedelta) -> None:
        """Count one attempt less, of those within the same span of time."""
        await self._attempts.update_one({**_attempts_at(what, within), "count": {"$gt": 0}}, {"$inc": {"count": -1}})
