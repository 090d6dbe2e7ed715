"""The index of all records' addresses, its version, and addresses whose history is still to be found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from pymongo import UpdateOne

from schemas.identity import address_hash
from schemas.records import KnownAddress, Record, RecordRef
from services.store.core.blind_index import BlindIndex
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc, at_domains, decode, encode, now
from services.store.core.mark_keys import MarkKeys
from services.store.crm.erasures import Erasures
from services.store.crm.record_fields import by_kind

_VERSION = "addresses"
_CAUGHT_UP = "caught-up"


class RecordAddresses:
    """Looks up which addresses are relevant, and holds one half of the protocol for late addresses.

    A reader takes ``version()``, looks up, writes its rows, and takes ``version()`` again; if it has moved, it looks up
    again. The writer inserts addresses, moves the version (both in ``put_many``), and sweeps the ledger by hash. In any
    order, one of the two sees the other.
    """

    def __init__(self, collections: Collections, config: StoreConfig, mark_keys: MarkKeys) -> None:
        self._mark_keys = mark_keys
        self._addresses = collections.addresses
        self._counters = collections.counters
        self._erasures = Erasures(collections)
        self._blind_index = BlindIndex(config)

    async def known(self, addresses: Iterable[str]) -> dict[str, list[RecordRef]]:
        """Return the records of normal addresses, current or past, without unknown addresses."""
        wanted = self._blind_index.by_address_hash(addresses)
        if not wanted:
            return {}
        records: dict[str, list[RecordRef]] = {}
        # With these fields the index covers the query.
        fields = {"_id": 0, "mark": 1, "record.kind": 1, "record.id": 1}
        async for found in self._addresses.find({"mark": {"$in": list(wanted)}}, fields):
            records.setdefault(wanted[found["mark"]], []).append(RecordRef(**found["record"]))
        return records

    async def at_domains(self, domains: Collection[str]) -> list[tuple[str, RecordRef]]:
        """Return the current addresses at domains (or below them), each with its record. Walks over the whole index."""
        if not domains:
            return []
        found = self._addresses.find({"address": at_domains(domains), "current": True}, {"address": 1, "record": 1})
        return [(one["address"], RecordRef(**one["record"])) async for one in found]

    async def version(self) -> int:
        """Return the version of the index. It grows whenever an address becomes known or is removed."""
        document = await self._counters.find_one({"_id": _VERSION})
        return 0 if document is None else int(document["value"])

    async def catch_up(self) -> None:
        """Write, so that this process's next reads see all that was committed before, wherever it was read or written.

        An event says that another process saw a change; a server that became primary just now may not show it yet.
        """
        await self._counters.update_one({"_id": _CAUGHT_UP}, {"$inc": {"value": 1}}, upsert=True)

    async def put_many(self, records: Iterable[Record]) -> dict[RecordRef, list[str]]:
        """Update the index from records. Addresses that a record lost stay as history; erased addresses stay out.

        Returns, by record, the addresses whose history is not imported yet: sweep the ledger by their hashes, link
        stored emails, then call ``swept``. After a crash in between, the next call returns them again.
        """
        wanted = {record.ref: record for record in records}
        stored: dict[RecordRef, dict[str, KnownAddress]] = {}
        for known in await self._of_records(wanted):
            stored.setdefault(known.record, {})[known.address] = known
        erased = await self._erased(wanted)
        key = await self._mark_keys.current()
        writes = [
            write
            for ref, record in wanted.items()
            for write in self._writes(record, stored.get(ref, {}), erased.get(ref, frozenset()), key)
        ]
        if writes:
            await self._addresses.bulk_write(writes, ordered=False)
            # ``erase_address`` notes the erasure first and then removes the address, so one of the two sees the other.
            await self._remove(await self._erased(wanted))
        new: dict[RecordRef, list[str]] = {}
        for known in await self._of_records(wanted, swept=False):
            new.setdefault(known.record, []).append(known.address)
        if new:
            await self._bump_version()
        return new

    def _writes(
        self, record: Record, stored: dict[str, KnownAddress], erased: Collection[bytes], key: tuple[str, bytes]
    ) -> list[UpdateOne]:
        moment, writes, (key_id, secret) = now(), list[UpdateOne](), key
        for address in record.addresses:
            name = f"{record.ref}/{address}"
            if address not in stored:
                if not set(self._blind_index.address(address)).isdisjoint(erased):
                    continue
                mark = address_hash(secret, address)
                known = KnownAddress(address=address, record=record.ref, mark=mark, mark_key=key_id, since=moment)
                document = {**encode(known, name), "swept": False}
                del document["_id"]
                writes.append(UpdateOne({"_id": name}, {"$setOnInsert": document}, upsert=True))
            elif not stored[address].current:
                writes.append(UpdateOne({"_id": name}, {"$set": {"current": True}}))
        dropped = [known for known in stored.values() if known.current and known.address not in record.addresses]
        return writes + [
            UpdateOne({"_id": f"{record.ref}/{one.address}"}, {"$set": {"current": False}}) for one in dropped
        ]

    async def _erased(self, records: Mapping[RecordRef, Record]) -> dict[RecordRef, set[bytes]]:
        """Return the hashes of erased addresses, by all keys, by record. Ends erasures of addresses that a record no longer has."""
        erased = await self._erasures.of(records)
        ended = {ref: hashes.difference(self.hashes(records[ref].addresses)) for ref, hashes in erased.items()}
        await self._erasures.end(ended)
        return {
            ref: {
                one
                for address in records[ref].addresses
                if not hashes.isdisjoint(every := self._blind_index.address(address))
                for one in every
            }
            for ref, hashes in erased.items()
        }

    async def _remove(self, erased: Mapping[RecordRef, Collection[bytes]]) -> None:
        for ref, hashes in erased.items():
            query = {"record.kind": ref.kind, "record.id": ref.id, "mark": {"$in": list(hashes)}}
            await self._addresses.delete_many(query)

    async def erase_address(self, address: str) -> list[RecordRef]:
        """Remove an address from the index although records have it, until they get it again. Returns the records that had it."""
        records = (await self.known([address])).get(address, [])
        key_id, secret = await self._mark_keys.current()
        await self._erasures.add(records, address_hash(secret, address), key_id)
        await self._remove({ref: self._blind_index.address(address) for ref in records})
        await self._bump_version()
        return records

    async def swept(self, addresses: Mapping[RecordRef, Iterable[str]]) -> None:
        """Note that the history of addresses was searched for, for many records at once."""
        ids = [f"{record}/{address}" for record, several in addresses.items() for address in several]
        await self._addresses.update_many({"_id": {"$in": ids}}, {"$set": {"swept": True}})

    async def addresses_of(self, record: RecordRef) -> list[KnownAddress]:
        """Return the addresses of a record, including past ones."""
        return await self._of_records([record])

    async def _of_records(self, records: Iterable[RecordRef], **fields: bool) -> list[KnownAddress]:
        found: list[KnownAddress] = []
        for kind, ids in by_kind(records).items():
            query: Doc = {"record.kind": kind, "record.id": {"$in": ids}, **fields}
            found += [decode(KnownAddress, document) async for document in self._addresses.find(query)]
        return found

    async def forget(self, record: RecordRef) -> list[str]:
        """Remove a deleted record from the index. Returns its addresses. The caller removes its links."""
        addresses = [known.address for known in await self.addresses_of(record)]
        await self._addresses.delete_many({"record.kind": record.kind, "record.id": record.id})
        await self._erasures.forget(record)
        await self._bump_version()
        return addresses

    async def _bump_version(self) -> None:
        """Make matchers and pollers that used the previous index look up again."""
        await self._counters.update_one({"_id": _VERSION}, {"$inc": {"value": 1}}, upsert=True)

    def hashes(self, addresses: Iterable[str]) -> list[bytes]:
        """Return the hashes of addresses, by all keys."""
        return list(self._blind_index.by_address_hash(addresses))

    def message_id_hashes(self, message_ids: Iterable[str]) -> list[bytes]:
        """Return the hashes of Message-IDs, by all keys."""
        return list(self._blind_index.by_message_id_hash(message_ids))
