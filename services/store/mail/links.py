"""Links: an email on a record. Documents of ``links``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo import DeleteOne, ReplaceOne, UpdateOne

from schemas.emails import Attestation, Link, Match
from schemas.identity import link_id
from schemas.records import RecordRef
from services.store.core.bulk import insert_new
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, encode


class LinkAddition(NamedTuple):
    """One copy's contribution to a link."""

    email: str
    record: RecordRef
    sent_at: datetime
    thread: str
    matches: tuple[Match, ...]
    owner: str
    """The user who owns the copy."""
    shared: str | None = None
    """The copy's account, when its policy shares the link."""
    attestations: tuple[Attestation, ...] = ()
    """For role ``thread``: in whose mail the thread is about the record."""

    @property
    def id(self) -> str:
        """The link's id."""
        return link_id(self.record.kind, self.record.id, self.email)


class Links:
    """Adding never removes; removing compares the version and sets."""

    def __init__(self, collections: Collections) -> None:
        self._links = collections.links
        self._emails = collections.emails

    async def save_many(self, additions: Sequence[LinkAddition]) -> None:
        """Add copies' contributions to links, making those that are missing. Doing it twice changes nothing but versions.

        Afterwards write the rows' final states, then ask ``lacking``: a recompute in between did not see
        the copies and may have taken the additions back.
        """
        merged: dict[str, tuple[LinkAddition, dict[str, Doc], set[str], set[str], set[Attestation]]] = {}
        for addition in additions:
            _, matches, owners, shared, attestations = merged.setdefault(
                addition.id, (addition, {}, set(), set(), set())
            )
            matches |= {repr(match): _match(match) for match in addition.matches}
            owners.add(addition.owner)
            attestations.update(addition.attestations)
            if addition.shared:
                shared.add(addition.shared)
        made = {
            key: {
                "_id": key,
                "email": addition.email,
                "record": {"kind": addition.record.kind, "id": addition.record.id},
                "sent_at": addition.sent_at,
                "thread": addition.thread,
                "matches": list(matches.values()),
                "owners": sorted(owners),
                "shared_by": sorted(shared),
                "vouchers": [_attestation(one) for one in attestations],
                "version": 1,
            }
            for key, (addition, matches, owners, shared, attestations) in merged.items()
        }
        there = await insert_new(self._links, list(made.values()))
        if there:
            await self._links.bulk_write([_addition(document) for document in there], ordered=False)

    async def lacking(self, additions: Sequence[LinkAddition]) -> list[LinkAddition]:
        """Return the additions that are not (any more) in the links, or whose email is not stored.

        Asked after the rows became ``attached``: from then on every recompute sees the copies. Save these again
        (emails first); an empty answer, the usual one, ends the matter.
        """
        if not additions:
            return []
        ids = list({addition.id for addition in additions})
        found = self._links.find({"_id": {"$in": ids}}, {"owners": 1, "shared_by": 1})
        links = {document["_id"]: document async for document in found}
        keys = list({addition.email for addition in additions})
        emails = {document["_id"] async for document in self._emails.find({"_id": {"$in": keys}}, {"_id": 1})}
        return [
            addition
            for addition in additions
            if addition.email not in emails
            or (link := links.get(addition.id)) is None
            or addition.owner not in link["owners"]
            or (addition.shared and addition.shared not in link["shared_by"])
        ]

    async def of_emails(self, keys: Iterable[str]) -> dict[str, list[Link]]:
        """Return the links of emails; emails without any are left out."""
        links: dict[str, list[Link]] = {}
        wanted = list(keys)
        if not wanted:
            return links
        async for document in self._links.find({"email": {"$in": wanted}}).sort("_id", 1):
            links.setdefault(document["email"], []).append(decode(Link, document))
        return links

    async def of_record(self, record: RecordRef, *, batch: int = 500) -> AsyncIterator[list[Link]]:
        """Iterate, in batches, over every link of a record. For the pipeline: people read through ``store.reading``."""
        part: list[Link] = []
        async for document in self._links.find({"record.kind": record.kind, "record.id": record.id}):
            part.append(decode(Link, document))
            if len(part) == batch:
                yield part
                part = []
        if part:
            yield part

    async def compare_and_set(self, link: Link, *, ownerless: bool = False) -> bool:
        """Replace a link that has still ``link.version``; one without matches or owners is deleted. False: read again.

        Args:
            link: as it should be.
            ownerless: keep it without owners: its email is on the record, but nobody holds a copy at the moment.
        """
        return await self.compare_and_set_many([link], ownerless=ownerless)

    async def compare_and_set_many(self, links: Sequence[Link], *, ownerless: bool = False) -> bool:
        """Do as ``compare_and_set`` with many links at once. False: at least one was not as it was read; read all again."""
        if not links:
            return True
        writes = [_replacement(link, ownerless=ownerless) for link in links]
        result = await self._links.bulk_write(writes, ordered=False)
        return result.matched_count + result.deleted_count == len(links)


def _replacement(link: Link, *, ownerless: bool) -> DeleteOne | ReplaceOne[Doc]:
    query = {"_id": link.id, "version": link.version}
    if not link.matches or not (link.owners or ownerless):
        return DeleteOne(query)
    document = encode(link)
    document["matches"] = [_match(match) for match in link.matches]
    document["version"] = link.version + 1
    return ReplaceOne(query, document)


def _addition(link: Doc) -> UpdateOne:
    """Return the write that adds what a link should hold to the one that is there; makes it should it go just now."""
    sets = {name: {"$each": link[name]} for name in ("matches", "owners", "shared_by", "vouchers")}
    made = {name: link[name] for name in ("email", "record", "sent_at", "thread")}
    update = {"$setOnInsert": made, "$addToSet": sets, "$inc": {"version": 1}}
    return UpdateOne({"_id": link["_id"]}, update, upsert=True)


def _match(match: Match) -> Doc:
    """Return a match in one form, so that ``$addToSet`` finds it equal to itself (it compares fields in their order)."""
    return {"address": match.address, "role": match.role.value, "account": match.account}


def _attestation(attestation: Attestation) -> Doc:
    return {"owner": attestation.owner, "address": attestation.address}
