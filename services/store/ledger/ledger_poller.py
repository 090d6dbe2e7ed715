"""The ledger as the poller writes it: windows of rows, publishing, flags, expunges. Every write is fenced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pymongo import UpdateMany
from pymongo.errors import BulkWriteError

from schemas.accounts import Lease
from schemas.identity import copies_of_folder
from schemas.ledger import DELETED_FLAG, DRAFT, DRAFT_FLAG, HEADER_UNCLEAR, UNFINISHED, Row, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.core.fence import Fence, MongoSession
from services.store.ledger.folders import FolderPatch, Folders
from services.store.ledger.ledger_rows import DOUBT, OF_EMAIL, row_document

_DUPLICATE = 11000
_GONE_AT_ONCE = 1000


class PollerLedger:
    """Writes for the holder of an account's lease. If a method raises LeaseLostError, it has written nothing."""

    def __init__(self, collections: Collections, fence: Fence, folders: Folders) -> None:
        self._ledger = collections.ledger
        self._emails = collections.emails
        self._fence = fence
        self._folders = folders

    async def add_window(
        self, lease: Lease, rows: Sequence[Row], *, folder: FolderPatch | None = None
    ) -> frozenset[str]:
        """Insert the rows of a window and move the folder's cursor, in one transaction.

        Existing rows stay unchanged unless they are ``gone``, skipped as drafts, or blank and their headers have come: those are
        decided on again. Returns the ids of those that stay, so that no copy is planned twice.

        A row may arrive as ``attached`` (a twin, see ``twins``). If its email was removed meanwhile, it is set
        back to ``planned``. ``OrphanedEmails`` removes an email and then looks for live copies; this method writes the copy
        and then looks for the email, so one of the two sees the other.
        """
        documents = [row_document(row) for row in rows]
        try:
            present = await self._fence.write(lease, lambda session: self._insert(lease, documents, folder, session))
        except BulkWriteError as error:
            if any(failure.get("code") != _DUPLICATE for failure in error.details.get("writeErrors", ())):
                raise
            # A duplicate aborts the transaction. New windows have none, so look for existing rows only now.
            present = await self._fence.write(
                lease, lambda session: self._insert_missing(lease, documents, folder, session)
            )
        await self._check_twins(lease, [document for document in documents if document["_id"] not in present])
        return present

    async def _insert(
        self, lease: Lease, documents: list[Doc], folder: FolderPatch | None, session: MongoSession
    ) -> frozenset[str]:
        known = None if folder is None else await self._folders.apply(lease.account, folder, session)
        if known is not None and folder is not None and folder.live_next is not None:
            # A backfill may have opened since the live mail was seen. Mail below its anchor belongs to the backfill.
            documents = [
                {**document, "epoch": known["epoch"]} if document["uid"] < known["uidnext"] else document
                for document in documents
            ]
        if documents:
            await self._ledger.insert_many(documents, ordered=True, session=session)
        return frozenset()

    async def _insert_missing(
        self, lease: Lease, documents: list[Doc], folder: FolderPatch | None, session: MongoSession
    ) -> frozenset[str]:
        ids = [document["_id"] for document in documents]
        fields = ["state", "reason", "relink", "attempts", "email", "size", "header", "marks"]
        come = {document["_id"] for document in documents if not _blank(document)}
        there = {
            found["_id"]: found async for found in self._ledger.find({"_id": {"$in": ids}}, fields, session=session)
        }
        # A copy that was gone and is back (its folder was excluded or unreadable for a while) starts again, with new
        # events for its messages. If its links are not updated yet, it waits for the next window.
        back = {
            row: found
            for row, found in there.items()
            if (found["state"] == RowState.GONE.value and not found.get("relink"))
            or found.get("reason") == DRAFT
            or (row in come and _blank(found))
        }
        if back:
            await self._ledger.delete_many({"_id": {"$in": list(back)}}, session=session)
            for document in documents:
                before = back.get(document["_id"], {})
                if attempts := before.get("attempts"):
                    document["attempts"] = attempts
                if before.get("relink"):  # it was attached before it became a draft
                    document.update(relink=True, email=document.get("email", before.get("email")))
        present = there.keys() - back.keys()
        await self._insert(
            lease, [document for document in documents if document["_id"] not in present], folder, session
        )
        return frozenset(present)

    async def _check_twins(self, lease: Lease, inserted: list[Doc]) -> None:
        wanted = {document["email"] for document in inserted if document["state"] == RowState.ATTACHED.value}
        if not wanted:
            return
        there = {found["_id"] async for found in self._emails.find({"_id": {"$in": list(wanted)}}, {"_id": 1})}
        lost = [document["_id"] for document in inserted if document.get("email") in wanted - there]
        plan = {"$set": {"state": RowState.PLANNED.value}, "$unset": dict.fromkeys(OF_EMAIL, "")}
        await self._move(lease, lost, (RowState.ATTACHED,), plan)

    async def published(self, lease: Lease, ids: Sequence[str]) -> None:
        """Note that the broker confirmed the messages of these rows. Rows that the matcher has finished stay finished."""
        await self._move(
            lease,
            ids,
            (RowState.PLANNED,),
            {
                "$set": {"state": RowState.PUBLISHED.value},
                "$inc": {"attempts": 1},
                "$unset": dict.fromkeys(DOUBT, ""),
            },
        )

    async def replan(self, lease: Lease, ids: Sequence[str]) -> int:
        """Set undecided rows that turn out to be relevant back to ``planned`` (see the races in the poller). Returns how many."""
        again = {"state": RowState.PLANNED.value, "epoch": None, "noticed_at": now()}
        plan: Doc = {"$set": again, "$unset": {"reason": ""}}
        count = await self._move(lease, ids, (RowState.UNMATCHED,), plan)
        return count + await self._move(lease, ids, (RowState.SKIPPED,), plan, {"reason": HEADER_UNCLEAR})

    async def finish(self, lease: Lease, ids: Sequence[str], state: RowState, reason: str | None = None) -> None:
        """End unfinished rows without publishing: ``skipped`` or ``quarantined`` with a reason, ``unmatched`` without."""
        await self._move(
            lease, ids, (RowState.PLANNED, RowState.PUBLISHED), {"$set": {"state": state.value, "reason": reason}}
        )

    async def replan_stale(self, lease: Lease, *, older_than: timedelta) -> int:
        """Set rows that were published long ago and have no final state back to ``planned`` (the reaper).

        Publishing them again is a new event, because ``attempts`` has grown. Returns how many.
        """
        stale = {"account": lease.account, "state": RowState.PUBLISHED.value, "updated_at": {"$lt": now() - older_than}}
        ids = [document["_id"] async for document in self._ledger.find(stale, {"_id": 1}).limit(5000)]
        return await self._move(lease, ids, (RowState.PUBLISHED,), {"$set": {"state": RowState.PLANNED.value}})

    async def set_flags(
        self, lease: Lease, flags: Mapping[str, Iterable[str]], *, folder: FolderPatch | None = None
    ) -> list[str]:
        """Store the server's flags of copies (by row id), together with the folder's modseq.

        A copy that is flagged as a draft now ends as skipped; one that was skipped for it waits for ``add_window``. Returns the keys
        of emails whose copies cease or start to be live. Publish ``MailboxChanged`` for these, as for ``gone``.
        """
        moment = now()
        alike: dict[tuple[str, ...], list[str]] = {}
        for row, names in flags.items():
            alike.setdefault(tuple(names), []).append(row)
        writes = [
            UpdateMany(
                {"_id": {"$in": rows}, "state": {"$ne": RowState.GONE.value}},
                {"$set": {"flags": list(names), "updated_at": moment}},
            )
            for names, rows in alike.items()
        ]

        async def write(session: MongoSession) -> list[str]:
            keys = await self._switch(flags, session)
            if writes:
                await self._ledger.bulk_write(writes, ordered=False, session=session)
            if folder is not None:
                await self._folders.apply(lease.account, folder, session)
            return keys

        return await self._fence.write(lease, write)

    async def _switch(self, flags: Mapping[str, Iterable[str]], session: MongoSession) -> list[str]:
        """Mark attached copies that cease or start to be live by their flags, and end drafts. Returns the keys of their emails."""
        drafts, deleted, others = list[str](), list[str](), list[str]()
        for row, names in flags.items():
            (drafts if DRAFT_FLAG in names else deleted if DELETED_FLAG in names else others).append(row)
        changes: list[Doc] = [
            {"_id": {"$in": drafts}},
            {"_id": {"$in": deleted}, "flags": {"$ne": DELETED_FLAG}},
            {"_id": {"$in": others}, "flags": DELETED_FLAG},
        ]
        switched: Doc = {"state": RowState.ATTACHED.value, "$or": [one for one in changes if one["_id"]["$in"]]}
        rows = [one async for one in self._ledger.find(switched, {"email": 1}, session=session)] if flags else []
        if rows:
            mark = {"$set": {"relink": True}}
            await self._ledger.update_many({"_id": {"$in": [row["_id"] for row in rows]}}, mark, session=session)
        if drafts:
            states = [state.value for state in (*UNFINISHED, RowState.ATTACHED, RowState.UNMATCHED)]
            end = {"$set": {"state": RowState.SKIPPED.value, "reason": DRAFT}}
            await self._ledger.update_many({"_id": {"$in": drafts}, "state": {"$in": states}}, end, session=session)
        return list(dict.fromkeys(row["email"] for row in rows))

    async def gone(self, lease: Lease, ids: Sequence[str]) -> list[str]:
        """Note that copies are no longer on the server. Returns the keys of their emails.

        Publish ``MailboxChanged`` for these. The matcher's relinking sweep covers a lost event.
        """
        keys: dict[str, None] = {}
        for start in range(0, len(ids), _GONE_AT_ONCE):
            part = list(ids[start : start + _GONE_AT_ONCE])
            keys |= dict.fromkeys(await self._fence.write(lease, lambda session, part=part: self._gone(part, session)))  # type: ignore[misc]
        return list(keys)

    async def _gone(self, ids: list[str], session: MongoSession) -> list[str]:
        live: Doc = {"_id": {"$in": ids}, "state": {"$ne": RowState.GONE.value}}
        attached = {**live, "state": RowState.ATTACHED.value}
        rows = [document async for document in self._ledger.find(attached, {"email": 1}, session=session)]
        common = {"state": RowState.GONE.value, "updated_at": now()}
        linked = [document["_id"] for document in rows]
        if linked:
            await self._ledger.update_many(
                {"_id": {"$in": linked}}, {"$set": {**common, "relink": True}}, session=session
            )
        await self._ledger.update_many(live, {"$set": common}, session=session)
        return [document["email"] for document in rows]

    async def gone_folder(self, lease: Lease, folder: str, uidvalidity: int) -> list[str]:
        """Note that a folder is gone, or that its uids are void (a new uidvalidity). Returns keys as ``gone`` does.

        For a new uidvalidity, first enumerate the folder again (which attaches twins at once), then call this for the old one.
        """
        lowest, highest = copies_of_folder(lease.account, folder, uidvalidity)
        query = {"_id": {"$gte": lowest, "$lte": highest}, "state": {"$ne": RowState.GONE.value}}
        ids = [document["_id"] async for document in self._ledger.find(query, {"_id": 1})]
        return await self.gone(lease, ids)

    async def _move(
        self, lease: Lease, ids: Sequence[str], states: tuple[RowState, ...], update: Doc, but_only: Doc | None = None
    ) -> int:
        if not ids:
            return 0
        moment: datetime = now()
        query = {"_id": {"$in": list(ids)}, "state": {"$in": [state.value for state in states]}, **(but_only or {})}
        change = {**update, "$set": {**update["$set"], "updated_at": moment}}

        async def write(session: MongoSession) -> int:
            return (await self._ledger.update_many(query, change, session=session)).modified_count

        return await self._fence.write(lease, write)


def _blank(document: Doc) -> bool:
    return not (document.get("size") or document.get("header") or document.get("marks"))
