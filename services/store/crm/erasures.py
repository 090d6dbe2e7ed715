"""Addresses that an administrator erased although the CRM's record still names them.

An erasure holds the record and the address's hash, nothing readable. It ends when the record loses the address or is deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from pymongo import UpdateOne

from schemas.records import RecordRef
from services.store.core.collections import Collections
from services.store.core.documents import now
from services.store.crm.record_fields import by_kind


class Erasures:
    """Keeps erased addresses out of the index of addresses."""

    def __init__(self, collections: Collections) -> None:
        self._erasures = collections.erasures

    async def add(
        self, records: Iterable[RecordRef], address_hash: bytes, key: str, *, at: datetime | None = None
    ) -> None:
        """Note that an address, by its hash with a key, must no longer link mail to these records; since now, or an earlier time."""
        writes = [
            UpdateOne(
                {"_id": f"{ref}/{address_hash.hex()}"},
                {
                    "$setOnInsert": {
                        "record": {"kind": ref.kind, "id": ref.id},
                        "mark": address_hash,
                        "mark_key": key,
                        "at": at or now(),
                    }
                },
                upsert=True,
            )
            for ref in records
        ]
        if writes:
            await self._erasures.bulk_write(writes, ordered=False)

    async def of(self, records: Iterable[RecordRef]) -> dict[RecordRef, set[bytes]]:
        """Return the hashes of erased addresses by record."""
        found: dict[RecordRef, set[bytes]] = {}
        for kind, ids in by_kind(records).items():
            async for document in self._erasures.find({"record.kind": kind, "record.id": {"$in": ids}}):
                found.setdefault(RecordRef(**document["record"]), set()).add(document["mark"])
        return found

    async def with_hashes(self, hashes: Iterable[bytes]) -> list[RecordRef]:
        """Return the records for which an address was erased, by its hashes with all keys."""
        found = self._erasures.find({"mark": {"$in": list(hashes)}})
        return [RecordRef(**document["record"]) async for document in found]

    async def end(self, hashes: Mapping[RecordRef, Collection[bytes]]) -> None:
        """End erasures because the records no longer have these addresses. Adding them again links mail again."""
        ids = [f"{ref}/{one.hex()}" for ref, several in hashes.items() for one in several]
        if ids:
            await self._erasures.delete_many({"_id": {"$in": ids}})

    async def forget(self, record: RecordRef) -> None:
        """Remove the erasures of a deleted record."""
        await self._erasures.delete_many({"record.kind": record.kind, "record.id": record.id})
