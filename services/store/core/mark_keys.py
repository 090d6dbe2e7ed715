"""Which key makes the marks (keyed hashes), and which keys are still needed to find marks that were made before.

Marks cannot be computed again without the mail's headers, so a new key takes over in steps (``admin.key_rotation``). Meanwhile every
look-up asks with all keys. A process that lacks a key would find nothing of what that key marked, so it refuses to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from schemas.errors import LayoutError
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc
from services.store.core.errors import StoreError
from services.store.core.fence import MongoSession

_STATE = "marks"
_ALIVE = timedelta(minutes=1)
"""How long after its last announcement a process counts as running."""
_LATELY = timedelta(minutes=10)
"""A supervisor waits up to five minutes before it starts a process again that ended."""


class MarkState(NamedTuple):
    """What is stored about the keys, by their ids."""

    key: str
    """Makes new marks."""
    base: str
    """Made the marks of rows that do not name their key: version 0.1 wrote them."""
    used: frozenset[str]
    """All keys that are needed, with ``key``."""
    emails: str | None = None
    """The key by whose hash, too, every stored email is found."""
    next_emails: tuple[str, str] | None = None
    """The next key, and the last email that got its hash by it."""
    since: datetime | None = None
    """When ``key`` began to make new marks; None for the first one."""


class MarkKeys:
    """Document ``marks`` of ``settings``, and what running processes announce."""

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._settings = collections.settings
        self._holders = collections.key_holders
        self.keys: Mapping[str, bytes] = config.blind_index_keys
        """All keys of this process, the oldest last."""

    async def setup(self) -> None:
        """Note the first key, which is the oldest one. A process without keys does nothing.

        Raises:
            LayoutError: this process lacks a key that is needed.
        """
        if not self.keys:
            return
        if await self._settings.find_one({"_id": _STATE}, {"_id": 1}) is None:
            oldest = list(self.keys)[-1]
            first: Doc = {"key": oldest, "base": oldest, "used": [oldest], "emails": oldest}
            await self._settings.update_one({"_id": _STATE}, {"$setOnInsert": first}, upsert=True)
        if lacking := await self.lacking():
            raise LayoutError(
                f"LEADMAIL_SECRET_KEY and LEADMAIL_SECRET_KEYS_OLD lack the secret {', '.join(lacking)}, which is still needed to find "
                "mail in the ledger. Add it to LEADMAIL_SECRET_KEYS_OLD again; `leadmail secrets rotate` replaces it."
            )

    async def lacking(self) -> list[str]:
        """Return the ids of needed keys that this process does not have."""
        state = await self.state()
        return sorted(state.used - self.keys.keys())

    async def state(self) -> MarkState:
        """Return what is stored.

        Raises:
            StoreError: this process has no key, and none was noted.
        """
        found = await self._settings.find_one({"_id": _STATE})
        if found is None:
            if not self.keys:
                raise StoreError("this process has no LEADMAIL_SECRET_KEY")
            oldest = list(self.keys)[-1]
            return MarkState(oldest, oldest, frozenset([oldest]), oldest)
        return MarkState(
            found["key"],
            found["base"],
            frozenset(found["used"]),
            found.get("emails"),
            tuple(found["next_emails"]) if found.get("next_emails") else None,
            found.get("since"),
        )

    async def current(self) -> tuple[str, bytes]:
        """Return the id and the key that makes new marks.

        Raises:
            StoreError: this process lacks it: it was started before the key was changed.
        """
        name = (await self.state()).key
        if name not in self.keys:
            raise StoreError(f"this process lacks the secret {name}: restart it with the current LEADMAIL_SECRET_KEY")
        return name, self.keys[name]

    async def announce(self, process: str) -> None:
        """Record which keys a running process has."""
        change = {"$set": {"keys": list(self.keys), "at": "$$NOW"}}
        await self._holders.update_one({"_id": process}, [change], upsert=True)

    async def processes_lacking(self) -> int:
        """Return how many processes lately said that they have keys, and lack one that is needed: they do not start."""
        needed = (await self.state()).used
        lately: Doc = {"$expr": {"$gt": ["$at", {"$subtract": ["$$NOW", int(_LATELY.total_seconds() * 1000)]}]}}
        return int(await self._holders.count_documents({"keys": {"$not": {"$all": sorted(needed)}}, **lately}))

    async def leave(self, process: str) -> None:
        """Record that a process ends."""
        await self._holders.delete_one({"_id": process})

    async def without(self, key: str) -> list[str]:
        """Return the running processes that lack a key."""
        alive = {"$expr": {"$gt": ["$at", {"$subtract": ["$$NOW", int(_ALIVE.total_seconds() * 1000)]}]}}
        return sorted([found["_id"] async for found in self._holders.find({"keys": {"$ne": key}, **alive}, {"_id": 1})])

    async def note_emails(self, key: str, *, after: str | None) -> None:
        """Note how far the emails have got a hash by a key: up to one, or all of them."""
        done: Doc = {"emails": key, "next_emails": None} if after is None else {"next_emails": [key, after]}
        await self._settings.update_one({"_id": _STATE}, {"$set": done})

    async def switch(self, key: str, session: MongoSession) -> bool:
        """Have a key make new marks. False if it does already."""
        change: Doc = {"$set": {"key": key}, "$addToSet": {"used": key}, "$currentDate": {"since": True}}
        other: Doc = {"_id": _STATE, "key": {"$ne": key}}
        return bool((await self._settings.update_one(other, change, session=session)).modified_count)

    async def retire(self, key: str, session: MongoSession) -> None:
        """Note that only this key is needed, unless another one has taken over meanwhile."""
        await self._settings.update_one({"_id": _STATE, "key": key}, {"$set": {"used": [key]}}, session=session)

    async def forget(self, key: str, session: MongoSession) -> bool:
        """Note that a key is lost: what it marked is not found by it any more. False if it makes new marks, or was not needed."""
        lost = {"_id": _STATE, "key": {"$ne": key}, "used": key}
        return bool((await self._settings.update_one(lost, {"$pull": {"used": key}}, session=session)).modified_count)
