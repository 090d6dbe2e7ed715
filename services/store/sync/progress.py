"""How far the open backfills are and what state accounts are in, over all accounts: for metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import NamedTuple

from schemas.accounts import AccountState, EpochState, NotificationState
from schemas.ledger import UNFINISHED
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.sync.ledger_rows import account_range

_UNFINISHED = {"$in": [state.value for state in UNFINISHED]}
_OPEN = {"$in": [EpochState.ENUMERATING.value, EpochState.SEALED.value]}
_DUE = {"$in": [NotificationState.DUE.value, NotificationState.SENDING.value]}


class OpenBackfill(NamedTuple):
    """A backfill that is not complete, of an account that is active."""

    account: str
    number: int
    state: EpochState
    expected: int
    """Messages of the account that are to have a final state: as many as the servers said, or as have rows if those are more."""
    done: int
    """Rows of the account that have one."""


class AccountGroup(NamedTuple):
    """Accounts that are alike."""

    state: AccountState
    reason: str | None
    """Why they are blocked."""
    provider: str | None
    """Key in the directory of mail services."""
    host: str
    """Their IMAP server."""


class Progress:
    """Reads indexes, and counts only for the accounts that have an open backfill."""

    def __init__(self, collections: Collections) -> None:
        self._epochs = collections.epochs
        self._accounts = collections.accounts
        self._ledger = collections.ledger

    async def backfills(self) -> list[OpenBackfill]:
        """Return the open backfills of active accounts; those of paused and blocked ones wait for their owners."""
        found = [document async for document in self._epochs.find({"state": _OPEN})]
        query: Doc = {"_id": {"$in": [one["account"] for one in found]}, "state": AccountState.ACTIVE.value}
        active = {document["_id"] async for document in self._accounts.find(query, {"_id": 1})}
        return [await self._backfill(one) for one in found if one["account"] in active]

    async def _backfill(self, epoch: Doc) -> OpenBackfill:
        account = epoch["account"]
        unfinished: Doc = {"account": account, "state": _UNFINISHED}
        rows, waiting = await asyncio.gather(
            self._ledger.count_documents(account_range(account), hint="_id_"),
            self._ledger.count_documents(unfinished, hint="unfinished"),
        )
        return OpenBackfill(
            account=account,
            number=epoch["number"],
            state=EpochState(epoch["state"]),
            expected=max(epoch["expected"], rows),
            done=max(0, rows - waiting),  # counted at different moments
        )

    async def accounts(self) -> Counter[AccountGroup]:
        """Return how many accounts are in which state, why, and at which mail service."""
        fields: Doc = {"state": "$state", "reason": "$reason", "provider": "$provider", "host": "$incoming.host"}
        pipeline: list[Doc] = [{"$group": {"_id": fields, "count": {"$sum": 1}}}]
        return Counter(
            {
                AccountGroup(
                    AccountState(group["_id"]["state"]),
                    group["_id"].get("reason"),
                    group["_id"].get("provider"),
                    group["_id"]["host"],
                ): group["count"]
                async for group in await self._accounts.aggregate(pipeline)
            }
        )

    async def confirmations_due(self) -> int:
        """Return how many backfills are complete and not confirmed."""
        return await self._epochs.count_documents({"notification": _DUE}, hint="notification")
