"""Links whose emails name the same Message-IDs: what threads are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from schemas.emails import Link
from schemas.records import RecordRef
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode

_STEPS = 100
"""How many answers apart the first and the last email of a thread may be, where each names only its parent."""
_IDS = 100
"""Ids that one query looks up: MongoDB merges so many index scans in the order of the index."""
_LINKS = 500
_SHARED: Doc = {"shared_by.0": {"$exists": True}}


def own_ids(owners: Iterable[str], ids: Collection[str]) -> list[int]:
    """Return what finds links by an owner and an id together: an index cannot hold two lists.

    Without the owner, a look-up would walk over the mail of others, and its duration would depend on it.
    """
    return [_own_id(owner, one) for owner in sorted(set(owners)) for one in ids]


def _own_id(owner: str, identifier: str) -> int:
    digest = hashlib.sha256(f"{owner}/{identifier}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


class JoinedLinks:
    """Follows ids from link to link. It looks only at links that name the user as an owner, or that are shared."""

    def __init__(self, collections: Collections) -> None:
        self._links = collections.links

    async def own(self, owner: str, ids: Iterable[str]) -> list[Link]:
        """Return every link of an owner's mail that is joined with one of the ids, over any number of steps."""
        found: dict[str, Link] = {}
        new = known = frozenset(ids)
        while new:
            fresh = await self._naming("own_ids", own_ids([owner], new), found)
            found |= {link.id: link for link in fresh}
            new = frozenset(one for link in fresh for one in link.joins) - known
            known |= new
        return [*found.values()]

    async def naming(
        self, owners: Iterable[str], ids: Sequence[str], *, most: int, record: RecordRef | None = None
    ) -> list[Link]:
        """Return at most so many links that a user may possibly see and that have one of the ids, the newest ones.

        ``owners`` are those as whom the user holds mail.
        """
        own = await self._naming("own_ids", own_ids(owners, ids), (), record, most)
        shared = await self._naming("ids", ids, {link.id for link in own}, record, most)
        return sorted((*own, *shared), key=lambda one: (one.sent_at, one.id), reverse=True)[:most]

    async def reachable(
        self,
        owners: Collection[str],
        start: Sequence[Link],
        *,
        most: int,
        record: RecordRef | None = None,
        ids: Iterable[str] = (),
    ) -> list[Link]:
        """Return links that a user may possibly see and that are joined with others, or with ids, nearest first.

        Args:
            owners: as whom the user holds mail. Other mail is shared.
            start: the links to start with. The answer omits them.
            most: at most so many links. Of those that are equally near, the newest.
            record: only links on this record.
            ids: where to start, too.
        """
        found = {link.id: link for link in start}
        new = known = frozenset(ids).union(*(link.joins for link in start))
        for _ in range(_STEPS):
            left = most + len(start) - len(found)
            if not new or left <= 0:
                break
            fresh = await self._naming("own_ids", own_ids(owners, new), found, record, left)
            found |= {link.id: link for link in fresh}
            more = await self._naming("ids", sorted(new), found, record, left)
            found |= {link.id: link for link in more}
            new = frozenset(one for link in (*fresh, *more) for one in link.joins) - known
            known |= new
        return [*found.values()][len(start) :][:most]

    async def _naming(
        self,
        path: Literal["ids", "own_ids"],
        ids: Sequence[str] | Sequence[int],
        known: Collection[str],
        record: RecordRef | None = None,
        most: int | None = None,
    ) -> list[Link]:
        """Return links with one of the ids, without those that are known: newest first, if at most so many are wanted."""
        narrow, index = ({}, "ids_own") if path == "own_ids" else (_SHARED, "ids_shared")
        if record is not None:
            start = f"{record.kind}:{record.id}/"
            narrow = {**narrow, "_id": {"$gte": start, "$lt": f"{start}\uffff"}}
        found: dict[str, None] = {}
        for first in range(0, len(ids), _IDS):
            query = {path: {"$in": ids[first : first + _IDS]}, **narrow}
            # Nothing but the index is read of links that are known.
            links = self._links.find(query, {"_id": 1}).hint(index).sort([("sent_at", -1), ("_id", -1)])
            if most is not None:
                links = links.limit(len(known) + most)
            found |= dict.fromkeys([one["_id"] async for one in links if one["_id"] not in known])
        keys = [*found][:most]
        result: dict[str, Link] = {}
        for first in range(0, len(keys), _LINKS):
            async for document in self._links.find({"_id": {"$in": keys[first : first + _LINKS]}}).hint("_id_"):
                result[document["_id"]] = decode(Link, document)
        return [result[key] for key in keys if key in result]
