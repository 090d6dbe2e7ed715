"""Everything stored about one address, for a data subject, whether or not a record has the address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from schemas.emails import Link
from schemas.ledger import LEFT_OUT, UNFINISHED, Row, RowState
from schemas.records import RecordRef
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode
from services.store.crm.erasures import Erasures
from services.store.crm.record_addresses import RecordAddresses
from services.store.ledger.ledger import Ledger
from services.store.ledger.ledger_rows import row_of
from services.store.mail.dead_letters import DeadLetter
from services.store.mail.links import Links

AT_ONCE = 500


class Mentioned(NamedTuple):
    """An email that names an address, or is on a record because of it."""

    key: str
    links: tuple[Link, ...]
    """All of its links, on any record."""

    def of(self, address: str) -> list[Link]:
        """Return the links that have the address as a reason."""
        return [link for link in self.links if any(match.address == address for match in link.matches)]

    def kept_without(self, address: str) -> bool:
        """Whether it would be on a record without the address."""
        return any(match.address != address for link in self.links for match in link.matches)


class DataSubjects:
    """Finds what is stored about an address."""

    def __init__(
        self, collections: Collections, *, record_addresses: RecordAddresses, links: Links, ledger: Ledger
    ) -> None:
        self._emails = collections.emails
        self._rows = collections.ledger
        self._dead_letters = collections.dead_letters
        self._erasures = Erasures(collections)
        self._record_addresses = record_addresses
        self._links = links
        self._ledger = ledger

    def hashes_of(self, address: str) -> list[bytes]:
        """Return the hashes of a normal address by all keys, that by the current secret first."""
        return self._record_addresses.hashes([address])

    def audit_names(self, address: str) -> list[str]:
        """Return how the audit log names a normal address: by its hashes, so that the log holds no address. New entries use the first."""
        return [f"address:{one.hex()}" for one in self.hashes_of(address)]

    async def records_of(self, address: str) -> list[RecordRef]:
        """Return the records that have or had a normal address, including records for which it was erased."""
        known = (await self._record_addresses.known([address])).get(address, [])
        return list(dict.fromkeys([*known, *await self._erasures.with_hashes(self.hashes_of(address))]))

    async def mentions(self, address: str) -> AsyncIterator[list[Mentioned]]:
        """Iterate, in batches, over the emails that name a normal address or are linked by it."""
        keys: dict[str, None] = {}
        async for found in self._emails.find({"participants.address": address}, {"_id": 1}):
            keys[found["_id"]] = None
        keys |= dict.fromkeys(row.email for row in await self._ledger.with_bcc([address]))
        for record in await self.records_of(address):
            async for links in self._links.of_record(record, batch=AT_ONCE):
                by_it = [link.email for link in links if any(match.address == address for match in link.matches)]
                keys |= dict.fromkeys(by_it)
        names = list(keys)
        for start in range(0, len(names), AT_ONCE):
            part = names[start : start + AT_ONCE]
            links_of = await self._links.of_emails(part)
            yield [Mentioned(key, tuple(links_of.get(key, ()))) for key in part]

    async def unread(self, address: str) -> AsyncIterator[Row]:
        """Iterate over the copies that have only a row, with the address's hash."""
        named: Doc = {"marks": {"$in": self.hashes_of(address)}, "email": {"$exists": False}}
        # One part for each index of rows without an email: "marks", "left_out" and "waiting".
        parts: list[Doc] = [
            {"state": RowState.UNMATCHED.value},
            {"state": {"$in": [state.value for state in LEFT_OUT]}},
            {"state": {"$in": [state.value for state in UNFINISHED]}, "account": {"$gt": ""}},
        ]
        async for document in self._rows.find({"$or": [{**named, **part} for part in parts]}):
            yield row_of(document)

    async def dead_letters(self, address: str) -> list[DeadLetter]:
        """Return the dead letters about mail that names the address, with their bodies. Reads all dead letters.

        Nothing is known of mail that could not be read but its text.
        """
        needle = address.encode()
        query: Doc = {"marks": {"$in": self.hashes_of(address)}, "state": RowState.QUARANTINED.value}
        rows = {found["_id"] async for found in self._rows.find(query, {"_id": 1})}
        return [
            decode(DeadLetter, document)
            async for document in self._dead_letters.find()
            if document.get("row") in rows or needle in document["body"].lower()
        ]
