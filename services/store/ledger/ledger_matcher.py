"""The ledger as the matcher writes it: final states, and rows set back to ``planned``. It needs no lease: filters make each write safe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import islice

from schemas.accounts import AccountState
from schemas.ledger import DELETED_IN_CRM, RowState
from services.store.core.bulk import batched
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now
from services.store.ledger.ledger_outcomes import (
    OPEN_ROWS,
    Finished,
    RowOutcome,
    compare,
    outcome_writes,
    planned_since,
)
from services.store.ledger.ledger_rows import DISCONNECTED, OF_EMAIL, UNDECIDED, UNFINISHED_STATES, account_range

_HASHES_AT_ONCE = 1000
_ROWS_AT_ONCE = 500


class MatcherLedger:
    """Sets final states, and undoes them."""

    def __init__(self, collections: Collections) -> None:
        self._ledger = collections.ledger
        self._accounts = collections.accounts
        self._emails = collections.emails
        self._links = collections.links
        self._addresses = collections.addresses

    async def finish(self, updates: Sequence[RowOutcome]) -> Finished:
        """Store the final states of a batch. A ``gone`` row stays gone, and a draft a draft.

        An outcome replaces only the state that its caller knows. So a process that was stopped for long, whose message another
        one handles, takes nothing back. Returns the rows that have another state than they should.

        The caller must recompute the links of the emails of those that are gone (``sharing.recompute``), or their owners keep
        a grant: the change was announced before the links were written.
        """
        # A redelivery in the same batch as its original updates a row twice: the later update counts.
        wanted = {update.id: update for update in updates}
        if not wanted:
            return Finished([], {})
        result = await self._ledger.bulk_write(outcome_writes(list(wanted.values())), ordered=False)
        if result.matched_count >= len(wanted):
            return Finished([], {})
        fields = ("state", "email", "attempts")
        living = await self._ledger.find({"_id": {"$in": list(wanted)}, **OPEN_ROWS}, fields).to_list()
        return compare(wanted, living)

    async def quarantine(self, row: str, reason: str, publication: int | None = None) -> bool:
        """End a row whose message is a dead letter; False if it has a final state already, was planned again or removed."""
        unfinished: Doc = {"_id": row, "state": UNFINISHED_STATES}
        if publication is not None:
            unfinished["$nor"] = [planned_since(publication)]
        update = {"$set": {"state": RowState.QUARANTINED.value, "reason": reason, "updated_at": now()}}
        return bool((await self._ledger.update_one(unfinished, update)).modified_count)

    async def replan_by_hashes(self, hashes: Iterable[bytes]) -> int:
        """Set undecided rows with any of the hashes back to ``planned``, because they are relevant now. Returns how many.

        They leave their epoch, whose completion does not wait for them. ``attempts`` grows, so that publishing them is a new event.
        Rows of disconnected accounts stay, because no poller could fetch them.
        """
        disconnected = await self._disconnected()
        count, rest = 0, iter(dict.fromkeys(hashes))
        while part := list(islice(rest, _HASHES_AT_ONCE)):
            for undecided in UNDECIDED:
                count += await self._replan({"marks": {"$in": part}, **undecided}, disconnected)
        return count

    async def replan_threads(
        self, hashes: Iterable[bytes], *, but: Collection[str] = (), owners: Collection[str] | None = None
    ) -> int:
        """Do the same with rows that name an email by its Message-ID, where the mailbox's owner opened the thread.

        That is: the owner sent one of the emails that the row names, and that email is on a record. A body never leaves a
        mailbox because another user's mail, under any Message-ID, names a record.

        Args:
            hashes: of the Message-IDs.
            but: rows to leave as they are.
            owners: the only users whose mailboxes are concerned; None for all.
        """
        count, rest = 0, iter(dict.fromkeys(hashes))
        while part := list(islice(rest, _HASHES_AT_ONCE)):
            query: Doc = {"marks": {"$in": part}}
            if but:
                query["_id"] = {"$nin": list(but)}
            if owners is not None:
                query["account"] = {"$in": await self._of(owners)}
            for undecided in UNDECIDED:
                found = self._ledger.find({**query, **undecided}, {"account": 1, "marks": 1})
                async for rows in batched(found, _ROWS_AT_ONCE):
                    count += await self.replan_unmatched(await self._opened(rows))
        return count

    async def _opened(self, rows: Sequence[Doc]) -> list[str]:
        """Return which rows name a linked email that the owner of their mailbox sent."""
        marks = list({mark for row in rows for mark in row["marks"]})
        found = self._emails.find({"id_mark": {"$in": marks}}, {"id_mark": 1})
        named = {email["_id"]: email["id_mark"] async for email in found}
        hashes = {key: mark if isinstance(mark, list) else [mark] for key, mark in named.items()}
        query: Doc = {"email": {"$in": list(named)}, "sent_by": {"$exists": True, "$ne": []}}
        sent: set[tuple[bytes, str]] = set()
        async for link in self._links.find(query, {"email": 1, "sent_by": 1}):
            sent.update((mark, owner) for mark in hashes[link["email"]] for owner in link["sent_by"])
        if not sent:
            return []
        accounts = self._accounts.find({"_id": {"$in": list({row["account"] for row in rows})}}, {"owner": 1})
        owner = {account["_id"]: account["owner"] async for account in accounts}
        return [row["_id"] for row in rows if any((mark, owner.get(row["account"])) in sent for mark in row["marks"])]

    async def replan_unmatched(self, rows: Sequence[str]) -> int:
        """Set those of the rows that are undecided back to ``planned``. Returns how many."""
        query: Doc = {"_id": {"$in": list(rows)}, "$or": list(UNDECIDED)}
        return await self._replan(query, await self._disconnected())

    async def replan_relevant(self, rows: Sequence[str]) -> int:
        """Do the same with those that name a known address, or an email of a thread that the mailbox's owner opened."""
        query: Doc = {"_id": {"$in": list(rows)}, "$or": list(UNDECIDED)}
        found = await self._ledger.find(query, {"account": 1, "marks": 1}).to_list() if rows else []
        undecided = [{"marks": (), **row} for row in found]
        marks = list({mark for row in undecided for mark in row["marks"]})
        known = {one["mark"] async for one in self._addresses.find({"mark": {"$in": marks}}, {"_id": 0, "mark": 1})}
        named = [row["_id"] for row in undecided if not known.isdisjoint(row["marks"])]
        again = {*named, *await self._opened(undecided)} if undecided else set[str]()
        return await self.replan_unmatched(sorted(again)) if again else 0

    async def replan_former(self, account: str) -> int:
        """Do the same with an account's copies of emails that have a former key and a copy in another account, too.

        What readers are shown of such an email may come from any of its copies. When they are parsed again, copies that
        differ become separate emails.
        """
        former: Doc = {"email": {"$gte": "v1-", "$lt": "v1."}, "state": RowState.ATTACHED.value}
        count = 0
        async for rows in batched(self._ledger.find({**account_range(account), **former}, {"email": 1}), _ROWS_AT_ONCE):
            others: Doc = {"email": {"$in": [row["email"] for row in rows]}, "state": RowState.ATTACHED.value}
            found = self._ledger.find({**others, "account": {"$ne": account}}, {"email": 1})
            shared = {row["email"] async for row in found}
            ours = [row["_id"] for row in rows if row["email"] in shared]
            count += await self.replan_rows(ours) if ours else 0
        return count

    async def replan_deleted(self, query: Doc) -> int:
        """Do the same with rows that were skipped because their email was deleted in the CRM."""
        skipped: Doc = {"state": RowState.SKIPPED.value, "reason": DELETED_IN_CRM}
        return await self._replan({**query, **skipped}, await self._disconnected())

    async def replan_rows(self, rows: Sequence[str]) -> int:
        """Set rows that are not ``gone`` and no drafts back to ``planned``, to be fetched again. Returns how many.

        A row without a final state stays in its epoch, whose completion waits for it.
        Rows of disconnected accounts end as ``skipped`` instead, because no poller could fetch them.
        """
        return await self._replan_lost({"_id": {"$in": list(rows)}, **OPEN_ROWS})

    async def replan_emails(self, keys: Iterable[str]) -> int:
        """Do the same as ``replan_rows`` with the live copies of emails whose content was lost in a race."""
        return await self._replan_lost({"email": {"$in": list(keys)}, "state": RowState.ATTACHED.value})

    async def unmatch_emails(self, keys: Iterable[str]) -> int:
        """Set the live copies of emails that are on no record to ``unmatched``. A late contact finds them again by hash."""
        return await self._end({"email": {"$in": list(keys)}}, RowState.UNMATCHED)

    async def unmatch_rows(self, rows: Iterable[str]) -> int:
        """Do the same as ``unmatch_emails`` with single live copies. Their email stays stored because of another copy."""
        return await self._end({"_id": {"$in": list(rows)}}, RowState.UNMATCHED)

    async def skip_emails(self, keys: Iterable[str], reason: str) -> int:
        """End the live copies of emails as ``skipped``, for example after a deletion in the CRM."""
        return await self._end({"email": {"$in": list(keys)}}, RowState.SKIPPED, reason=reason)

    async def _end(self, which: Doc, state: RowState, **fields: str) -> int:
        change = {
            "$set": {"state": state.value, **fields, "updated_at": now()},
            "$unset": dict.fromkeys(OF_EMAIL, ""),
        }
        return (await self._ledger.update_many({**which, "state": RowState.ATTACHED.value}, change)).modified_count

    async def _replan_lost(self, query: Doc) -> int:
        disconnected = await self._disconnected()
        if disconnected:
            theirs = {**query, "account": {"$in": disconnected}}
            await self._end(theirs, RowState.SKIPPED, reason=DISCONNECTED)
        return await self._replan(query, disconnected)

    async def _replan(self, query: Doc, disconnected: list[str]) -> int:
        if disconnected:
            query = {**query, "account": {"$nin": disconnected}}
        unfinished, moment = {"$in": ["$state", UNFINISHED_STATES["$in"]]}, now()
        change: list[Doc] = [
            {
                "$set": {
                    "state": RowState.PLANNED.value,
                    "epoch": {"$cond": [unfinished, "$epoch", None]},
                    "attempts": {"$add": [{"$ifNull": ["$attempts", 0]}, 1]},
                    "noticed_at": {"$cond": [unfinished, "$noticed_at", moment]},
                    "updated_at": moment,
                }
            },
            {"$unset": ["reason", *OF_EMAIL]},
        ]
        count = (await self._ledger.update_many(query, change)).modified_count
        # An account disconnected meanwhile has already ended its unfinished rows: end those written here, too.
        if count and (disconnected_since := set(await self._disconnected()).difference(disconnected)):
            ours = {"account": {"$in": list(disconnected_since)}, "state": RowState.PLANNED.value}
            ended = {"state": RowState.SKIPPED.value, "reason": DISCONNECTED, "updated_at": now()}
            await self._ledger.update_many(ours, {"$set": ended})
        return count

    async def _of(self, owners: Collection[str]) -> list[str]:
        return [found["_id"] async for found in self._accounts.find({"owner": {"$in": list(owners)}}, {"_id": 1})]

    async def _disconnected(self) -> list[str]:
        found = self._accounts.find({"state": AccountState.DISCONNECTED.value}, {"_id": 1})
        return [document["_id"] async for document in found]
