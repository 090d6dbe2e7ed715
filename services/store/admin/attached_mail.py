"""How much of an account's mail is on records, as far as its holders may know. For the confirmation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

from schemas.ledger import RowState
from schemas.records import RecordKind, RecordRef
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.ledger.ledger_rows import account_range
from services.store.sync.status import AttachedCounts

Readable = Callable[[str, Collection[RecordRef]], Awaitable[Collection[RecordRef]]]
"""Returns which of the records a user may read."""
_AT_ONCE = 500


class AttachedMail:
    """Counts by one aggregation, unless the CRM hides records from users."""

    def __init__(self, collections: Collections, readable: Readable | None) -> None:
        self._c = collections
        self._readable = readable

    async def seen_by_holders(self, account: str, holders: Collection[str]) -> AttachedCounts:
        """Return count, oldest, newest and number of records of the emails that an account's holders see by a live copy in it.

        Of a shared mailbox that is what each of its members may read.
        """
        mine: Doc = {**account_range(account), "state": RowState.ATTACHED.value}
        # The owner must not learn of a Bcc link that another account's copy made.
        may_know = {"$or": [{"$ne": ["$$match.role", "bcc"]}, {"$eq": ["$$match.account", account]}]}
        matches = {"$filter": {"input": "$$one.matches", "as": "match", "cond": may_know}}
        links = {"$filter": {"input": "$link", "as": "one", "cond": {"$gt": [{"$size": matches}, 0]}}}
        pipeline: list[Doc] = [
            {"$match": mine},
            {"$group": {"_id": "$email"}},
            # A look-up with conditions takes four times as long as a plain one that is filtered afterwards.
            {"$lookup": {"from": self._c.links.name, "localField": "_id", "foreignField": "email", "as": "link"}},
            {"$set": {"link": links}},
            {"$unwind": "$link"},
        ]
        if self._readable is not None:
            return await self._readable_only(pipeline, holders, self._readable)
        facets = {
            "emails": [
                {"$group": {"_id": "$_id", "sent_at": {"$first": "$link.sent_at"}}},
                {
                    "$group": {
                        "_id": None,
                        "count": {"$sum": 1},
                        "oldest": {"$min": "$sent_at"},
                        "newest": {"$max": "$sent_at"},
                    }
                },
            ],
            "records": [
                {"$group": {"_id": "$link.record"}},
                {"$group": {"_id": "$_id.kind", "count": {"$sum": 1}}},
            ],
        }
        found_all = await self._c.ledger.aggregate([*pipeline, {"$facet": facets}], allowDiskUse=True)
        (found,) = [document async for document in found_all]
        linked: dict[RecordKind, int] = {"lead": 0, "contact": 0}
        linked |= {one["_id"]: one["count"] for one in found["records"]}
        if not found["emails"]:
            return AttachedCounts(0, None, None, linked)
        total = found["emails"][0]
        return AttachedCounts(total["count"], total["oldest"], total["newest"], linked)

    async def _readable_only(
        self,
        pipeline: list[Doc],
        holders: Collection[str],
        readable: Readable,
    ) -> AttachedCounts:
        """Do the same where the CRM hides records from users: what is only on those is in no number."""
        emails: dict[str, datetime] = {}
        seen: set[RecordRef] = set()
        part: list[tuple[str, datetime, RecordRef]] = []

        async def take() -> None:
            refs = frozenset(ref for _, _, ref in part)
            for holder in holders:
                refs = refs.intersection(await readable(holder, refs))
            seen.update(refs)
            emails.update({email: at for email, at, ref in part if ref in refs})
            part.clear()

        fields: Doc = {"sent_at": "$link.sent_at", "record": "$link.record"}
        async for one in await self._c.ledger.aggregate([*pipeline, {"$project": fields}], allowDiskUse=True):
            part.append((one["_id"], one["sent_at"], RecordRef(**one["record"])))
            if len(part) == _AT_ONCE:
                await take()
        await take()
        linked: dict[RecordKind, int] = {"lead": 0, "contact": 0}
        for ref in seen:
            linked[ref.kind] += 1
        moments = emails.values()
        return AttachedCounts(len(emails), min(moments, default=None), max(moments, default=None), linked)
