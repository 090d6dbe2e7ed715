"""The state of the database, for ``leadmail doctor``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple

from services.store.core.collections import Collections
from services.store.core.setup import indexes


class DatabaseFacts(NamedTuple):
    """What the database says of itself."""

    version: str
    replica_set: str | None
    """Its name; None for a router of a sharded cluster."""
    skew_seconds: float
    """How far the server's clock is ahead of the local one, or 0 if the difference is within the duration of the query."""
    missing_indexes: tuple[str, ...]
    """``collection.name`` of indexes that are missing or have other keys."""
    disk_used: float | None
    """Used share of the file system with the data; None if the server does not say."""


class Checkup:
    """Reads only."""

    def __init__(self, collections: Collections) -> None:
        self._c = collections

    async def facts(self) -> DatabaseFacts:
        """Query the server."""
        build = await self._c.database.command("buildInfo")
        began, started = datetime.now(UTC), time.monotonic()
        hello = await self._c.database.command("hello")
        took = time.monotonic() - started
        ahead = hello["localTime"].replace(tzinfo=UTC) - began
        skew = ahead.total_seconds() - took / 2
        stats = await self._c.database.command("dbStats")
        size = stats.get("fsTotalSize")
        return DatabaseFacts(
            version=build["version"],
            replica_set=hello.get("setName"),
            skew_seconds=skew if abs(skew) > took / 2 else 0.0,
            missing_indexes=await self._missing(),
            disk_used=stats["fsUsedSize"] / size if size else None,
        )

    async def _missing(self) -> tuple[str, ...]:
        there = set(await self._c.database.list_collection_names())
        missing = []
        for collection, wanted in indexes(self._c):
            found = await collection.index_information() if collection.name in there else {}
            for index in wanted:
                name, keys = index.document["name"], list(index.document["key"].items())
                if name not in found or list(found[name]["key"]) != keys:
                    missing.append(f"{collection.name}.{name}")
        return tuple(missing)

    async def pollers(self, seconds: float) -> int:
        """Return how many pollers sent a heartbeat within so many seconds, by the server's clock."""
        alive = {"$expr": {"$gt": ["$at", {"$subtract": ["$$NOW", int(seconds * 1000)]}]}}
        return int(await self._c.pollers.count_documents(alive))
