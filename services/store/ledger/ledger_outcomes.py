"""Final states of copies, written many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo import UpdateMany

from schemas.ledger import DRAFT, UNFINISHED, RowState
from services.store.core.documents import Doc, now
from services.store.ledger.ledger_rows import DOUBT, OF_EMAIL, UNFINISHED_STATES

_LOOK_UP = 200
"""How many rows one write updates from a list. The server scans the list for each row."""
OPEN_ROWS: Doc = {"state": {"$ne": RowState.GONE.value}, "reason": {"$ne": DRAFT}}
"""Rows that a result may change: the copy is not gone, and it did not become a draft."""


class RowOutcome(NamedTuple):
    """The final state of a copy."""

    id: str
    """The row's id."""
    state: RowState
    """``attached`` with the email, ``unmatched``, ``skipped`` or ``quarantined`` with a reason."""
    reason: str | None = None
    email: str | None = None
    bcc: tuple[str, ...] = ()
    head: str | None = None
    """Of an attached copy: the hashes of its header block and of its body, see ``schemas.ledger.Row``."""
    body: str | None = None
    defects: tuple[str, ...] = ()
    before: RowState | None = None
    """The final state that this one replaces; None if the copy had none."""
    publication: int | None = None
    """Of the message that led to this: if the row was planned again since, a later message decides. None for any."""


class Finished(NamedTuple):
    """The copies whose final states could not be stored."""

    gone: list[str]
    """Rows whose copy is gone or became a draft, that were removed, or that a later message decides."""
    changed: dict[str, RowState | None]
    """The states of rows in which another process stored a final state, or took one back; None for no final state."""


def outcome_writes(updates: Sequence[RowOutcome]) -> list[UpdateMany]:
    """Return few writes for many rows: rows with the same outcome share one, and so do attached rows.

    One write per row would take the server twice and the client four times as long.
    """
    moment = now()
    attached: dict[tuple[object, ...], list[RowOutcome]] = {}
    groups: dict[tuple[object, ...], list[RowOutcome]] = {}
    for update in dict.fromkeys(updates):
        if update.email is not None and not update.reason:
            attached.setdefault((update.before, update.publication), []).append(update)
        else:
            groups.setdefault(update[1:], []).append(update)
    writes = [_write(alike, _change(alike[0], moment)) for alike in groups.values()]
    for several in attached.values():
        for start in range(0, len(several), _LOOK_UP):
            part = several[start : start + _LOOK_UP]
            writes.append(_write(part, _attached(part, moment)))
    return writes


def planned_since(publication: int) -> Doc:
    """Return the condition of a row that was planned again after a message about it was published."""
    return {"state": RowState.PLANNED.value, "attempts": {"$gt": publication}}


def compare(updates: Mapping[str, RowOutcome], rows: Iterable[Doc]) -> Finished:
    """Return which of the outcomes rows do not have."""
    gone, changed = set(updates), dict[str, RowState | None]()
    for row in rows:
        update, state = updates[row["_id"]], RowState(row["state"])
        if state is RowState.PLANNED and row.get("attempts", 0) > (update.publication or row.get("attempts", 0)):
            continue
        gone.discard(update.id)
        if (state, row.get("email")) != (update.state, update.email):
            changed[update.id] = None if state in UNFINISHED else state
    return Finished(sorted(gone), changed)


def _write(alike: Sequence[RowOutcome], change: Doc | list[Doc]) -> UpdateMany:
    _, *_, before, publication = alike[0]
    query: Doc = {"_id": {"$in": [update.id for update in alike]}, "reason": OPEN_ROWS["reason"]}
    query["state"] = before.value if before else UNFINISHED_STATES
    if publication is not None:
        query["$nor"] = [planned_since(publication)]
    return UpdateMany(query, change)


def _change(update: RowOutcome, moment: datetime) -> Doc:
    values: Doc = {"state": update.state.value, "updated_at": moment}
    values |= {name: value for name in ("reason", *OF_EMAIL) if (value := getattr(update, name))}
    absent = {name: "" for name in ("reason", *OF_EMAIL, *DOUBT) if name not in values}
    return {"$set": values, "$unset": absent}


def _attached(updates: Sequence[RowOutcome], moment: datetime) -> list[Doc]:
    """Return one update for rows of different emails: each row finds its email by its position in a list."""
    place = {"$indexOfArray": [{"$literal": [update.id for update in updates]}, "$_id"]}
    lists = {
        "state": [update.state.value for update in updates],
        **{name: [getattr(update, name) for update in updates] for name in ("email", "head", "body")},
    }
    values: Doc = {name: {"$arrayElemAt": [{"$literal": each}, place]} for name, each in lists.items()}
    for name in ("bcc", "defects"):  # few have any, and rows omit what is empty
        several = [list(getattr(update, name)) for update in updates]
        one = {"$arrayElemAt": [{"$literal": several}, place]}
        values[name] = {"$cond": [{"$eq": [one, []]}, "$$REMOVE", one]} if any(several) else "$$REMOVE"
    return [{"$set": {**values, "updated_at": moment}}, {"$unset": ["reason", *DOUBT]}]
