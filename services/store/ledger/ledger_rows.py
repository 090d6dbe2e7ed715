"""Ledger rows in BSON. They are written without models, because these are the hottest paths of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.ledger import HEADER_UNCLEAR, UNFINISHED, Row, RowState
from services.store.core.documents import Doc, decode

UNFINISHED_STATES: Doc = {"$in": [state.value for state in UNFINISHED]}
"""The condition that a row has no final state."""
UNDECIDED: tuple[Doc, ...] = (
    {"state": RowState.UNMATCHED.value},
    {"state": RowState.SKIPPED.value, "reason": HEADER_UNCLEAR},
)
"""The conditions of rows that a contact or a thread that is found later concerns; each has its index of marks."""
DISCONNECTED = "disconnected"
"""Reason of rows that no poller will fetch because their account is disconnected."""
OF_EMAIL = ("email", "bcc", "head", "body", "defects")
"""What only a row has whose copy is attached to an email, or was."""
DOUBT = ("doubt", "doubts", "withheld_at", "retry_at")
"""What only a row has whose mail did not come at the last attempt."""
_OPTIONAL = (
    "reason",
    "flags",
    "labels",
    "marks",
    "id_mark",
    "mark_key",
    "same_id",
    "header",
    *OF_EMAIL,
    "relink",
    *DOUBT,
    "short",
    "attempts",
)
"""Omitted when empty, so that a row has no more bytes and index entries than it needs."""


def row_document(row: Row) -> Doc:
    """Return the document of a row."""
    document: Doc = {
        "_id": row.id,
        "account": row.account,
        "folder": row.folder,
        "uidvalidity": row.uidvalidity,
        "uid": row.uid,
        "epoch": row.epoch,
        "state": row.state.value,
        "size": row.size,
        "internal_date": row.internal_date,
        "noticed_at": row.noticed_at,
        "updated_at": row.updated_at,
    }
    for name in _OPTIONAL:
        if value := getattr(row, name):
            document[name] = value
    return document


def row_of(document: Mapping[str, Any]) -> Row:
    """Return the row of a document."""
    return decode(Row, document)


def account_range(account: str) -> Doc:
    """Return the query for every row of an account, as a range of ids."""
    return {"_id": {"$gte": f"{account}.", "$lt": f"{account}/"}}
