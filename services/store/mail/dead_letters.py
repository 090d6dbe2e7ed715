"""What could not be handled: kept with its body until an operator replays or drops it. Documents of ``dead_letters``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import Field

from schemas.base import Contract
from schemas.ledger import FINAL, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, encode
from services.store.core.errors import NotFoundError
from services.store.mail.blob_refs import BlobReferences, dead_ref


class DeadLetter(Contract):
    """A message that ended in the dead letters."""

    id: str
    """Of the message and the queue, so that a redelivery is the same dead letter."""
    queue: str
    """Where it failed, and where a replay goes."""
    reason: str
    """Stable code."""
    error: str = ""
    """Short; nothing out of a mail."""
    headers: dict[str, str] = Field(default_factory=dict)
    """As they were published, text only."""
    content_type: str = ""
    body: bytes = b""
    account: str | None = None
    row: str | None = None
    """The ledger row, for messages about a copy."""
    at: datetime


_HEAD = {"body": 0}
_ENDED = frozenset({None, *(state.value for state in FINAL if state is not RowState.QUARANTINED)})
"""States of rows whose letters no operator has to decide on; None for a row that was removed."""


class DeadLetters:
    """What the matcher puts here and the command line takes out."""

    def __init__(self, collections: Collections, blobs: BlobReferences) -> None:
        self._letters = collections.dead_letters
        self._ledger = collections.ledger
        self._blobs = blobs

    async def add(self, letter: DeadLetter) -> bool:
        """Keep a dead letter; False when it is here already."""
        document = encode(letter, letter.id)
        key = document.pop("_id")
        result = await self._letters.update_one({"_id": key}, {"$setOnInsert": document}, upsert=True)
        return result.upserted_id is not None

    async def list(self, *, account: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Return the newest dead letters, newest first, without bodies."""
        query: Doc = {} if account is None else {"account": account}
        found = self._letters.find(query, _HEAD).sort([("at", -1), ("_id", -1)]).limit(limit)
        return [decode(DeadLetter, document) async for document in found]

    async def get(self, letter: str) -> DeadLetter:
        """Return a dead letter with its body.

        Raises:
            NotFoundError: there is none of this id.
        """
        document = await self._letters.find_one({"_id": letter})
        if document is None:
            raise NotFoundError(f"there is no dead letter {letter}: `leadmail dead-letters list` shows all")
        return decode(DeadLetter, document)

    async def remove(self, letters: Iterable[str]) -> int:
        """Forget dead letters that were replayed, are given up or have nothing to wait for. Returns how many were still there."""
        ids = list(letters)
        if not ids:
            return 0
        # The blobs first: interrupted, the letters are still there to be removed once more, and no blob is held for nobody.
        await self._blobs.drop_refs(map(dead_ref, ids))
        return int((await self._letters.delete_many({"_id": {"$in": ids}})).deleted_count)

    async def settled(self, row: str | None = None) -> Sequence[str]:
        """Return the letters about copies (or about one) that no operator has to decide on: one letter stands for each quarantined copy.

        Their copy came to another end (a later try was handled, it is gone from the mailbox, its account was purged), or a
        newer letter is about it. A copy that is on its way again may need its letter still.
        """
        about: Doc = {"row": {"$ne": None} if row is None else row}
        letters = [one async for one in self._letters.find(about, {"row": 1}).sort([("at", -1), ("_id", -1)])]
        rows = list({one["row"] for one in letters})
        found = self._ledger.find({"_id": {"$in": rows}}, {"state": 1})
        states = {one["_id"]: one["state"] async for one in found}
        newest = {one["row"]: one["_id"] for one in reversed(letters)}
        return [one["_id"] for one in letters if one["_id"] != newest[one["row"]] or states.get(one["row"]) in _ENDED]

    async def count(self) -> int:
        """Return how many there are."""
        return int(await self._letters.count_documents({}))

    async def by_reason(self) -> Mapping[str, int]:
        """Return how many there are of each reason."""
        found = await self._letters.aggregate([{"$group": {"_id": "$reason", "count": {"$sum": 1}}}])
        return {document["_id"]: document["count"] async for document in found}
