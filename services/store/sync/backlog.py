"""How many rows wait for their final state, and since when, over all accounts: the first sign of trouble in any stage."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from schemas.accounts import AccountState
from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.ledger.ledger_rows import UNFINISHED_STATES


class Waiting(NamedTuple):
    """Rows without a final state."""

    rows: int
    oldest: datetime
    """When the oldest of them was noticed."""


class Backlog:
    """Reads the index of unfinished rows, which is as small as the work in progress."""

    def __init__(self, collections: Collections) -> None:
        self._ledger = collections.ledger
        self._accounts = collections.accounts

    async def waiting(self) -> dict[tuple[AccountState, RowState], Waiting]:
        """Return the waiting rows by the state of their account and their own state, without empty groups.

        Rows of a paused or blocked account wait for its owner, rows of an active one for the pipeline.
        """
        pipeline: list[Doc] = [
            {"$match": {"state": UNFINISHED_STATES}},
            {
                "$group": {
                    "_id": {"account": "$account", "state": "$state"},
                    "rows": {"$sum": 1},
                    "oldest": {"$min": "$noticed_at"},
                }
            },
        ]
        groups = [found async for found in await self._ledger.aggregate(pipeline, hint="waiting")]
        ids = list({found["_id"]["account"] for found in groups})
        states = {
            document["_id"]: AccountState(document["state"])
            async for document in self._accounts.find({"_id": {"$in": ids}}, {"state": 1})
        }
        waiting: dict[tuple[AccountState, RowState], Waiting] = {}
        for found in groups:
            state = states.get(found["_id"]["account"])
            if state is None:
                continue  # it is being purged
            key = (state, RowState(found["_id"]["state"]))
            before = waiting.get(key, Waiting(0, found["oldest"]))
            waiting[key] = Waiting(before.rows + found["rows"], min(before.oldest, found["oldest"]))
        return waiting
