"""Emails and tombstones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo import UpdateOne

from schemas.emails import Email, Link
from schemas.identity import thread_ids
from schemas.mail import Content, Participant
from schemas.records import RecordRef
from services.store.core.blind_index import BlindIndex
from services.store.core.bulk import batched, insert_new
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import NAMED, Doc, decode, decode_email, encode_email, now
from services.store.core.errors import NotFoundError

_BRIEF = dict.fromkeys((*NAMED, "marks.bounce", "sent_at", "participants", "by_thread", "unlinked_at"), 1)


_WITHOUT_IDS = {"ids": 0, "own_ids": 0}


class BriefEmail(NamedTuple):
    """A stored email without its content: what linking needs."""

    key: str
    message_id: str | None
    ancestors: tuple[str, ...]
    """Message-IDs of In-Reply-To and References, without the email's own."""
    thread: str
    sent_at: datetime
    participants: tuple[Participant, ...]
    by_thread: bool
    unlinked_at: datetime | None = None
    """Since when it has been on no record. Its grace period starts then."""
    bounced_id: str | None = None
    """Of a bounce: the Message-ID of the mail that bounced."""
    is_bounce: bool = False

    @property
    def thread_ids(self) -> tuple[str, ...]:
        """See ``identity.thread_ids``."""
        return thread_ids(self.thread, (*self.ancestors, self.message_id), self.bounced_id)


class Ancestor(NamedTuple):
    """A stored email that another one names by Message-ID, with its links."""

    key: str
    message_id: str
    by_thread: bool
    links: tuple[Link, ...]
    """Without their ``ids``."""

    @property
    def records(self) -> frozenset[RecordRef]:
        """The records that it is on."""
        return frozenset(link.record for link in self.links)


