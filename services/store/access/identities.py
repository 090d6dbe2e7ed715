"""Which account at the company's identity provider is whose: a field of ``users``."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from schemas.accounts import User
from services.store.access.users import Users
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import decode
from services.store.core.errors import ChangedMeanwhileError
from services.store.core.fence import MongoSession

_CHANGED = "the user signed in elsewhere at the same time: try again"


class Identities:
    """The field ``identity`` of the documents of ``users``."""

    def __init__(self, collections: Collections, users: Users, audit: Audit) -> None:
        self._collection = collections.users
        self._users = users
        self._audit = audit

    async def user_of(self, identity: str) -> User | None:
        """Return the user who signs in by an account at the identity provider; None if no one does yet."""
        document = await self._collection.find_one({"identity": identity})
        return None if document is None else decode(User, document)

    async def bind(self, user: User, identity: str, *, by: str) -> User:
        """Let a user sign in by this account from now on, and by no other one.

        Raises:
            ChangedMeanwhileError: the user has got another account since, or another user this one.
        """
        bound = user.model_copy(update={"identity": identity})
        before = (
            {"$in": ["", None]} if not user.identity else user.identity
        )  # users of earlier releases have no such field

        async def write(session: MongoSession) -> None:
            query, change = {"_id": user.email, "identity": before}, {"$set": {"identity": identity}}
            if not (await self._collection.update_one(query, change, session=session)).matched_count:
                raise ChangedMeanwhileError(_CHANGED)
            subject = f"user:{user.email}"
            await self._audit.add("user.identity", by=by, subject=subject, session=session, bound=bool(identity))

        try:
            await self._audit.transaction(write)
        except DuplicateKeyError:
            raise ChangedMeanwhileError(_CHANGED) from None
        return bound

    async def unbind(self, email: str, *, by: str) -> User:
        """Let a user's next sign-in at the identity provider count as their first one.

        Raises:
            NotFoundError: there is no such user.
        """
        user = await self._users.get(email)
        return await self.bind(user, "", by=by) if user.identity else user
