"""Emails found by words, and threads, across all records."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from schemas.records import RecordRef
from services.store.access.guard import Guard, LinkDecision, prefilter
from services.store.access.views import FoundEmail
from services.store.access.visible_lines import VisibleLines
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.core.errors import NotFoundError

MOST_WORDS = 20
_FIELDS = ("subject", "text", "participants.address", "participants.name", "attachments.name")
"""The fields that are searched. Bcc is not: it belongs to one copy, and a hit would reveal it to others."""
_BATCH = 100


class EmailSearch:
    """Searches in mail that the viewer may see."""

    def __init__(self, collections: Collections, *, guard: Guard, lines: VisibleLines) -> None:
        self._links = collections.links
        self._emails = collections.emails
        self._guard = guard
        self._lines = lines

    async def search(
        self, viewer: str, text: str, *, record: RecordRef | None = None, limit: int = 50
    ) -> list[FoundEmail]:
        """Return the newest visible emails that contain every word of a text, in any field.

        The search ignores case and also finds parts of words. It drops what the viewer may not see before it counts or
        cuts off anything, so that neither order nor number reveals hidden mail.

        Args:
            viewer: the user who searches.
            text: words, at most ``MOST_WORDS``.
            record: only mail on this lead or contact.
            limit: the most emails to return.

        Raises:
            NotFoundError: there is no such user.
            ValueError: there is no word, or there are too many.
        """
        user = await self._guard.viewer(viewer)
        query = _query(text)
        found: list[FoundEmail] = []
        async for keys in self._matching(query):
            visible = await self._lines.visible(user, keys)
            if record is not None:
                visible = [one for one in visible if one.link.record == record]
            found += await self._lines.found(user, visible)
            if len(found) >= limit:
                break
        return found[:limit]

    async def thread(self, viewer: str, email: str) -> list[FoundEmail]:
        """Return the visible emails of a visible email's thread, oldest first.

        Raises:
            NotFoundError: there is no such user, or no email of this id that the viewer may see.
        """
        user = await self._guard.viewer(viewer)
        visible = await self._lines.visible(user, [email])
        if not visible:
            raise NotFoundError(f"there is no email {email}")
        query: Doc = {"thread": visible[0].link.thread, **prefilter(user)}
        keys = await self._links.distinct("email", query)
        decisions: list[LinkDecision] = []
        for start in range(0, len(keys), _BATCH):
            decisions += await self._lines.visible(user, keys[start : start + _BATCH])
        decisions.sort(key=lambda one: (one.link.sent_at, one.link.id))
        return await self._lines.found(user, decisions)

    async def _matching(self, query: Doc) -> AsyncIterator[list[str]]:
        """Iterate, newest first and in batches, over the keys of all emails that match, visible or not."""
        keys: list[str] = []
        # Dropping the texts before the sort keeps it small.
        pipeline: list[Doc] = [{"$match": query}, {"$project": {"sent_at": 1}}, {"$sort": {"sent_at": -1, "_id": 1}}]
        async for document in await self._emails.aggregate(pipeline, allowDiskUse=True):
            keys.append(document["_id"])
            if len(keys) == _BATCH:
                yield keys
                keys = []
        if keys:
            yield keys


def _query(text: str) -> Doc:
    words = list(dict.fromkeys(text.split()))
    if not words:
        raise ValueError("there is nothing to search for: give a word")
    if len(words) > MOST_WORDS:
        raise ValueError(f"there are too many words: give at most {MOST_WORDS}")
    return {"$and": [{"$or": [{field: _has(word)} for field in _FIELDS]} for word in words]}


def _has(word: str) -> dict[str, Any]:
    return {"$regex": re.escape(word), "$options": "i"}
