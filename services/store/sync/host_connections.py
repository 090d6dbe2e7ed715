"""How many connections to one mail server all pollers have open together: one document per server, with a part for each poller.

A part expires unless its poller renews it, so the connections of a poller that died do not count for long.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pymongo import ReturnDocument

from services.store.core.collections import Collections
from services.store.core.documents import Doc

Purpose = Literal["live", "bulk"]


class Open(NamedTuple):
    """Connections of one poller to one server."""

    live: int = 0
    """For new mail."""
    bulk: int = 0
    """For background work."""


class HostUse(NamedTuple):
    """What a server's connections are used for."""

    granted: bool
    live: int
    """How many all pollers together have for new mail."""
    waiting: bool
    """Whether new mail of some account waits for a connection."""


class HostConnections:
    """Counts the connections to servers. ``seconds``: after so long without a renewal, a part expires."""

    def __init__(self, collections: Collections) -> None:
        self._budgets = collections.budgets

    async def renew(self, host: str, poller: str, mine: Open, *, seconds: float) -> HostUse:
        """Write how many connections a poller has, and keep its part alive. None are no part."""
        part = [_part(poller, mine, None, seconds)] if any(mine) else []
        return await self._write(host, poller, {"granted": False}, {"parts": _with(part)}, seconds)

    async def take(
        self, host: str, poller: str, mine: Open, purpose: Purpose, *, limit: int, seconds: float
    ) -> HostUse:
        """Count one more connection of a poller that has ``mine``, if there are fewer than ``limit``.

        New mail comes first: while it waits anywhere, background work gets none.
        """
        granted: Doc = {"$lt": [{"$add": [_total("live"), _total("bulk"), mine.live, mine.bulk]}, limit]}
        after: Doc = {"parts": _with([_part(poller, mine, purpose, seconds)])}
        if purpose == "bulk":
            granted = {"$and": [granted, {"$not": [_WAITING]}]}
        else:
            after["waiting_until"] = {"$cond": ["$granted", None, _later(seconds)]}
        return await self._write(host, poller, {"granted": granted}, after, seconds)

    async def _write(self, host: str, poller: str, decided: Doc, after: Doc, seconds: float) -> HostUse:
        others = {"$and": [{"$ne": ["$$part.poller", poller]}, {"$gt": ["$$part.until", "$$NOW"]}]}
        parts = {"$filter": {"input": {"$ifNull": ["$parts", []]}, "as": "part", "cond": others}}
        found = await self._budgets.find_one_and_update(
            {"_id": f"connections.{host}"},
            [
                {"$set": {"parts": parts}},
                {"$set": decided},
                {"$set": {**after, "until": _later(2 * seconds)}},
                {"$set": {"live": _total("live"), "waiting": _WAITING}},
            ],
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        assert found is not None
        return HostUse(found["granted"], found["live"], found["waiting"])


_WAITING: Doc = {"$gt": [{"$ifNull": ["$waiting_until", None]}, "$$NOW"]}


def _later(seconds: float) -> Doc:
    return {"$add": ["$$NOW", int(seconds * 1000)]}


def _total(purpose: Purpose) -> Doc:
    return {"$sum": f"$parts.{purpose}"}


def _with(parts: list[Doc]) -> Doc:
    return {"$concatArrays": ["$parts", parts]}


def _part(poller: str, mine: Open, purpose: Purpose | None, seconds: float) -> Doc:
    """Return a poller's part, with one more connection of a purpose if it was granted."""
    more = {"$cond": ["$granted", 1, 0]}
    return {
        "poller": poller,
        "live": {"$add": [mine.live, more]} if purpose == "live" else mine.live,
        "bulk": {"$add": [mine.bulk, more]} if purpose == "bulk" else mine.bulk,
        "until": _later(seconds),
    }
