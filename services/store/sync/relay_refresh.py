"""The token of the operator's own submission server: one process at a time refreshes it, and a new refresh token is never lost."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from schemas.accounts import KeptToken
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, plain


class RelayRefresh:
    """Documents of ``settings``, one for each refresh token that the operator ever set (``key``).

    Claims a refresh and saves its result by compare-and-set on what was kept before.
    """

    def __init__(self, collections: Collections) -> None:
        self._settings = collections.settings

    async def current(self, key: str) -> KeptToken | None:
        """Return what is kept; None before the first refresh."""
        found = await self._settings.find_one({"_id": _id(key)})
        return decode(KeptToken, found["token"]) if found and found.get("token") else None

    async def claim(self, key: str, held: KeptToken | None, *, lasts: timedelta) -> bool:
        """Claim the refresh of what is kept. False if another process has it, or has refreshed it."""
        free = {"$expr": {"$lt": [{"$ifNull": ["$claim", 0]}, "$$NOW"]}}
        until = {"$add": ["$$NOW", int(lasts.total_seconds() * 1000)]}
        with suppress(DuplicateKeyError):  # another process was faster
            await self._settings.update_one({"_id": _id(key)}, {"$setOnInsert": {"token": None}}, upsert=True)
        done = await self._settings.update_one({**_same(key, held), **free}, [{"$set": {"claim": until}}])
        return bool(done.modified_count)

    async def release(self, key: str, held: KeptToken | None) -> None:
        """Give a claim back: no new token came."""
        await self._settings.update_one(_same(key, held), {"$unset": {"claim": ""}})

    async def save(self, key: str, held: KeptToken | None, new: KeptToken) -> bool:
        """Keep a new token instead. False if another process did that before."""
        change = {"$set": {"token": plain(new)}, "$unset": {"claim": ""}}
        return bool((await self._settings.update_one(_same(key, held), change)).matched_count)


def _id(key: str) -> str:
    return f"relay/{key}"


def _same(key: str, held: KeptToken | None) -> Doc:
    before = {"token": None} if held is None else {"token.credentials.ciphertext": held.credentials.ciphertext}
    return {"_id": _id(key), **before}