class Emails:
    """Stores one document per email, regardless of the number of copies."""

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._emails = collections.emails
        self._links = collections.links
        self._tombstones = collections.tombstones
        self._blind_index = BlindIndex(config)

    async def save_many(self, contents: Sequence[Content], *, by_thread: Collection[str] = ()) -> frozenset[str]:
        """Store emails that are not stored yet. Returns the keys of the new ones.

        ``by_thread`` are the keys of those that name no record's address. Two contents with one key are the same email.
        """
        moment = now()
        documents = [
            self._document(Email(content=content, stored_at=moment, by_thread=key in by_thread))
            for key, content in {content.key: content for content in contents}.items()
        ]
        known = {document["_id"] for document in await insert_new(self._emails, documents)}
        return frozenset(document["_id"] for document in documents) - known

    def _document(self, email: Email) -> Doc:
        document = encode_email(email)
        if email.content.message_id:
            hashes = self._blind_index.message_id(email.content.message_id)
            document["id_mark"] = hashes[0] if len(hashes) == 1 else hashes
        return document

    async def existing(self, keys: Iterable[str]) -> frozenset[str]:
        """Return which of the keys are stored."""
        wanted = list(keys)
        if not wanted:
            return frozenset()
        found = self._emails.find({"_id": {"$in": wanted}}, {"_id": 1})
        return frozenset([document["_id"] async for document in found])

    async def get(self, key: str) -> Email | None:
        """Return an email. For the pipeline only: users read through ``store.reading``."""
        document = await self._emails.find_one({"_id": key})
        return None if document is None else decode_email(document)

    async def full_key(self, start: str) -> str:
        """Return the key that begins with ``start``. For operators, who may name any email.

        Raises:
            NotFoundError: no key begins so, or several do.
        """
        found = [document["_id"] async for document in self._emails.find(_starts(start), {"_id": 1}).limit(2)]
        if len(found) > 1:
            raise NotFoundError(f"several emails begin with {start}: give more of the id")
        if not found:
            raise NotFoundError(f"there is no email {start}")
        return str(found[0])

    async def contents(self, keys: Iterable[str]) -> dict[str, Content]:
        """Return the contents of emails by key. For the pipeline only: users read through ``store.reading``."""
        found = self._emails.find({"_id": {"$in": list(keys)}})
        return {document["_id"]: decode(Content, document) async for document in found}

    async def briefs(self, keys: Iterable[str]) -> dict[str, BriefEmail]:
        """Return emails without their content, by key."""
        found = self._emails.find({"_id": {"$in": list(keys)}}, _BRIEF)
        return {document["_id"]: _brief(document) async for document in found}

    async def ancestors(self, message_ids: Iterable[str]) -> list[Ancestor]:
        """Return the stored emails with these Message-IDs, with their links (several may have one Message-ID)."""
        wanted = self._blind_index.by_message_id_hash(message_ids)
        if not wanted:
            return []
        found = self._emails.find({"id_mark": {"$in": list(wanted)}}, {"message_id": 1, "by_thread": 1})
        emails = {document["_id"]: document async for document in found}
        links: dict[str, list[Link]] = {}
        async for document in self._links.find({"email": {"$in": list(emails)}}, _WITHOUT_IDS):
            links.setdefault(document["email"], []).append(decode(Link, document))
        return [
            Ancestor(key, document["message_id"], document.get("by_thread", False), tuple(links.get(key, ())))
            for key, document in emails.items()
        ]

    async def referring(self, message_ids: Iterable[str]) -> list[BriefEmail]:
        """Return the emails that only their thread links and that name one of these Message-IDs as an ancestor."""
        query = {"refs": {"$in": [message_id for message_id in set(message_ids) if message_id]}, "by_thread": True}
        return [_brief(document) async for document in self._emails.find(query, _BRIEF)]

    async def with_participants(self, addresses: Iterable[str], *, batch: int = 500) -> AsyncIterator[list[BriefEmail]]:
        """Iterate, in batches, over the stored emails that name any of the addresses. For a new or changed record."""
        found = self._emails.find({"participants.address": {"$in": list(addresses)}}, _BRIEF)
        async for part in batched((_brief(document) async for document in found), batch):
            yield part

    async def set_by_thread(self, key: str, *, by_thread: bool) -> None:
        """Note whether an email names no record's address."""
        refs = {"$setUnion": ["$references", {"$cond": [{"$gt": ["$in_reply_to", None]}, ["$in_reply_to"], []]}]}
        change = {"by_thread": by_thread, "refs": refs if by_thread else "$$REMOVE"}
        await self._emails.update_one({"_id": key}, [{"$set": change}])

    async def tombstones(self, keys: Iterable[str]) -> frozenset[str]:
        """Return which of the emails were deleted in the CRM."""
        found = self._tombstones.find({"_id": {"$in": list(keys)}}, {"_id": 1})
        return frozenset([document["_id"] async for document in found])

    async def mark_unlinked(self, bare: Collection[str], linked: Mapping[str, datetime] | None = None) -> None:
        """Note that emails are on no record, so that they expire after their grace period; or that they are on one again.

        A newer ``unlinked_at`` than the caller saw stays, because the caller did not see its cause. One that stays by
        mistake costs a look-up; one that is removed by mistake keeps a body for ever.

        Args:
            bare: emails on no record. Their grace period starts.
            linked: emails on a record, with the ``unlinked_at`` that the caller saw.
        """
        if bare:
            await self._emails.update_many({"_id": {"$in": list(bare)}}, {"$set": {"unlinked_at": now()}})
        if linked:
            gone = {"$unset": {"unlinked_at": ""}}
            writes = [UpdateOne({"_id": key, "unlinked_at": seen}, gone) for key, seen in linked.items()]
            await self._emails.bulk_write(writes, ordered=False)

    async def unlinked(self, before: datetime, *, limit: int = 500) -> list[str]:
        """Return keys of emails that have been on no record since before a moment."""
        found = self._emails.find({"unlinked_at": {"$lt": before}}, {"_id": 1}).limit(limit)
        return [document["_id"] async for document in found]


def _brief(document: Doc) -> BriefEmail:
    named = dict.fromkeys((*document.get("references", ()), document.get("in_reply_to")))
    return BriefEmail(
        key=document["_id"],
        message_id=document.get("message_id"),
        ancestors=tuple(name for name in named if name and name != document.get("message_id")),
        thread=document["thread"],
        sent_at=document["sent_at"],
        participants=tuple(Participant.model_validate(one) for one in document.get("participants", ())),
        by_thread=document.get("by_thread", False),
        unlinked_at=document.get("unlinked_at"),
        bounced_id=document.get("marks", {}).get("bounced_id"),
        is_bounce=document.get("marks", {}).get("bounce", False),
    )


def _starts(start: str) -> Doc:
    return {"_id": {"$gte": start, "$lt": f"{start}\uffff"}} if start else {"_id": None}
