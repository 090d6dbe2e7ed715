"""Follows ledger and epochs in the database's change stream, and so knows what came first: the last final row, or the confirmation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from testbed.chaos.proof.stored import UNFINISHED

_PAUSE_S = 0.3


class Place(NamedTuple):
    """Where a row's message is: account, folder's id, uidvalidity, uid."""

    account: str
    folder: str
    uidvalidity: int
    uid: int


class Completion(NamedTuple):
    """When a backfill became complete."""

    order: int
    at: float
    """Unix time."""


class Observed(NamedTuple):
    """What was seen so far."""

    final: dict[str, int]
    """When a row was in a final state for the first time, as a number in the order of everything; by row."""
    places: dict[str, Place]
    complete: dict[tuple[str, int], Completion]
    """By account and epoch."""


class Observer:
    """Watches one database in its own task. It resumes after elections and broken connections."""

    def __init__(self, url: str, database: str) -> None:
        self._url = url
        self._database = database
        self._number = 0
        self._ready = asyncio.Event()
        self._seen = 0.0
        self._task: asyncio.Task[None] | None = None
        self.observed = Observed({}, {}, {})

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({self._task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def caught_up(self) -> None:
        """Return once everything that has happened so far was seen.

        Raises:
            RuntimeError: the change stream no longer has it.
        """
        moment = time.monotonic()
        while self._seen < moment:
            if self._task is None or self._task.done():
                raise RuntimeError("the observer has ended: nothing can be said of the order of things") from (
                    self._task.exception() if self._task else None
                )
            await asyncio.sleep(_PAUSE_S / 3)

    async def _follow(self) -> None:
        token: Mapping[str, Any] | None = None
        pipeline = [{"$match": {"ns.coll": {"$in": ["ledger", "epochs"]}}}]
        async with AsyncMongoClient[dict[str, Any]](self._url, appname="observer", retryReads=True) as client:
            while True:
                try:
                    database = client[self._database]
                    async with await database.watch(pipeline, resume_after=token, max_await_time_ms=300) as stream:
                        self._ready.set()
                        while True:
                            asked = time.monotonic()
                            event = await stream.try_next()
                            token = stream.resume_token
                            if event is None:
                                self._seen = asked
                            else:
                                self._take(event)
                except PyMongoError:
                    if token is None and self._ready.is_set():
                        raise
                    await asyncio.sleep(_PAUSE_S)

    def _take(self, event: Mapping[str, Any]) -> None:
        self._number += 1
        key = event.get("documentKey", {}).get("_id", "")
        document = event.get("fullDocument") if event["operationType"] in {"insert", "replace"} else None
        fields = document or event.get("updateDescription", {}).get("updatedFields", {})
        if event["ns"]["coll"] == "ledger":
            if document is not None:
                place = Place(document["account"], document["folder"], document["uidvalidity"], document["uid"])
                self.observed.places[key] = place
            if (state := fields.get("state")) is not None and state not in UNFINISHED:
                self.observed.final.setdefault(key, self._number)
        elif fields.get("state") == "complete":
            account, _, number = key.partition(".")
            wall: datetime = event["wallTime"]
            at = wall.replace(tzinfo=wall.tzinfo or UTC).timestamp()
            self.observed.complete.setdefault((account, int(number)), Completion(self._number, at))
