"""Leads and contacts in the CRM's collections: read, listed, added."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import NamedTuple

from schemas.addresses import normal_address
from schemas.records import Record, RecordKind, RecordRef
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc
from services.store.core.errors import NotFoundError
from services.store.crm.record_fields import (
    addresses_of,
    has_unreadable_address,
    id_candidates,
    new_document,
    record_id,
    record_of,
    text_paths,
)

_AT_ONCE = 1000
_MOST_WORDS = 10


class NewRecord(NamedTuple):
    """A lead or contact to add."""

    addresses: tuple[str, ...]
    """The first is the main address."""
    name: str = ""
    owner: str | None = None
    company: str | None = None


class Records:
    """Reads only the configured fields, and never changes an existing document: ``OwnRecords`` does, of those that this class added."""

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._records = collections.records
        self._addresses = collections.addresses
        self._config = config
        names = [name.strip() for field in config.name_fields for name in field.split(",")]
        roots = {
            name.split(".")[0] for name in (*config.address_fields, *names, config.owner_field, config.company_field)
        }
        self._fields = dict.fromkeys(sorted(roots), 1)

    async def read(self, ref: RecordRef) -> Record | None:
        """Return a record as the CRM has it now; None if it does not exist."""
        document = await self._records[ref.kind].find_one({"_id": {"$in": id_candidates(ref.id)}}, self._fields)
        return None if document is None else record_of(ref.kind, document, self._config)

    async def read_many(self, refs: Iterable[RecordRef]) -> dict[RecordRef, Record]:
        """Return records as the CRM has them now, without those that do not exist."""
        found: dict[RecordRef, Record] = {}
        by_kind: dict[RecordKind, list[object]] = {}
        for ref in refs:
            by_kind.setdefault(ref.kind, []).extend(id_candidates(ref.id))
        for kind, ids in by_kind.items():
            async for document in self._records[kind].find({"_id": {"$in": ids}}, self._fields):
                record = record_of(kind, document, self._config)
                found[record.ref] = record
        return found

    async def add(self, kind: RecordKind, new: NewRecord) -> Record:
        """Add a lead or contact to the CRM's collection.

        Raises:
            InvalidAddressError: one of the addresses is not valid.
        """
        document = self._new(new)
        await self._records[kind].insert_one(document)
        return record_of(kind, document, self._config)

    async def import_many(
        self,
        kind: RecordKind,
        records: Iterable[NewRecord],
        *,
        progress: Callable[[int, int], None] | None = None,
        dry_run: bool = False,
    ) -> tuple[int, int]:
        """Add records, except those with an address that the kind has already. Returns (added, omitted).

        Args:
            kind: lead or contact.
            records: what to add.
            progress: called with (records done, total) after each part.
            dry_run: only count.

        Raises:
            InvalidAddressError: one of the addresses is not valid. Nothing was added.
        """
        documents = [self._new(new) for new in records]
        known: set[str] = set()
        async for document in self._records[kind].find({}, self._fields):
            known.update(addresses_of(document, self._config.address_fields))
        fresh: list[Doc] = []
        for document in documents:
            addresses = set(addresses_of(document, self._config.address_fields))
            if not addresses & known:
                fresh.append(document)
                known |= addresses
        left_out = len(documents) - len(fresh)
        for start in range(0, 0 if dry_run else len(fresh), _AT_ONCE):
            part = fresh[start : start + _AT_ONCE]
            await self._records[kind].insert_many(part)
            if progress is not None:
                progress(left_out + start + len(part), len(documents))
        return len(fresh), len(documents) - len(fresh)

    async def newest(self, kind: RecordKind, *, limit: int = 1000, among: Doc | None = None) -> list[Record]:
        """Return the newest records of a kind (by id), newest first; ``among`` is a query that selects CRM documents."""
        found = self._records[kind].find(among or {}, self._fields).sort("_id", -1).limit(limit)
        return [record_of(kind, document, self._config) async for document in found]

    async def unreadable(self, *, limit: int = 100_000) -> list[RecordRef]:
        """Return those of the newest records of each kind that have an address which cannot be read."""
        fields = self._config.address_fields
        return [
            RecordRef(kind=kind, id=record_id(document["_id"]))
            for kind, collection in self._records.items()
            async for document in collection.find({}, self._fields).sort("_id", -1).limit(limit)
            if has_unreadable_address(document, fields)
        ]

    async def matching(self, text: str, *, among: Doc | None = None) -> AsyncIterator[Record]:
        """Iterate over records that contain every word of a text, first those with an address that begins with it.

        Names are searched in the CRM's own collections, which is a scan unless the CRM has an index.

        Args:
            text: at most ten words of it count.
            among: a query that selects CRM documents. Others have no effect, not even on the number of documents that are examined.
        """
        words = [re.escape(word) for word in text.lower().split()[:_MOST_WORDS]]
        if not words:
            return
        seen: set[RecordRef] = set()
        if len(words) == 1:
            async for scope in self._scopes(among):
                start: Doc = {"address": {"$regex": f"^{words[0]}"}, **scope}
                refs = [
                    RecordRef(**found["record"])
                    async for found in self._addresses.find(start, {"record": 1})
                    .sort("address", 1)
                    # Within a part of the records, the other index would walk over addresses of all records.
                    .hint("record" if scope else "address")
                    .limit(_AT_ONCE)
                ]
                for ref, record in (await self.read_many(refs)).items():
                    seen.add(ref)
                    yield record
        names = [name.strip() for field in self._config.name_fields for name in field.split(",")]
        fields = [*names, self._config.company_field]
        query: Doc = {
            "$and": [{"$or": [{field: {"$regex": word, "$options": "i"}} for field in fields]} for word in words]
        }
        if among is not None:
            query["$and"].insert(0, among)
        for kind, collection in self._records.items():
            async for document in collection.find(query, self._fields).sort("_id", -1):
                record = record_of(kind, document, self._config)
                if record.ref not in seen:
                    yield record

    async def _scopes(self, among: Doc | None) -> AsyncIterator[Doc]:
        """Iterate over queries for addresses of the selected records: one for all, or one per part of the records."""
        if among is None:
            yield {}
            return
        for kind, collection in self._records.items():
            ids: list[str] = []
            async for document in collection.find(among, {"_id": 1}).sort("_id", -1):
                ids.append(record_id(document["_id"]))
                if len(ids) == _AT_ONCE:
                    yield {"record.kind": kind, "record.id": {"$in": ids}}
                    ids = []
            if ids:
                yield {"record.kind": kind, "record.id": {"$in": ids}}

    async def find(self, name: str) -> list[Record]:
        """Return the records of an address (current or past), or the record named by ``<kind>:<id>`` or an id.

        Raises:
            NotFoundError: there is no such record.
        """
        wanted = name.strip()
        kind, _, identifier = wanted.rpartition(":")
        kinds: list[RecordKind] = [one for one in self._records if kind in ("", one)]
        if "@" in wanted:
            refs = await self._by_address(normal_address(wanted))
        else:
            refs = [RecordRef(kind=one, id=identifier) for one in kinds]
        if found := await self.read_many(refs):
            return list(found.values())
        raise NotFoundError(f"there is no lead or contact {name}")

    async def _by_address(self, address: str) -> list[RecordRef]:
        refs = {
            RecordRef(**found["record"]): None
            async for found in self._addresses.find({"address": address}, {"record": 1})
        }
        # The index lags behind the CRM by a moment, so look in the source, too.
        paths = [path for field in self._config.address_fields for path in text_paths(field)]
        for kind, collection in self._records.items():
            query = {"$or": [{path: address} for path in paths]}
            async for document in collection.find(query, self._fields).limit(20):
                refs[record_of(kind, document, self._config).ref] = None
        return list(refs)

    def _new(self, new: NewRecord) -> Doc:
        addresses: Sequence[str] = [normal_address(address) for address in new.addresses]
        if not addresses:
            raise ValueError("a lead or contact needs at least one address")
        return new_document(self._config, addresses, name=new.name, owner=new.owner, company=new.company)
