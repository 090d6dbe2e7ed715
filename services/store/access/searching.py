"""Mail found by words, and threads: over all records at once, and through the guard like every other way to read."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from schemas.records import RecordRef
from services.store.access.guard import LinkDecision, prefilter
from services.store.access.lines import Lines
from services.store.access.views import FoundEmail
from services.store.core.documents import Doc
from services.store.core.errors import NotFoundError

MOST_WORDS = 20
_FIELDS = ("subject", "text", "participants.address", "participants.name", "attachments.name")
"""Where words are looked for. Not in Bcc: that belongs to a copy, and a hit by it would tell others of it."""
_BATCH = 100


class Searching(Lines):
    """The part of ``reading`` that looks across records."""

    async def search(
        self, viewer: str, text: str, *, record: RecordRef | None = None, limit: int = 50
    ) -> list[FoundEmail]:
        """Return the newest emails that the viewer may see and that have every word of a text somewhere.

        Case makes no difference; a part of a word is found, too. What the viewer may not see is looked at and dropped
        before anything is counted or cut off, so that neither order nor number tells of it.

        Args:
            viewer: the user who asks.
            text: words, at most ``MOST_WORDS``.
            record: only mail on this lead or contact.
            limit: most emails to return.

        Raises:
            NotFoundError: there is no such user.
            ValueError: there is no word, or too many.
        """
        user = await self._guard.viewer(viewer)
        query = _query(text)
        found: list[FoundEmail] = []
        async for keys in self._matching(query):
            visible = await self._visible(user, keys)
            if record is not None:
                visible = [judged for judged in visible if judged.link.record == record]
            found += await self._found(user, visible)
            if len(found) >= limit:
                break
        return found[:limit]

    async def thread(self, viewer: str, email: str) -> list[FoundEmail]:
        """Return the thread of an email that the viewer may see: those of its mails that he may see, oldest first.

        Raises:
            NotFoundError: there is no such user, or no email of this id that the viewer may see.
        """
        user = await self._guard.viewer(viewer)
        visible = await self._visible(user, [email])
        if not visible:
            raise NotFoundError(f"there is no email {email}")
        query: Doc = {"thread": visible[0].link.thread, **prefilter(user)}
        keys = await self._links.distinct("email", query)
        judged: list[LinkDecision] = []
        for start in range(0, len(keys), _BATCH):
            judged += await self._visible(user, keys[start : start + _BATCH])
        judged.sort(key=lambda one: (one.link.sent_at, one.link.id))
        return await self._found(user, judged)

    async def _matching(self, query: Doc) -> AsyncIterator[list[str]]:
        """Iterate, newest first and in batches, over the keys of all emails that match, whoever may see them."""
        keys: list[str] = []
        # Texts are left behind before the sort: it would carry them along.
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
        raise ValueError("there is nothing to look for: give a word")
    if len(words) > MOST_WORDS:
        raise ValueError(f"these are too many words: give at most {MOST_WORDS}")
    return {"$and": [{"$or": [{field: _has(word)} for field in _FIELDS]} for word in words]}


def _has(word: str) -> dict[str, Any]:
    return {"$regex": re.escape(word), "$options": "i"}
