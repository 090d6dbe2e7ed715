"""Who comes in to the console: one-time links, sessions, and how often somebody tried.

Of what people hold (links, cookies) nothing but hashes is kept, so that nobody comes in with what he reads in the database.
MongoDB takes away what has ended.
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
from services.store.core.documents import now
from services.store.core.errors import NotFoundError


class Offered(NamedTuple):
    """What a one-time link is for."""

    user: User
    page: str
    """Where its user wanted to go."""


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class SignIns:
    """Documents of ``sign_in_links``, ``sessions`` and ``attempts``."""

    def __init__(self, collections: Collections, users: Users, audit: Audit) -> None:
        self._links = collections.sign_in_links
        self._sessions = collections.sessions
        self._attempts = collections.attempts
        self._users = users
        self._audit = audit

    async def offer(self, user: str, token: str, *, lasts: timedelta, page: str = "/", by: str | None = None) -> User:
        """Let a one-time link let a user in. An act of somebody else's (``by``) is noted.

        Raises:
            NotFoundError: there is no such user.
        """
        found = await self._users.get(user)
        await self._links.insert_one({"_id": _hash(token), "user": found.email, "page": page, "until": now() + lasts})
        if by is not None:
            await self._audit.add("console.link", by=by, subject=f"user:{found.email}")
        return found

    async def offered(self, token: str) -> Offered:
        """Return what a link is for; it stays as it is.

        Raises:
            NotFoundError: there is no such link, it has ended or was used; or its user is gone.
        """
        document = await self._links.find_one({"_id": _hash(token), "until": {"$gt": now()}})
        if document is None:
            raise NotFoundError("there is no such link")
        return Offered(await self._users.get(document["user"]), document["page"])

    async def use(self, token: str, session: str, *, lasts: timedelta) -> Offered:
        """Use up a link and begin a session: of several at the same time one does.

        Raises:
            NotFoundError: as for ``offered``.
        """
        document = await self._links.find_one_and_delete({"_id": _hash(token), "until": {"$gt": now()}})
        if document is None:
            raise NotFoundError("there is no such link")
        user = await self._users.get(document["user"])
        moment = now()
        await self._sessions.insert_one(
            {"_id": _hash(session), "user": user.email, "since": moment, "until": moment + lasts}
        )
        await self._audit.add("console.sign-in", by=user.email, subject=f"user:{user.email}")
        return Offered(user, document["page"])

    async def user_of(self, session: str) -> User | None:
        """Return whose session it is; None for one that has ended, or whose user is gone."""
        document = await self._sessions.find_one({"_id": _hash(session), "until": {"$gt": now()}})
        if document is None:
            return None
        try:
            return await self._users.get(document["user"])
        except NotFoundError:
            await self._sessions.delete_many({"user": document["user"]})
            return None

    async def end(self, session: str) -> None:
        """End a session."""
        await self._sessions.delete_one({"_id": _hash(session)})

    async def attempt(self, what: str, *, most: int, within: timedelta) -> bool:
        """Count a try; False when there were too many within a span of time. What is counted is kept as a hash, too."""
        moment, seconds = now(), within.total_seconds()
        window = int(moment.timestamp() // seconds)
        found = await self._attempts.find_one_and_update(
            {"_id": _hash(f"{what}/{window}")},
            {"$inc": {"count": 1}, "$setOnInsert": {"until": moment + within}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return found is not None and found["count"] <= most
