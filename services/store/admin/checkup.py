"""What the database is like: for ``leadmail doctor``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple

from services.store.core.collections import Collections
from services.store.core.setup import indexes


class DatabaseFacts(NamedTuple):
    """What was found."""

    version: str
    replica_set: str | None
    """Its name; None for a router of a sharded cluster."""
    skew_seconds: float
    """How far the server's clock is ahead of ours, as far as the time of asking lets it be known."""
    missing_indexes: tuple[str, ...]
    """``collection.name`` of those that are not there, or with other keys."""
    disk_used: float | None
    """Share of the file system that the data is on; None when the server does not say."""


class Checkup:
    """Reads only."""

    def __init__(self, collections: Collections) -> None:
        self._c = collections

    async def look(self) -> DatabaseFacts:
        """Ask the server."""
        build = await self._c.database.command("buildInfo")
        began, started = datetime.now(UTC), time.monotonic()
        hello = await self._c.database.command("hello")
        took = time.monotonic() - started
        told = hello["localTime"].replace(tzinfo=UTC) - began
        skew = told.total_seconds() - took / 2
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
        """Return how many pollers said within so many seconds that they live, by the server's clock."""
        alive = {"$expr": {"$gt": ["$at", {"$subtract": ["$$NOW", int(seconds * 1000)]}]}}
        return int(await self._c.pollers.count_documents(alive))
