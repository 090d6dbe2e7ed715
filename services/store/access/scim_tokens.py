"""Bearer tokens by which a company's identity provider manages users (SCIM). The database holds only their hashes."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

from schemas.base import Contract
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.core.fence import MongoSession

MOST = 5
"""At most so many tokens at a time: one in use, its successor, and some slack."""
_NOTED_EVERY = timedelta(minutes=10)
_ID_LENGTH = 8


class ScimToken(Contract):
    """A token, without what would let anyone use it."""

    id: str
    """The start of its hash."""
    created_at: datetime
    used_at: datetime | None = None
    """When it was last used, give or take ten minutes."""


class ScimTokens:
    """Documents of ``scim_tokens``."""

    def __init__(self, collections: Collections, audit: Audit) -> None:
        self._tokens = collections.scim_tokens
        self._audit = audit

    async def add(self, token: str, *, by: str) -> ScimToken:
        """Store a new token. Those that exist stay valid until they are revoked, so that a token can be replaced without a gap.

        Raises:
            NotAllowedError: there are too many tokens.
        """
        if await self._tokens.count_documents({}) >= MOST:
            raise NotAllowedError(f"there are {MOST} tokens already: revoke one with `leadmail scim revoke ID` first")
        made = _view({"_id": _hash(token), "created_at": now()})

        async def write(session: MongoSession) -> None:
            await self._tokens.insert_one({"_id": _hash(token), "created_at": made.created_at}, session=session)
            await self._audit.add("scim.token", by=by, subject=f"scim:{made.id}", session=session)

        await self._audit.transaction(write)
        return made

    async def get_all(self) -> list[ScimToken]:
        """Return all tokens, the oldest first."""
        return [_view(document) async for document in self._tokens.find().sort("created_at")]

    async def revoke(self, identifier: str, *, by: str) -> None:
        """Revoke a token: it is refused from the next request on.

        Raises:
            NotFoundError: there is no such token.
        """
        found = [one["_id"] async for one in self._tokens.find() if _view(one).id == identifier]
        if not found:
            raise NotFoundError(f"there is no token {identifier}: `leadmail scim list` shows all")

        async def write(session: MongoSession) -> None:
            await self._tokens.delete_many({"_id": {"$in": found}}, session=session)
            await self._audit.add("scim.revoke", by=by, subject=f"scim:{identifier}", session=session)

        await self._audit.transaction(write)

    async def is_valid(self, token: str) -> bool:
        """Whether a token exists, and note that it was used. The time taken tells nothing about the tokens that exist."""
        asked, found = _hash(token), None
        async for document in self._tokens.find():
            if hmac.compare_digest(document["_id"].encode(), asked.encode()):
                found = document
        if found is None:
            return False
        moment = now()
        if moment - found.get("used_at", found["created_at"] - _NOTED_EVERY) >= _NOTED_EVERY:
            await self._tokens.update_one({"_id": asked}, {"$set": {"used_at": moment}})
        return True


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _view(document: Doc) -> ScimToken:
    return ScimToken.model_validate({**document, "id": document["_id"][:_ID_LENGTH]})
