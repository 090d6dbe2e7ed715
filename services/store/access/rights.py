"""Which records a user may read: the only place that defines "V may read R" of the sharing rule."""

from __future__ import annotations

from collections.abc import Collection

from schemas.accounts import User
from schemas.records import RecordKind, RecordRef
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.crm.record_fields import id_candidates, readers_of, record_id


class RecordRights:
    """The CRM's rights, as far as the CRM states them.

    Without a field that lists readers (``StoreConfig.readers_field``) every user may read every record, as in most CRMs.
    With such a field, a record that lists readers may be read by them and by its owner. Every user may read a record with an empty
    list. No user may read a record that the CRM does not have.
    """

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._records = collections.records
        self._config = config

    async def readable(self, viewer: User, records: Collection[RecordRef]) -> frozenset[RecordRef]:
        """Return which of the records a user may read."""
        if not self._config.readers_field:
            return frozenset(records)
        by_kind: dict[RecordKind, list[object]] = {}
        for ref in records:
            by_kind.setdefault(ref.kind, []).extend(id_candidates(ref.id))
        roots = {name.split(".")[0]: 1 for name in (self._config.readers_field, self._config.owner_field)}
        found: set[RecordRef] = set()
        for kind, ids in by_kind.items():
            async for document in self._records[kind].find({"_id": {"$in": ids}}, roots):
                readers = readers_of(document, self._config)
                if readers is None or viewer.email in readers:
                    found.add(RecordRef(kind=kind, id=record_id(document["_id"])))
        return frozenset(found.intersection(records))
