"""Progress of open backfills and states of accounts, over all accounts, for metrics."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import NamedTuple

from schemas.accounts import AccountState
from schemas.ledger import EpochState, NotificationState
from services.store.core.collections import Collections
from services.store.core.documents import Doc
from services.store.ledger.ledger_rows import UNFINISHED_STATES, account_range

_OPEN = {"$in": [EpochState.ENUMERATING.value, EpochState.SEALED.value]}
_DUE = {"$in": [NotificationState.DUE.value, NotificationState.SENDING.value]}


class OpenBackfill(NamedTuple):
    """An incomplete backfill of an active account."""

    account: str
    number: int
    state: EpochState
    expected: int
    """How many messages of the account need a final state: the server's count, or the number of rows if that is higher."""
    done: int
    """How many rows of the account have one."""


class AccountGroup(NamedTuple):
    """Accounts with the same state, reason and mail service."""

    state: AccountState
    reason: str | None
    """Why they are blocked."""
    provider: str | None
    """Key in the provider directory."""
    host: str
    """Their IMAP server."""


class TroubleGroup(NamedTuple):
    """Active accounts that cannot go on at the moment for the same reason."""

    code: str
    accounts: int
    oldest: datetime
    """Since when the first of them cannot."""


class Progress:
    """Reads indexes, and counts rows only for accounts with an open backfill."""

    def __init__(self, collections: Collections) -> None:
        self._epochs = collections.epochs
        self._accounts = collections.accounts
        self._ledger = collections.ledger

    async def backfills(self) -> list[OpenBackfill]:
        """Return the open backfills of active accounts. Those of paused and blocked accounts wait for their owners."""
        found = [document async for document in self._epochs.find({"state": _OPEN})]
        query: Doc = {"_id": {"$in": [one["account"] for one in found]}, "state": AccountState.ACTIVE.value}
        active = {document["_id"] async for document in self._accounts.find(query, {"_id": 1})}
        return [await self._backfill(one) for one in found if one["account"] in active]

    async def _backfill(self, epoch: Doc) -> OpenBackfill:
        account = epoch["account"]
        unfinished: Doc = {"account": account, "state": UNFINISHED_STATES}
        rows, waiting = await asyncio.gather(
            self._ledger.count_documents(account_range(account), hint="_id_"),
            self._ledger.count_documents(unfinished, hint="unfinished"),
        )
        return OpenBackfill(
            account=account,
            number=epoch["number"],
            state=EpochState(epoch["state"]),
            expected=max(epoch["expected"], rows),
            done=max(0, rows - waiting),  # the two counts are from different moments
        )

    async def accounts(self) -> Counter[AccountGroup]:
        """Return the number of accounts by state, reason and mail service."""
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

    async def troubles(self) -> list[TroubleGroup]:
        """Return what hinders active accounts, by code."""
        group: Doc = {"_id": "$trouble.code", "accounts": {"$sum": 1}, "oldest": {"$min": "$trouble.since"}}
        hindered: Doc = {"state": AccountState.ACTIVE.value, "trouble": {"$ne": None}}
        pipeline: list[Doc] = [{"$match": hindered}, {"$group": group}, {"$sort": {"_id": 1}}]
        found = await self._accounts.aggregate(pipeline)
        return [TroubleGroup(one["_id"], one["accounts"], one["oldest"]) async for one in found]

    async def confirmations_due(self) -> int:
        """Return how many complete backfills are not confirmed yet."""
        return await self._epochs.count_documents({"notification": _DUE}, hint="notification")
