"""Messages that a stage could not handle, kept with their bodies until an operator replays or drops them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import Field

from schemas.base import Contract
from schemas.ledger import FINAL, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, encode
from services.store.core.errors import NotFoundError
from services.store.mail.blob_refs import BlobReferences, dead_ref


class DeadLetter(Contract):
    """A message that a stage could not handle."""

    id: str
    """Derived from message and queue, so that a redelivery is the same dead letter."""
    queue: str
    """The queue where it failed, and to which a replay sends it."""
    reason: str
    """Stable code."""
    error: str = ""
    """Short, with nothing from a mail."""
    headers: dict[str, str] = Field(default_factory=dict)
    """The published headers, text only."""
    content_type: str = ""
    body: bytes = b""
    account: str | None = None
    row: str | None = None
    """The ledger row, for messages about a copy."""
    at: datetime


_HEAD = {"body": 0}
_ENDED = frozenset({None, *(state.value for state in FINAL if state is not RowState.QUARANTINED)})
"""States of rows whose dead letters need no decision. None is a removed row."""


class DeadLetters:
    """The matcher adds dead letters; users replay or drop them."""

    def __init__(self, collections: Collections, blob_refs: BlobReferences) -> None:
        self._dead_letters = collections.dead_letters
        self._ledger = collections.ledger
        self._blob_refs = blob_refs

    async def add(self, dead_letter: DeadLetter) -> bool:
        """Store a dead letter; False if it is stored already."""
        document = encode(dead_letter, dead_letter.id)
        key = document.pop("_id")
        result = await self._dead_letters.update_one({"_id": key}, {"$setOnInsert": document}, upsert=True)
        return result.upserted_id is not None

    async def newest(self, *, account: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest dead letters, newest first, without bodies."""
        query: Doc = {} if account is None else {"account": account}
        found = self._dead_letters.find(query, _HEAD).sort([("at", -1), ("_id", -1)]).limit(limit)
        return [decode(DeadLetter, document) async for document in found]

    async def get(self, dead_letter: str) -> DeadLetter:
        """Return a dead letter with its body.

        Raises:
            NotFoundError: there is no dead letter with this id.
        """
        document = await self._dead_letters.find_one({"_id": dead_letter})
        if document is None:
            raise NotFoundError(f"there is no dead letter {dead_letter}: `leadmail dead-letters list` shows all")
        return decode(DeadLetter, document)

    async def remove(self, dead_letters: Iterable[str]) -> int:
        """Remove dead letters that were replayed or dropped or need no decision. Returns how many were still stored."""
        ids = list(dead_letters)
        if not ids:
            return 0
        # Drop the references first: after an interruption the dead letters can be removed again, and no blob stays for ever.
        await self._blob_refs.drop_refs(map(dead_ref, ids))
        return int((await self._dead_letters.delete_many({"_id": {"$in": ids}})).deleted_count)

    async def settled(self, row: str | None = None) -> Sequence[str]:
        """Return the dead letters about copies, or about one, that need no decision. Each quarantined copy has one that does.

        Their copy has another final state (a later attempt succeeded, it is gone from the mailbox, its account was purged), or a
        newer dead letter is about it. A copy that is being processed again may still need its dead letter.
        """
        about: Doc = {"row": {"$ne": None} if row is None else row}
        about_copies = [one async for one in self._dead_letters.find(about, {"row": 1}).sort([("at", -1), ("_id", -1)])]
        rows = list({one["row"] for one in about_copies})
        found = self._ledger.find({"_id": {"$in": rows}}, {"state": 1})
        states = {one["_id"]: one["state"] async for one in found}
        newest = {one["row"]: one["_id"] for one in reversed(about_copies)}
        return [
            one["_id"] for one in about_copies if one["_id"] != newest[one["row"]] or states.get(one["row"]) in _ENDED
        ]

    async def count(self) -> int:
        """Return the number of dead letters."""
        return int(await self._dead_letters.count_documents({}))
