"""Addresses that a record no longer stands for although the CRM still names them: erased by an administrator. Documents of ``erasures``.

Kept is the record and the address's mark, nothing readable. It ends when the record no longer has the address, or is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pymongo import UpdateOne

from schemas.records import RecordKind, RecordRef
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now


class Erasures:
    """What ``record_addresses`` asks before it makes an address known."""

    def __init__(self, collections: Collections) -> None:
        self._erasures = collections.erasures

    async def add(self, records: Iterable[RecordRef], mark: bytes) -> None:
        """Note that an address is not to lead mail to these records any more."""
        writes = [
            UpdateOne(
                {"_id": f"{ref}/{mark.hex()}"},
                {"$setOnInsert": {"record": {"kind": ref.kind, "id": ref.id}, "mark": mark, "at": now()}},
                upsert=True,
            )
            for ref in records
        ]
        if writes:
            await self._erasures.bulk_write(writes, ordered=False)

    async def of(self, records: Iterable[RecordRef]) -> dict[RecordRef, set[bytes]]:
        """Return the marks of the addresses that were erased, by record."""
        found: dict[RecordRef, set[bytes]] = {}
        for query in _by_kind(records):
            async for document in self._erasures.find(query):
                found.setdefault(RecordRef(**document["record"]), set()).add(document["mark"])
        return found

    async def with_mark(self, mark: bytes) -> list[RecordRef]:
        """Return the records for which an address was erased."""
        return [RecordRef(**document["record"]) async for document in self._erasures.find({"mark": mark})]

    async def end(self, marks: Mapping[RecordRef, Collection[bytes]]) -> None:
        """Forget erasures: the records no longer have these addresses, so that adding them again is a new beginning."""
        ids = [f"{ref}/{mark.hex()}" for ref, several in marks.items() for mark in several]
        if ids:
            await self._erasures.delete_many({"_id": {"$in": ids}})

    async def forget(self, record: RecordRef) -> None:
        """Forget the erasures of a deleted record."""
        await self._erasures.delete_many({"record.kind": record.kind, "record.id": record.id})


def _by_kind(records: Iterable[RecordRef]) -> list[Doc]:
    ids: dict[RecordKind, list[str]] = {}
    for ref in records:
        ids.setdefault(ref.kind, []).append(ref.id)
    return [{"record.kind": kind, "record.id": {"$in": several}} for kind, several in ids.items()]
