"""Which records a user may read: the only place that defines "V may read R" of the sharing rule."""

from __future__ import annotations

import re
from collections.abc import Collection

from schemas.records import RecordKind, RecordRef
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc
from services.store.crm.record_fields import id_candidates, readers_of, record_id, text_paths


class RecordRights:
    """The CRM's rights, as far as the CRM states them.

    Without a field that lists readers (``StoreConfig.readers_field``) every user may read every record, as in most CRMs.
    With such a field, a record that lists readers may be read by them and by its owner. Every user may read a record with an empty
    list. No user may read a record that the CRM does not have.
    """

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._records = collections.records
        self._config = config

    def condition(self, viewer: str) -> Doc | None:
        """Return the query for CRM documents that a user may possibly read, or None if that is every document.

        It keeps what ``readable`` would refuse out of a search, so that the search costs the same with and without it. ``readable``
        decides: the query knows neither every spelling of an address nor every form of a list.
        """
        if not self._config.readers_field:
            return None
        local, _, _ = viewer.rpartition("@")
        named = {"$regex": re.escape(local) if local.isascii() else "@", "$options": "i"}
        readers = text_paths(self._config.readers_field)
        listed: list[Doc] = [{path: {"$type": "string"}} for path in readers]
        paths = (*readers, *text_paths(self._config.owner_field))
        return {"$or": [{"$nor": listed}, *({path: named} for path in paths)]}

    async def readable(self, viewer: str, records: Collection[RecordRef]) -> frozenset[RecordRef]:
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
                if readers is None or viewer in readers:
                    found.add(RecordRef(kind=kind, id=record_id(document["_id"])))
        return frozenset(found.intersection(records))
