"""The index of all records' addresses, its version, and what is newly known: documents of ``addresses``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pymongo import UpdateOne

from schemas.records import KnownAddress, Record, RecordKind, RecordRef
from services.store.core.blind_index import Marks
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc, decode, encode, now
from services.store.crm.erasures import Erasures

_VERSION = "addresses"


class RecordAddresses:
    """The look-up that decides what is relevant, and its half of the address race.

    A reader asks ``version()``, looks up, writes its rows, and asks ``version()`` again: when it has moved it looks up
    again. The other side inserts addresses, then moves the version (both in ``put_many``), then sweeps the ledger by mark. Whichever
    comes first, one of them sees the other.
    """

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._addresses = collections.addresses
        self._counters = collections.counters
        self._erasures = Erasures(collections)
        self._marks = Marks(config)

    async def known(self, addresses: Iterable[str]) -> dict[str, list[RecordRef]]:
        """Return the records of normal addresses, present or past; addresses of nobody are left out."""
        wanted = self._marks.of_addresses(addresses)
        if not wanted:
            return {}
        records: dict[str, list[RecordRef]] = {}
        # These fields only: the answer comes from the index, no document is read.
        fields = {"_id": 0, "mark": 1, "record.kind": 1, "record.id": 1}
        async for found in self._addresses.find({"mark": {"$in": list(wanted)}}, fields):
            records.setdefault(wanted[found["mark"]], []).append(RecordRef(**found["record"]))
        return records

    async def version(self) -> int:
        """Return the version of the index; it grows whenever an address becomes known or is forgotten."""
        document = await self._counters.find_one({"_id": _VERSION})
        return 0 if document is None else int(document["value"])

    async def put_addresses(self, record: Record) -> list[str]:
        """Do as ``put_many`` for one record. Returns its addresses whose history is not brought in yet."""
        return (await self.put_many([record])).get(record.ref, [])

    async def put_many(self, records: Iterable[Record]) -> dict[RecordRef, list[str]]:
        """Make the index say what records say; addresses that they no longer have stay as history, erased ones stay away.

        Returns, by record, the addresses whose history is not brought in yet: sweep the ledger by their marks, link
        stored emails, then call ``addresses_swept``. After a crash in between they are returned again.
        """
        wanted = {record.ref: record for record in records}
        stored: dict[RecordRef, dict[str, KnownAddress]] = {}
        for known in await self._of_records(wanted):
            stored.setdefault(known.record, {})[known.address] = known
        erased = await self._erased(wanted)
        writes = [
            write
            for ref, record in wanted.items()
            for write in self._writes(record, stored.get(ref, {}), erased.get(ref, frozenset()))
        ]
        if writes:
            await self._addresses.bulk_write(writes, ordered=False)
            # Who erases says so first and then takes the address out: one of the two sees the other.
            await self._take_out(await self._erased(wanted))
        new: dict[RecordRef, list[str]] = {}
        for known in await self._of_records(wanted, swept=False):
            new.setdefault(known.record, []).append(known.address)
        if new:
            await self._moved()
        return new

    def _writes(self, record: Record, stored: dict[str, KnownAddress], erased: Collection[bytes]) -> list[UpdateOne]:
        moment, writes = now(), []
        for address in record.addresses:
            key = f"{record.ref}/{address}"
            if address not in stored:
                mark = self._marks.address(address)
                if mark in erased:
                    continue
                known = KnownAddress(address=address, record=record.ref, mark=mark, since=moment)
                document = {**encode(known, key), "swept": False}
                del document["_id"]
                writes.append(UpdateOne({"_id": key}, {"$setOnInsert": document}, upsert=True))
            elif not stored[address].current:
                writes.append(UpdateOne({"_id": key}, {"$set": {"current": True}}))
        dropped = [known for known in stored.values() if known.current and known.address not in record.addresses]
        return writes + [
            UpdateOne({"_id": f"{record.ref}/{one.address}"}, {"$set": {"current": False}}) for one in dropped
        ]

    async def _erased(self, records: Mapping[RecordRef, Record]) -> dict[RecordRef, set[bytes]]:
        """Return the marks of erased addresses of records; what a record no longer has is not erased any more."""
        erased = await self._erasures.of(records)
        ended = {ref: marks.difference(self.marks(records[ref].addresses)) for ref, marks in erased.items()}
        await self._erasures.end(ended)
        return {ref: marks - ended[ref] for ref, marks in erased.items()}

    async def _take_out(self, erased: Mapping[RecordRef, Collection[bytes]]) -> None:
        for ref, marks in erased.items():
            query = {"record.kind": ref.kind, "record.id": ref.id, "mark": {"$in": list(marks)}}
            await self._addresses.delete_many(query)

    async def erase_address(self, address: str) -> list[RecordRef]:
        """Take an address out of the index although records have it, until they have it anew. Returns the records that had it."""
        records = (await self.known([address])).get(address, [])
        mark = self._marks.address(address)
        await self._erasures.add(records, mark)
        await self._take_out({ref: [mark] for ref in records})
        await self._moved()
        return records

    async def addresses_swept(self, record: RecordRef, addresses: Iterable[str]) -> None:
        """Note that the history of these addresses was looked for."""
        await self.swept({record: addresses})

    async def swept(self, addresses: Mapping[RecordRef, Iterable[str]]) -> None:
        """Do as ``addresses_swept`` for many records at once."""
        ids = [f"{record}/{address}" for record, several in addresses.items() for address in several]
        await self._addresses.update_many({"_id": {"$in": ids}}, {"$set": {"swept": True}})

    async def addresses_of(self, record: RecordRef) -> list[KnownAddress]:
        """Return the addresses of a record, past ones included."""
        return await self._of_records([record])

    async def _of_records(self, records: Iterable[RecordRef], **fields: bool) -> list[KnownAddress]:
        by_kind: dict[RecordKind, list[str]] = {}
        for ref in records:
            by_kind.setdefault(ref.kind, []).append(ref.id)
        found: list[KnownAddress] = []
        for kind, ids in by_kind.items():
            query: Doc = {"record.kind": kind, "record.id": {"$in": ids}, **fields}
            found += [decode(KnownAddress, document) async for document in self._addresses.find(query)]
        return found

    async def forget(self, record: RecordRef) -> list[str]:
        """Take a deleted record out of the index. Returns its addresses. Its links are the caller's to remove."""
        addresses = [known.address for known in await self.addresses_of(record)]
        await self._addresses.delete_many({"record.kind": record.kind, "record.id": record.id})
        await self._erasures.forget(record)
        await self._moved()
        return addresses

    async def _moved(self) -> None:
        """Have a matcher that linked by these addresses just now look again, and a poller that judged by them."""
        await self._counters.update_one({"_id": _VERSION}, {"$inc": {"value": 1}}, upsert=True)

    def marks(self, addresses: Iterable[str]) -> list[bytes]:
        """Return the ledger marks of addresses."""
        return [self._marks.address(address) for address in addresses]

    def thread_marks(self, message_ids: Iterable[str]) -> list[bytes]:
        """Return the ledger marks of Message-IDs."""
        return [self._marks.message_id(message_id) for message_id in message_ids]
