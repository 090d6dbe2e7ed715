"""What could not be handled: kept with its body until an operator replays or drops it. Documents of ``dead_letters``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from schemas.base import Contract
from services.store.collections import Collections
from services.store.documents import Doc, decode, encode
from services.store.errors import NotFoundError


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


class DeadLetters:
    """What the matcher puts here and the command line takes out."""

    def __init__(self, collections: Collections) -> None:
        self._letters = collections.dead_letters

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

    async def remove(self, letter: str) -> bool:
        """Forget a dead letter that was replayed or is given up; False when it was gone already."""
        return bool((await self._letters.delete_one({"_id": letter})).deleted_count)

    async def count(self) -> int:
        """Return how many there are."""
        return int(await self._letters.count_documents({}))

    async def by_reason(self) -> Mapping[str, int]:
        """Return how many there are of each reason."""
        found = await self._letters.aggregate([{"$group": {"_id": "$reason", "count": {"$sum": 1}}}])
        return {document["_id"]: document["count"] async for document in found}
