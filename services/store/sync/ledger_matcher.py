"""The ledger as the matcher writes it: final states, and rows set back to ``planned``. No lease: filters make each write safe."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from pymongo import UpdateMany

from schemas.accounts import AccountState
from schemas.ledger import UNFINISHED, RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now

_MARKS_AT_ONCE = 1000
_LOOK_UP = 200
"""Rows whose emails one write looks up in a list: the server goes through it for each row."""
_GONE: Doc = {"$ne": RowState.GONE.value}
_NOBODY_FETCHES = "disconnected"
"""The reason that ``removal.disconnect`` gives to unfinished rows."""


class Final(NamedTuple):
    """What became of a copy."""

    id: str
    """The row's."""
    state: RowState
    """``attached`` with the email, ``unmatched``, ``skipped`` or ``quarantined`` with a reason."""
    reason: str | None = None
    email: str | None = None
    bcc: tuple[str, ...] = ()


class MatcherLedger:
    """Final states and what undoes them."""

    def __init__(self, collections: Collections) -> None:
        self._ledger = collections.ledger
        self._accounts = collections.accounts

    async def final(self, updates: Sequence[Final]) -> list[str]:
        """Store the final states of a batch; a row that is ``gone`` stays so. Returns the ids of rows that are gone or removed.

        The caller must not leave the owners of those granted: recompute the links of their emails
        (``sharing.recompute``), for the change was announced before the links were written.
        """
        # Of two updates of one row (a redelivery beside the original) the later one counts.
        wanted = {update.id: update for update in updates}
        if not wanted:
            return []
        result = await self._ledger.bulk_write(_writes(list(wanted.values())), ordered=False)
        ids = wanted.keys()
        if result.matched_count >= len(ids):
            return []
        living = self._ledger.find({"_id": {"$in": list(ids)}, "state": _GONE}, {"_id": 1})
        return sorted(ids - {document["_id"] async for document in living})

    async def quarantine(self, row: str, reason: str) -> bool:
        """End a row whose message is in the dead letters; False when it has a final state already (or is removed)."""
        unfinished = {"_id": row, "state": {"$in": [state.value for state in UNFINISHED]}}
        update = {"$set": {"state": RowState.QUARANTINED.value, "reason": reason, "updated_at": now()}}
        return bool((await self._ledger.update_one(unfinished, update)).modified_count)

    async def replan_by_marks(
        self, marks: Iterable[bytes], *, but: Collection[str] = (), owners: Collection[str] | None = None
    ) -> int:
        """Set ``unmatched`` rows with any of the marks back to ``planned``: they are relevant now. Returns how many.

        They leave their epoch (its completion does not wait for them); ``attempts`` grows, so that publishing them is a new event.
        Rows of disconnected accounts stay: nobody could fetch them. So do those of ``but``, and, where there are ``owners``,
        those in the mailboxes of anybody else.
        """
        accounts = None if owners is None else await self._of(owners)
        disconnected = await self._disconnected()
        count, rest = 0, iter(dict.fromkeys(marks))
        while part := list(islice(rest, _MARKS_AT_ONCE)):
            query: Doc = {"marks": {"$in": part}, "state": RowState.UNMATCHED.value}
            if but:
                query["_id"] = {"$nin": list(but)}
            if accounts is not None:
                query["$and"] = [{"account": {"$in": accounts}}]
            count += await self._replan(query, disconnected)
        return count

    async def replan_unmatched(self, rows: Sequence[str]) -> int:
        """Set those of the rows that are ``unmatched`` back to ``planned``: they are relevant after all. Returns how many."""
        query: Doc = {"_id": {"$in": list(rows)}, "state": RowState.UNMATCHED.value}
        return await self._replan(query, await self._disconnected())

    async def replan_rows(self, rows: Sequence[str]) -> int:
        """Set rows back to ``planned`` whatever their state (but ``gone``), to be fetched again. Returns how many.

        One that has had no final state yet stays in its epoch, whose completion waits for it.
        Rows of disconnected accounts end as ``skipped`` instead, as their unfinished rows do: nobody could fetch them.
        """
        return await self._replan_lost({"_id": {"$in": list(rows)}, "state": _GONE})

    async def replan_emails(self, keys: Iterable[str]) -> int:
        """Do as ``replan_rows`` with the live copies of emails: what is stored of them was lost in a race."""
        return await self._replan_lost({"email": {"$in": list(keys)}, "state": RowState.ATTACHED.value})

    async def unmatch_emails(self, keys: Iterable[str]) -> int:
        """Set the live copies of emails that no record has any more to ``unmatched``; a late contact finds them again by mark."""
        return await self._end({"email": {"$in": list(keys)}}, RowState.UNMATCHED)

    async def unmatch_rows(self, rows: Iterable[str]) -> int:
        """Do as ``unmatch_emails`` with single live copies: another copy is why their email is stored."""
        return await self._end({"_id": {"$in": list(rows)}}, RowState.UNMATCHED)

    async def skip_emails(self, keys: Iterable[str], reason: str) -> int:
        """End the live copies of emails as ``skipped`` (deleted in the CRM)."""
        return await self._end({"email": {"$in": list(keys)}}, RowState.SKIPPED, reason=reason)

    async def _end(self, which: Doc, state: RowState, **fields: str) -> int:
        change = {
            "$set": {"state": state.value, **fields, "updated_at": now()},
            "$unset": {"email": "", "bcc": ""},
        }
        return (await self._ledger.update_many({**which, "state": RowState.ATTACHED.value}, change)).modified_count

    async def _replan_lost(self, query: Doc) -> int:
        disconnected = await self._disconnected()
        if disconnected:
            theirs = {**query, "account": {"$in": disconnected}}
            await self._end(theirs, RowState.SKIPPED, reason=_NOBODY_FETCHES)
        return await self._replan(query, disconnected)

    async def _replan(self, query: Doc, disconnected: list[str]) -> int:
        if disconnected:
            query = {**query, "account": {"$nin": disconnected}}
        unfinished = {"$in": ["$state", [state.value for state in UNFINISHED]]}
        change: list[Doc] = [
            {
                "$set": {
                    "state": RowState.PLANNED.value,
                    "epoch": {"$cond": [unfinished, "$epoch", None]},
                    "attempts": {"$add": [{"$ifNull": ["$attempts", 0]}, 1]},
                    "updated_at": now(),
                }
            },
            {"$unset": ["reason", "email", "bcc"]},
        ]
        count = (await self._ledger.update_many(query, change)).modified_count
        # One that was disconnected meanwhile has ended its unfinished rows before we wrote ours.
        if count and (late := set(await self._disconnected()).difference(disconnected)):
            ours = {"account": {"$in": list(late)}, "state": RowState.PLANNED.value}
            ended = {"state": RowState.SKIPPED.value, "reason": _NOBODY_FETCHES, "updated_at": now()}
            await self._ledger.update_many(ours, {"$set": ended})
        return count

    async def _of(self, owners: Collection[str]) -> list[str]:
        return [found["_id"] async for found in self._accounts.find({"owner": {"$in": list(owners)}}, {"_id": 1})]

    async def _disconnected(self) -> list[str]:
        found = self._accounts.find({"state": AccountState.DISCONNECTED.value}, {"_id": 1})
        return [document["_id"] async for document in found]


