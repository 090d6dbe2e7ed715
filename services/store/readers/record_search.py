"""Leads and contacts found by users: those that a viewer may read, by address or by name."""

from __future__ import annotations

from typing import get_args

from schemas.records import Record, RecordKind, RecordRef
from services.store.access.guard import Guard
from services.store.core.errors import NotFoundError
from services.store.crm.records import Records

_BATCH = 100
_KINDS: tuple[RecordKind, ...] = get_args(RecordKind)


class RecordSearch:
    """Finds records. A record that the viewer may not read looks the same as one that does not exist.

    Every method raises NotFoundError for a viewer who is no active user.
    """

    def __init__(self, guard: Guard, records: Records) -> None:
        self._guard = guard
        self._records = records

    async def record(self, viewer: str, ref: RecordRef) -> Record:
        """Return a record that the viewer may read.

        Raises:
            NotFoundError: there is no such user, or no such record that they may read.
        """
        user = await self._guard.viewer(viewer)
        found = await self._records.read(ref) if await self._guard.may_read(user, ref) else None
        if found is None:
            raise NotFoundError(f"there is no {ref.kind} {ref.id}")
        return found

    async def named(self, viewer: str, refs: tuple[RecordRef, ...]) -> dict[RecordRef, Record]:
        """Return those of the records that the viewer may read and the CRM has."""
        user = await self._guard.viewer(viewer)
        return await self._records.read_many(await self._guard.readable(user, refs))

    async def newest(self, viewer: str, *, limit: int = 50) -> list[Record]:
        """Return the newest readable records of each kind, at most ``limit`` of a kind."""
        user = await self._guard.viewer(viewer)
        among = self._guard.possibly_readable(user)
        found = [one for kind in _KINDS for one in await self._records.newest(kind, limit=limit, among=among)]
        readable = await self._guard.readable(user, {one.ref for one in found})
        return [one for one in found if one.ref in readable]

    async def find(self, viewer: str, text: str, *, limit: int = 50) -> list[Record]:
        """Return readable records whose name, company or addresses contain every word of a text, newest first.

        An address matches by its start, a name by any part.
        """
        user = await self._guard.viewer(viewer)
        found: dict[RecordRef, Record] = {}
        batch: list[Record] = []

        async def keep() -> bool:
            readable = await self._guard.readable(user, {one.ref for one in batch})
            found.update({one.ref: one for one in batch if one.ref in readable})
            batch.clear()
            return len(found) >= limit

        async for record in self._records.matching(text, among=self._guard.possibly_readable(user)):
            batch.append(record)
            if len(batch) == _BATCH and await keep():
                break
        await keep()
        return list(found.values())[:limit]
