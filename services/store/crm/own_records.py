"""Leads and contacts that Leadmail added itself, where there is no CRM: edited and deleted. A document of the CRM's is never touched."""

from __future__ import annotations

from typing import NamedTuple

from schemas.addresses import normal_address
from schemas.records import Record, RecordRef
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc
from services.store.core.errors import NotAllowedError, NotFoundError
from services.store.core.fence import MongoSession
from services.store.crm.record_fields import ADDED_BY_LEADMAIL, id_candidates, record_of, written_values


class RecordEdit(NamedTuple):
    """What to change of a record. None leaves it as it is, an empty text removes it."""

    addresses: tuple[str, ...] | None = None
    """All of its addresses from now on, the first is the main one. Those that are left out stay as its history."""
    name: str | None = None
    owner: str | None = None
    company: str | None = None


class RecordMail(NamedTuple):
    """The mail on a record."""

    emails: int
    only_here: int
    """How many of these emails are on no other record."""


class OwnRecords:
    """Finds only documents with Leadmail's mark. The watch sees each change as it sees the CRM's, so that links follow."""

    def __init__(self, collections: Collections, config: StoreConfig, audit: Audit) -> None:
        self._records = collections.records
        self._links = collections.links
        self._config = config
        self._audit = audit

    async def check(self, ref: RecordRef) -> Record:
        """Return a record that may be changed.

        Raises:
            NotFoundError: it does not exist.
            NotAllowedError: Leadmail did not add it.
        """
        return record_of(ref.kind, await self._ours(ref), self._config)

    async def mail(self, ref: RecordRef) -> RecordMail:
        """Return how much mail is on a record. For operators, who may know of all of it."""
        stages: list[Doc] = [
            {"$match": {"record.kind": ref.kind, "record.id": ref.id}},
            {"$lookup": {"from": self._links.name, "localField": "email", "foreignField": "email", "as": "all"}},
            {"$group": {"_id": {"alone": {"$eq": [{"$size": "$all"}, 1]}}, "emails": {"$sum": 1}}},
        ]
        counts = {one["_id"]["alone"]: one["emails"] async for one in await self._links.aggregate(stages)}
        return RecordMail(sum(counts.values()), counts.get(True, 0))

    def edited(self, record: Record, edit: RecordEdit) -> Record:
        """Return a record as it would be after a change.

        Raises:
            InvalidAddressError: one of the addresses is not valid.
        """
        told = {field: value or None for field, value in edit._asdict().items() if value is not None}
        if edit.addresses is not None:
            told["addresses"] = tuple(dict.fromkeys(normal_address(one) for one in edit.addresses))
        if edit.name is not None:
            told["name"] = edit.name
        return record.model_copy(update=told)

    async def edit(self, ref: RecordRef, edit: RecordEdit, *, by: str) -> Record:
        """Change a record, and return it. Doing it twice changes nothing.

        Raises:
            InvalidAddressError: one of the addresses is not valid.
            NotFoundError: it does not exist.
            NotAllowedError: Leadmail did not add it.
        """

        async def change(session: MongoSession) -> Record:
            document = await self._ours(ref, session)
            after = self.edited(record_of(ref.kind, document, self._config), edit)
            await self._records[ref.kind].update_one({"_id": document["_id"]}, self._update(after), session=session)
            fields = [field for field, value in edit._asdict().items() if value is not None]
            await self._audit.add("record.edit", by=by, subject=str(ref), session=session, fields=fields)
            return after

        return await self._audit.transaction(change)

    async def delete(self, ref: RecordRef, *, by: str) -> None:
        """Delete a record.

        Raises:
            NotFoundError: it does not exist.
            NotAllowedError: Leadmail did not add it.
        """

        async def change(session: MongoSession) -> None:
            document = await self._ours(ref, session)
            await self._records[ref.kind].delete_one({"_id": document["_id"]}, session=session)
            await self._audit.add("record.delete", by=by, subject=str(ref), session=session)

        await self._audit.transaction(change)

    async def _ours(self, ref: RecordRef, session: MongoSession | None = None) -> Doc:
        found = await self._records[ref.kind].find_one({"_id": {"$in": id_candidates(ref.id)}}, session=session)
        if found is None:
            raise NotFoundError(f"there is no {ref.kind} {ref.id}")
        if found.get(ADDED_BY_LEADMAIL) is not True:
            raise NotAllowedError(f"Leadmail did not add the {ref.kind} {ref.id}: change it in the CRM")
        return found

    def _update(self, record: Record) -> Doc:
        """Return the update of the fields that Leadmail writes; others, such as the summary, stay."""
        values = written_values(
            self._config, record.addresses, name=record.name, owner=record.owner, company=record.company
        )
        update: Doc = {"$set": {path: value for path, value in values.items() if value is not None}}
        if gone := {path: "" for path, value in values.items() if value is None}:
            update["$unset"] = gone
        return update