def _writes(updates: Sequence[Final]) -> list[UpdateMany]:
    """Return the writes of a batch, few for many rows: those that end alike share one, and so do attached rows.

    A write a row would cost the server twice the time and us four times.
    """
    moment = now()
    attached = [update for update in updates if update.email is not None and not update.bcc and not update.reason]
    groups: dict[tuple[object, ...], list[Final]] = {}
    for update in set(updates) - set(attached):
        groups.setdefault(update[1:], []).append(update)
    writes = [_write([update.id for update in alike], _change(alike[0], moment)) for alike in groups.values()]
    for start in range(0, len(attached), _LOOK_UP):
        part = attached[start : start + _LOOK_UP]
        writes.append(_write([update.id for update in part], _attached(part, moment)))
    return writes


def _write(ids: list[str], change: Doc | list[Doc]) -> UpdateMany:
    return UpdateMany({"_id": {"$in": ids}, "state": _GONE}, change)


def _change(update: Final, moment: datetime) -> Doc:
    values: Doc = {"state": update.state.value, "updated_at": moment}
    values |= {
        name: value
        for name, value in (("reason", update.reason), ("email", update.email), ("bcc", update.bcc))
        if value
    }
    absent = {name: "" for name in ("reason", "email", "bcc") if name not in values}
    return {"$set": values, "$unset": absent}


def _attached(updates: Sequence[Final], moment: datetime) -> list[Doc]:
    """Return one update for rows of different emails: each finds its own by its place in a list."""
    place = {"$indexOfArray": [{"$literal": [update.id for update in updates]}, "$_id"]}
    email = {"$arrayElemAt": [{"$literal": [update.email for update in updates]}, place]}
    state = {"$arrayElemAt": [{"$literal": [update.state.value for update in updates]}, place]}
    return [{"$set": {"state": state, "email": email, "updated_at": moment}}, {"$unset": ["reason", "bcc"]}]
