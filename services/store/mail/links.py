"""Links: an email on a record."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo import DeleteOne, ReplaceOne, UpdateOne

from schemas.emails import Attestation, Link, Match
from schemas.identity import link_id
from schemas.records import RecordRef
from services.store.core.bulk import batched, insert_new
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, encode
from services.store.mail.joined_links import own_ids

_SETS = ("ids", "own_ids", "matches", "owners", "sent_by", "shared_by", "vouchers")
"""Fields that an addition adds to. ``own_ids`` is for look-up only: see ``joined_links``."""


class LinkAddition(NamedTuple):
    """What one copy adds to a link."""

    email: str
    record: RecordRef
    sent_at: datetime
    thread: str
    matches: tuple[Match, ...]
    owner: str
    """The user who owns the copy."""
    shared: str | None = None
    """The copy's account, if its policy shares the link."""
    attestations: tuple[Attestation, ...] = ()
    """For role ``thread``: the users in whose mail the thread is about the record."""
    sent: bool = False
    """Whether the owner sent the email, by this copy."""
    ids: tuple[str, ...] = ()
    """See ``identity.thread_ids``."""

    @property
    def id(self) -> str:
        """The link's id."""
        return link_id(self.record.kind, self.record.id, self.email)


class Links:
    """Additions never remove anything. Other changes compare the version and set."""

    def __init__(self, collections: Collections) -> None:
        self._links = collections.links
        self._emails = collections.emails

    async def save_many(self, additions: Sequence[LinkAddition]) -> None:
        """Add to links, and create missing ones. Doing it twice changes only versions.

        Then write the rows' final states, and then call ``lacking``: a recompute in between did not see
        the copies and may have removed the additions.
        """
        merged: dict[str, list[LinkAddition]] = {}
        for addition in additions:
            merged.setdefault(addition.id, []).append(addition)
        made = {key: _document(several) for key, several in merged.items()}
        there = await insert_new(self._links, list(made.values()))
        if there:
            await self._links.bulk_write([_addition(document) for document in there], ordered=False)

    async def lacking(self, additions: Sequence[LinkAddition]) -> list[LinkAddition]:
        """Return the additions that are missing from the links, or whose email is not stored.

        Call it after the rows became ``attached``, when every recompute sees the copies. Save the missing ones again,
        emails first. The answer is usually empty, which ends the procedure.
        """
        if not additions:
            return []
        ids = list({addition.id for addition in additions})
        found = self._links.find({"_id": {"$in": ids}}, {"owners": 1, "sent_by": 1, "shared_by": 1})
        links = {document["_id"]: document async for document in found}
        keys = list({addition.email for addition in additions})
        emails = {document["_id"] async for document in self._emails.find({"_id": {"$in": keys}}, {"_id": 1})}
        return [
            addition
            for addition in additions
            if addition.email not in emails
            or (link := links.get(addition.id)) is None
            or addition.owner not in link["owners"]
            or (addition.sent and addition.owner not in link.get("sent_by", ()))
            or (addition.shared and addition.shared not in link["shared_by"])
        ]

    async def of_emails(self, keys: Iterable[str]) -> dict[str, list[Link]]:
        """Return the links of emails, without emails that have none."""
        links: dict[str, list[Link]] = {}
        wanted = list(keys)
        if not wanted:
            return links
        async for document in self._links.find({"email": {"$in": wanted}}).sort("_id", 1):
            links.setdefault(document["email"], []).append(decode(Link, document))
        return links

    async def emails_naming(self, owner: str, ids: Collection[str]) -> set[str]:
        """Return the keys of a user's own emails on records that have one of the ids (``identity.thread_ids``). For the pipeline only."""
        found = self._links.find({"own_ids": {"$in": own_ids([owner], ids)}}, {"email": 1}).hint("ids_own")
        return {one["email"] async for one in found}

    async def of_record(self, record: RecordRef, *, batch: int = 500) -> AsyncIterator[list[Link]]:
        """Iterate, in batches, over every link of a record. For the pipeline only: users read through ``store.reading``."""
        found = self._links.find({"record.kind": record.kind, "record.id": record.id})
        async for part in batched((decode(Link, document) async for document in found), batch):
            yield part

    async def compare_and_set_many(self, links: Sequence[Link], *, ownerless: bool = False) -> bool:
        """Replace links whose version is still theirs, and delete those without matches or owners. False: read all again.

        Args:
            links: the wanted links.
            ownerless: keep links without owners: their emails are on the record, but no account holds a copy at the moment.
        """
        if not links:
            return True
        writes = [_replacement(link, ownerless=ownerless) for link in links]
        result = await self._links.bulk_write(writes, ordered=False)
        return result.matched_count + result.deleted_count == len(links)


def _document(additions: Sequence[LinkAddition]) -> Doc:
    """Return the document of a link to which several copies add."""
    first = additions[0]
    matches = {repr(match): _match(match) for addition in additions for match in addition.matches}
    attestations = dict.fromkeys(one for addition in additions for one in addition.attestations)
    return {
        "_id": first.id,
        "email": first.email,
        "record": {"kind": first.record.kind, "id": first.record.id},
        "sent_at": first.sent_at,
        "thread": first.thread,
        "ids": (ids := list(first.ids or (first.thread,))),
        "own_ids": own_ids((addition.owner for addition in additions), ids),
        "matches": list(matches.values()),
        "owners": sorted({addition.owner for addition in additions}),
        "sent_by": sorted({addition.owner for addition in additions if addition.sent}),
        "shared_by": sorted({addition.shared for addition in additions if addition.shared}),
        "vouchers": [one.model_dump() for one in attestations],
        "version": 1,
    }


def _replacement(link: Link, *, ownerless: bool) -> DeleteOne | ReplaceOne[Doc]:
    query = {"_id": link.id, "version": link.version}
    if not link.matches or not (link.owners or ownerless):
        return DeleteOne(query)
    document = encode(link)
    document["matches"] = [_match(match) for match in link.matches]
    document["ids"] = list(link.joins)
    document["own_ids"] = own_ids(link.owners, link.joins)
    document["version"] = link.version + 1
    return ReplaceOne(query, document)


def _addition(link: Doc) -> UpdateOne:
    """Return the write that adds to an existing link. It creates the link if it was deleted meanwhile."""
    sets = {name: {"$each": link[name]} for name in _SETS}
    made = {name: link[name] for name in ("email", "record", "sent_at", "thread")}
    update = {"$setOnInsert": made, "$addToSet": sets, "$inc": {"version": 1}}
    return UpdateOne({"_id": link["_id"]}, update, upsert=True)


def _match(match: Match) -> Doc:
    """Return a match with its fields in one order, because ``$addToSet`` compares them in order."""
    return {"address": match.address, "role": match.role.value, "account": match.account}
