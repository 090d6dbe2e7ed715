"""The ledger has one row per copy. Reads it: waiting work, known uids of a folder, live copies of emails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import datetime

from schemas.identity import copies_of_folder
from schemas.ledger import DELETED_FLAG, DRAFT, SEEN_FLAG, Row, RowState, is_undecided
from services.store.core.blind_index import BlindIndex
from services.store.core.bulk import batched
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import Doc, now
from services.store.ledger.ledger_rows import OF_EMAIL, row_of
from services.store.ledger.row_views import KnownUid, LiveRow, Twin, TwinQuery

_LIVE_FIELDS = dict.fromkeys(("account", "folder", "flags", "labels", "internal_date", *OF_EMAIL), 1)


def _due() -> Doc:
    return {"retry_at": {"$not": {"$gt": now()}}}


class Ledger:
    """Reads only. ``ledger_poller``, ``ledger_matcher`` and ``ledger_operator`` write, but for ``relink_done``."""

    def __init__(self, collections: Collections, config: StoreConfig) -> None:
        self._ledger = collections.ledger
        self._emails = collections.emails
        self._blind_index = BlindIndex(config)

    async def get(self, row: str) -> Row | None:
        """Return a row by its id."""
        document = await self._ledger.find_one({"_id": row})
        return None if document is None else row_of(document)

    async def accounts_with(self, state: RowState) -> set[str]:
        """Return the accounts with rows in one of the unfinished states. Reads one entry of an index per account with unfinished rows."""
        return set(await self._ledger.distinct("account", {"account": {"$gt": ""}, "state": state.value}))

    async def waiting(self, accounts: Collection[str]) -> dict[str, int]:
        """Return the number of ``planned`` rows that are due, by account, without accounts that have none.

        Cheap enough to ask every second.
        """
        planned = [account for account in await self.accounts_with(RowState.PLANNED) if account in accounts]
        if not planned:
            return {}
        pipeline = [
            {"$match": {"account": {"$in": planned}, "state": RowState.PLANNED.value, **_due()}},
            {"$group": {"_id": "$account", "count": {"$sum": 1}}},
        ]
        return {found["_id"]: found["count"] async for found in await self._ledger.aggregate(pipeline)}

    async def attached_emails(self, rows: Doc, *, batch: int) -> AsyncIterator[list[str]]:
        """Iterate, in batches, over the emails of attached rows that a query selects, each once."""

        async def distinct() -> AsyncIterator[str]:
            seen: set[str] = set()
            async for row in self._ledger.find({**rows, "state": RowState.ATTACHED.value}, {"email": 1}):
                if row["email"] not in seen:
                    seen.add(row["email"])
                    yield row["email"]

        async for part in batched(distinct(), batch):
            yield part

    async def planned(self, account: str, *, limit: int = 500, late: bool = False) -> list[Row]:
        """Return rows of an account that wait to be published and are due, by folder, newest (highest uid) first.

        ``late`` selects rows that no backfill waits for: those set back for a late contact or thread, and live mail.
        """
        query: Doc = {"account": account, "state": RowState.PLANNED.value, **_due()}
        if late:
            query["epoch"] = None
        found = self._ledger.find(query).sort("_id", -1).limit(limit)
        return [row_of(document) async for document in found]

    async def other(self, row: Row) -> int | None:
        """Return the uid of another mail in a row's folder that the server delivered, None if there is none."""
        lowest, highest = copies_of_folder(row.account, row.folder, row.uidvalidity)
        states = {"$nin": [RowState.GONE.value, RowState.SKIPPED.value, RowState.PLANNED.value]}
        query = {"_id": {"$gte": lowest, "$lte": highest, "$ne": row.id}, "state": states}
        found = await self._ledger.find_one(query, {"uid": 1}, sort=[("_id", -1)])
        return None if found is None else int(found["uid"])

    async def uids(
        self, account: str, folder: str, uidvalidity: int, first: int = 0, last: int = 4_294_967_295
    ) -> list[KnownUid]:
        """Return what is known of an inclusive range of uids of a folder, sorted by uid, without ``gone`` rows."""
        lowest, highest = copies_of_folder(account, folder, uidvalidity, first, last)
        query = {"_id": {"$gte": lowest, "$lte": highest}, "state": {"$ne": RowState.GONE.value}}
        fields = {"_id": 0, "uid": 1, "state": 1, "flags": 1, "reason": 1, "size": 1}
        found = self._ledger.find(query, fields).sort("_id", 1)
        return [
            KnownUid(
                document["uid"],
                RowState(document["state"]),
                tuple(document.get("flags", ())),
                is_undecided(document["state"], document.get("reason")),
                not document["size"],
            )
            async for document in found
        ]

    async def unread(self, account: str, folder: str, uidvalidity: int) -> set[int]:
        """Return the uids of mail in a folder that was not read, without ``gone`` rows."""
        lowest, highest = copies_of_folder(account, folder, uidvalidity)
        query: Doc = {"_id": {"$gte": lowest, "$lte": highest}, "flags": {"$ne": SEEN_FLAG}}
        found = self._ledger.find({**query, "state": {"$ne": RowState.GONE.value}}, {"_id": 0, "uid": 1})
        return {document["uid"] async for document in found}

    async def drafts(self, rows: Iterable[str]) -> list[int]:
        """Return the uids of those of the rows that are skipped as drafts, ascending."""
        query: Doc = {"_id": {"$in": list(rows)}, "state": RowState.SKIPPED.value, "reason": DRAFT}
        return [document["uid"] async for document in self._ledger.find(query, {"uid": 1}).sort("_id", 1)]

    async def uidvalidities(self, account: str, folder: str) -> list[int]:
        """Return the uidvalidities under which a folder has rows, usually one, even if all their rows are ``gone``."""
        found: list[int] = []
        lowest, highest = copies_of_folder(account, folder, 0)[0], copies_of_folder(account, folder, 9_999_999_999)[1]
        while True:
            document = await self._ledger.find_one(
                {"_id": {"$gt": lowest, "$lte": highest}}, {"uidvalidity": 1}, sort=[("_id", 1)]
            )
            if document is None:
                return found
            found.append(document["uidvalidity"])
            lowest = copies_of_folder(account, folder, document["uidvalidity"])[1]

    async def twins(self, account: str, queries: Sequence[TwinQuery]) -> dict[TwinQuery, Twin]:
        """Return for each message, where there is one, an attached copy in the same account with the same headers and size.

        Found by way of the emails with its Message-ID, so that the ledger needs no index on header marks; a message
        without Message-ID has no twin and is fetched again (its email is the same one by its key).
        """
        marks = list(self._blind_index.by_message_id_hash(query.message_id for query in queries))
        if not marks:
            return {}
        keys = [found["_id"] async for found in self._emails.find({"id_mark": {"$in": marks}}, {"_id": 1})]
        if not keys:
            return {}
        rows = self._ledger.find(
            {"email": {"$in": keys}, "state": RowState.ATTACHED.value, "account": account},
            dict.fromkeys(("header", "size", *OF_EMAIL), 1),
        )
        held = {
            (row.get("header", b""), row["size"]): Twin(
                row["email"],
                tuple(row.get("bcc", ())),
                row.get("head"),
                row.get("body"),
                tuple(row.get("defects", ())),
            )
            async for row in rows
        }
        return {
            query: held[header, query.size]
            for query in queries
            for header in (query.header, *query.former)
            if header and (header, query.size) in held
        }

    async def live_copies(self, keys: Iterable[str]) -> dict[str, list[LiveRow]]:
        """Return the live copies of emails (attached rows that are not flagged as deleted); emails without any are left out."""
        return await self._copies({"email": {"$in": list(keys)}, "flags": {"$ne": DELETED_FLAG}})

    async def copies(self, keys: Iterable[str]) -> dict[str, list[LiveRow]]:
        """Return every attached copy of emails, also those that are flagged as deleted. For the pipeline and for erasing only."""
        return await self._copies({"email": {"$in": list(keys)}})

    async def _copies(self, query: Doc) -> dict[str, list[LiveRow]]:
        copies: dict[str, list[LiveRow]] = {}
        attached = {**query, "state": RowState.ATTACHED.value}
        async for document in self._ledger.find(attached, _LIVE_FIELDS).hint("email").sort("_id", 1):
            row = LiveRow.model_validate({**document, "id": document["_id"]})
            copies.setdefault(row.email, []).append(row)
        return copies

    async def flagged_deleted(self, rows: Iterable[str]) -> frozenset[str]:
        """Return the emails of those of the rows that are attached and flagged as deleted."""
        query: Doc = {"_id": {"$in": list(rows)}, "state": RowState.ATTACHED.value, "flags": DELETED_FLAG}
        return frozenset([document["email"] async for document in self._ledger.find(query, {"_id": 0, "email": 1})])

    async def with_copy(self, keys: Iterable[str]) -> frozenset[str]:
        """Return which of the emails have an attached copy, be it flagged as deleted: such an email stays stored."""
        wanted = list(keys)
        if not wanted:
            return frozenset()
        query = {"email": {"$in": wanted}, "state": RowState.ATTACHED.value}
        return frozenset([document["email"] async for document in self._ledger.find(query, {"_id": 0, "email": 1})])

    async def emails_in(self, account: str, folder: str, *, batch: int = 500) -> AsyncIterator[list[str]]:
        """Iterate, in batches, over the emails that have a live copy in a folder."""
        lowest, highest = copies_of_folder(account, folder, 0)[0], copies_of_folder(account, folder, 9_999_999_999)[1]
        query = {"_id": {"$gte": lowest, "$lte": highest}, "state": RowState.ATTACHED.value}
        found = self._ledger.find(query, {"email": 1}).sort("_id", 1)
        async for part in batched((document["email"] async for document in found), batch):
            yield part

    async def labelled(self, rows: Iterable[str], label: str) -> frozenset[str]:
        """Return which of the rows have one of Gmail's labels."""
        wanted = list(rows)
        if not wanted:
            return frozenset()
        found = self._ledger.find({"_id": {"$in": wanted}, "labels": label}, {"_id": 1})
        return frozenset([document["_id"] async for document in found])

    async def with_bcc(self, addresses: Iterable[str]) -> list[LiveRow]:
        """Return the attached copies whose Bcc names any of the addresses. For a late contact."""
        query: Doc = {"bcc": {"$in": list(addresses)}, "state": RowState.ATTACHED.value}
        return [
            LiveRow.model_validate({**document, "id": document["_id"]})
            async for document in self._ledger.find(query, _LIVE_FIELDS)
        ]

    async def to_relink(
        self, *, limit: int = 500, account: str | None = None, before: datetime | None = None
    ) -> dict[str, list[str]]:
        """Return emails whose copies changed and whose links are not updated yet, with the rows. This covers lost events.

        A copy changes when it is gone, and when it ceases or starts to be live by its flags.

        With ``before``, only copies that had changed by then.
        """
        query: Doc = {"relink": True}
        if account is not None:
            query["account"] = account
        if before is not None:
            query["updated_at"] = {"$lt": before}
        rows: dict[str, list[str]] = {}
        async for document in self._ledger.find(query, {"email": 1}).limit(limit):
            rows.setdefault(document.get("email", ""), []).append(document["_id"])
        return rows

    async def relink_done(self, rows: Iterable[str]) -> None:
        """Note that the links are updated for these rows."""
        await self._ledger.update_many({"_id": {"$in": list(rows)}, "relink": True}, {"$unset": {"relink": ""}})
