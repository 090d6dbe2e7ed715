"""Final states of copies, written many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pymongo import UpdateMany

from schemas.ledger import DRAFT, RowState
from services.store.core.documents import Doc, now
from services.store.ledger.ledger_rows import DOUBT, OF_EMAIL

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


def outcome_writes(updates: Sequence[RowOutcome]) -> list[UpdateMany]:
    """Return few writes for many rows: rows with the same outcome share one, and so do attached rows.

    One write per row would take the server twice and the client four times as long.
    """
    moment = now()
    attached = [one for one in updates if one.email is not None and not (one.bcc or one.reason or one.defects)]
    groups: dict[tuple[object, ...], list[RowOutcome]] = {}
    for update in set(updates) - set(attached):
        groups.setdefault(update[1:], []).append(update)
    writes = [_write([update.id for update in alike], _change(alike[0], moment)) for alike in groups.values()]
    for start in range(0, len(attached), _LOOK_UP):
        part = attached[start : start + _LOOK_UP]
        writes.append(_write([update.id for update in part], _attached(part, moment)))
    return writes


def _write(ids: list[str], change: Doc | list[Doc]) -> UpdateMany:
    return UpdateMany({"_id": {"$in": ids}, **OPEN_ROWS}, change)


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
    values = {name: {"$arrayElemAt": [{"$literal": each}, place]} for name, each in lists.items()}
    return [{"$set": {**values, "updated_at": moment}}, {"$unset": ["reason", "bcc", "defects", *DOUBT]}]
