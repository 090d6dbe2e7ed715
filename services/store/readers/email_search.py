"""Emails found by words, and threads, across all records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from schemas.records import RecordRef
from services.store.access.guard import LinkDecision
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc
from services.store.core.errors import NotFoundError
from services.store.readers.candidates import EVERYTHING, on_record
from services.store.readers.search_cursor import SearchCursor
from services.store.readers.threads import with_threads
from services.store.readers.views import FoundEmail, FoundThread, SearchResult
from services.store.readers.visible_lines import growing
from services.store.readers.visible_mail import VisibleMail

MOST_WORDS = 20
MOST_READ = 5_000
"""Emails that one call reads. Continue with ``SearchResult.before``."""
_HIDDEN = 10
"""Candidates that one call looks at, per email that it may read. Only a CRM that hides most records from the viewer makes it matter."""
_FIELDS = ("subject", "text", "participants.address", "participants.name", "attachments.name")
"""The fields that are searched. Bcc is not: it belongs to one copy, and a hit would reveal it to others."""
_BATCH = 100


class EmailSearch:
    """Searches in mail that the viewer may see."""

    def __init__(self, collections: Collections, config: StoreConfig, mail: VisibleMail) -> None:
        self._emails = collections.emails
        self._guard, self._candidates, self._lines, self._threads = mail
        self._cursor = SearchCursor(config)

    async def search(
        self, viewer: str, text: str, *, record: RecordRef | None = None, limit: int = 50, before: str | None = None
    ) -> SearchResult:
        """Return the newest visible emails that contain every word of a text, in any field.

        The search ignores case and also finds parts of words. It reads the text only of emails that the viewer may see, so that
        neither the result nor the work depends on what hidden mail says. One call reads at most ``MOST_READ`` emails.

        ``text`` has at most ``MOST_WORDS`` words; ``before`` is ``SearchResult.before`` of the call that this one continues.

        Raises:
            NotFoundError: there is no such user.
            ValueError: there is no word, or there are too many, or ``before`` does not come from a search.
        """
        user = await self._guard.viewer(viewer)
        query, position = _query(text), None if before is None else self._cursor.open(before)
        scope = EVERYTHING if record is None else on_record(record)
        found = SearchResult()
        looked_at, size, hits = 0, _BATCH, list[LinkDecision]()
        while links := await self._candidates.newest(user, scope, position, size):
            looked_at, position = looked_at + len(links), scope.position(links[-1])
            visible = [
                one
                for one in await self._lines.visible(user, {link.email for link in links})
                if record is None or one.link.record == record
            ]
            visible.sort(key=lambda one: scope.position(one.link), reverse=True)
            found.read += len({one.link.email for one in visible})
            found.back_to = visible[-1].link.sent_at if visible else found.back_to
            matching = await self._matching(query, visible)
            found += await self._lines.found(user, matching)
            hits += matching
            if len(found) >= limit:
                del found[limit:]
                last = next(one.link for one in matching if one.link.email == found[-1].line.email)
                found.before, found.back_to = self._cursor.seal(scope.position(last)), last.sent_at
                break
            if len(links) == size and (found.read >= MOST_READ or looked_at >= MOST_READ * _HIDDEN):
                found.before, found.cut_short = self._cursor.seal(position), True
                break
            size = min(growing(size), max(_BATCH, MOST_READ - found.read))
        found[:] = _joined(found, hits)
        return found

    async def thread(self, viewer: str, email: str) -> FoundThread:
        """Return the visible emails of a visible email's thread, oldest first. Of a long one those that are nearest to it.

        Raises:
            NotFoundError: there is no such user, or no email of this id that the viewer may see.
        """
        user = await self._guard.viewer(viewer)
        visible = await self._lines.visible(user, [email])
        if not visible:
            raise NotFoundError(f"there is no email {email}")
        thread = await self._threads.around(user, visible)
        found = FoundThread(_joined(await self._lines.found(user, thread.visible[::-1]), thread.visible))
        found.cut_short = thread.cut_short
        return found

    async def _matching(self, query: Doc, visible: Sequence[LinkDecision]) -> list[LinkDecision]:
        """Return those of the visible links whose emails match."""
        keys = list({one.link.email for one in visible})
        found = self._emails.find({"_id": {"$in": keys}, **query}, {"_id": 1}).hint("_id_")
        matching = {document["_id"] async for document in found}
        return [one for one in visible if one.link.email in matching]


def _joined(found: Sequence[FoundEmail], visible: Sequence[LinkDecision]) -> list[FoundEmail]:
    lines = with_threads((one.line for one in found), visible)
    return [one.model_copy(update={"line": line}) for one, line in zip(found, lines, strict=True)]


def _query(text: str) -> Doc:
    words = list(dict.fromkeys(text.split()))
    if not words:
        raise ValueError("there is nothing to search for: give a word")
    if len(words) > MOST_WORDS:
        raise ValueError(f"there are too many words: give at most {MOST_WORDS}")
    return {"$and": [{"$or": [{field: _has(word)} for field in _FIELDS]} for word in words]}


def _has(word: str) -> dict[str, Any]:
    return {"$regex": re.escape(word), "$options": "i"}
