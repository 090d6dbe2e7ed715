"""Changes of leads and contacts in the CRM, by change stream. It resumes after a stop and misses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.errors import OperationFailure

from schemas.records import RecordRef
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc, now
from services.store.crm.record_fields import record_id

_WATCH = "watch"
_CANNOT_RESUME = frozenset({136, 260, 280, 286})
"""CappedPositionLost, InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost: they need a full scan."""
_BATCH = 500
_LOOK = 0.2
"""Seconds between two polls. A server that waits for a change wakes up for every write to any collection."""


class RecordChange(NamedTuple):
    """A lead or contact that was created, changed or deleted. Read its current state."""

    ref: RecordRef
    at: datetime


class RecordChangeBatch(NamedTuple):
    """Changes, and the token to save once all of them are on the queue. The token is None while a scan continues."""

    changes: list[RecordChange]
    token: Mapping[str, Any] | None


class RecordWatch:
    """One process at a time should watch (``store.singleton_lease``). Several do no harm, because events are idempotent."""

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._crm = collections.crm
        self._records = collections.records
        self._counters = collections.counters
        self._addresses = collections.addresses
        self._summary = config.summary_field

    async def watch(self, *, idle: float = 1.0) -> AsyncGenerator[RecordChangeBatch]:
        """Iterate over changes without end, from the saved token on. Without a valid token, iterate over every record first.

        Args:
            idle: seconds without a change after which an empty ``RecordChangeBatch`` carries a newer token,
                so that the token of a quiet CRM does not expire.
        """
        saved = await self._counters.find_one({"_id": _WATCH})
        token = saved and saved.get("token")
        while True:
            try:
                async for batch in self._follow(token, idle):
                    token = batch.token or token
                    yield batch
            except OperationFailure as error:
                if error.code not in _CANNOT_RESUME or token is None:
                    raise
                token = None

    async def save_resume_token(self, token: Mapping[str, Any]) -> None:
        """Save the token of the last change that is on the queue."""
        await self._counters.update_one({"_id": _WATCH}, {"$set": {"token": dict(token)}}, upsert=True)

    async def _follow(self, token: Mapping[str, Any] | None, idle: float) -> AsyncGenerator[RecordChangeBatch]:
        stream = await self._crm.watch(self._pipeline(), resume_after=token, max_await_time_ms=1)
        async with stream:
            if token is None:
                # The stream is open already, so changes during the scan arrive after it.
                async for part in self._scan():
                    yield RecordChangeBatch(part, None)
                yield RecordChangeBatch([], stream.resume_token)
            while stream.alive:
                changes = await self._some(stream)
                quiet = 0.0
                while not changes and quiet < idle:
                    await asyncio.sleep(_LOOK)
                    quiet += _LOOK
                    changes = await self._some(stream)
                yield RecordChangeBatch(changes, stream.resume_token)

    async def _some(self, stream: AsyncChangeStream[Doc]) -> list[RecordChange]:
        """Return the changes that are available now."""
        changes: list[RecordChange] = []
        while len(changes) < _BATCH and (change := await stream.try_next()) is not None:
            changes.append(self._change(change))
        return changes

    async def _scan(self) -> AsyncIterator[list[RecordChange]]:
        """Iterate over every record, and over indexed records that no longer exist."""
        moment = now()
        for kind, collection in self._records.items():
            seen: set[str] = set()
            part: list[RecordChange] = []
            async for document in collection.find({}, {"_id": 1}):
                ref = RecordRef(kind=kind, id=record_id(document["_id"]))
                seen.add(ref.id)
                part.append(RecordChange(ref, moment))
                if len(part) == _BATCH:
                    yield part
                    part = []
            indexed = await self._addresses.distinct("record.id", {"record.kind": kind})
            part += [RecordChange(RecordRef(kind=kind, id=name), moment) for name in indexed if name not in seen]
            if part:
                yield part

    def _change(self, change: Mapping[str, Any]) -> RecordChange:
        kind = next(kind for kind, collection in self._records.items() if collection.name == change["ns"]["coll"])
        wall: datetime = change.get("wallTime") or datetime.fromtimestamp(change["clusterTime"].time, UTC)
        return RecordChange(RecordRef(kind=kind, id=record_id(change["documentKey"]["_id"])), wall)

    def _pipeline(self) -> list[Doc]:
        """Return the stages that select leads and contacts. An update of only the summary field is Leadmail's own."""
        ours = {
            "$or": [{"$eq": ["$$name", self._summary]}, {"$eq": [{"$indexOfCP": ["$$name", f"{self._summary}."]}, 0]}]
        }
        updated = {"$map": {"input": {"$objectToArray": "$updateDescription.updatedFields"}, "in": "$$this.k"}}
        truncated = {"$map": {"input": {"$ifNull": ["$updateDescription.truncatedArrays", []]}, "in": "$$this.field"}}
        names = {"$concatArrays": [updated, "$updateDescription.removedFields", truncated]}
        others = {"$filter": {"input": names, "as": "name", "cond": {"$not": [ours]}}}
        relevant = {
            "$or": [
                {"$in": ["$operationType", ["insert", "replace", "delete"]]},
                {"$and": [{"$eq": ["$operationType", "update"]}, {"$gt": [{"$size": {"$ifNull": [others, []]}}, 0]}]},
            ]
        }
        collections = [collection.name for collection in self._records.values()]
        fields = {"operationType": 1, "ns": 1, "documentKey": 1, "clusterTime": 1, "wallTime": 1}
        return [{"$match": {"ns.coll": {"$in": collections}, "$expr": relevant}}, {"$project": fields}]
