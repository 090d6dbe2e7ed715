"""Mailboxes that are connected again after they were disconnected."""

from __future__ import annotations

from collections.abc import Collection

from schemas.accounts import Account, AccountState
from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode, now, plain
from services.store.core.fence import MongoSession
from services.store.ledger.ledger_rows import DISCONNECTED, account_range


class FormerAccounts:
    """Finds the disconnected account of a mailbox and connects it again."""

    def __init__(self, collections: Collections) -> None:
        self._accounts = collections.accounts
        self._ledger = collections.ledger

    async def find(self, owner: str, address: str) -> Account | None:
        """Return the disconnected account that a user had for this mailbox; the new account takes its id.

        Its copies then belong to one mailbox again: nothing is fetched or shown twice. The sharing that the owner chooses
        now also applies to older mail, which the frozen policy would otherwise continue to share.
        """
        query: Doc = {"owner": owner, "address": address, "state": AccountState.DISCONNECTED.value}
        return await self._newest(query)

    async def find_shared(self, members: Collection[str], address: str) -> Account | None:
        """Do the same for a team, each of whose members was one of the former team: nobody sees older mail who did not before."""
        query: Doc = {"members": {"$all": sorted(members)}, "address": address}
        return await self._newest({**query, "state": AccountState.DISCONNECTED.value}) if members else None

    async def _newest(self, query: Doc) -> Account | None:
        document = await self._accounts.find_one(query, sort=[("_id", -1)])
        return None if document is None else decode(Account, document)

    async def prepare(self, account: Account) -> None:
        """Forget the undecided rows of a disconnected account that is about to be connected again.

        No late contact was looked up in it while it was disconnected, so the next backfill decides on these rows again.
        """
        if await self._accounts.find_one(_former(account), {"_id": 1}) is None:
            return
        undecided = {
            **account_range(account.id),
            "$or": [
                {"state": RowState.UNMATCHED.value},
                {"state": RowState.SKIPPED.value, "reason": DISCONNECTED},
            ],
        }
        await self._ledger.delete_many(undecided)

    async def connect_again(self, account: Account, session: MongoSession) -> bool:
        """Replace a disconnected account of the same id, owner and address; False if there is none. Call ``prepare`` first."""
        kept = ("id", "epoch", "incident", "attention_sent", "created_at")
        fields = {name: value for name, value in plain(account).items() if name not in kept}
        change = {"$set": {**fields, "relink": now()}}
        return bool((await self._accounts.update_one(_former(account), change, session=session)).modified_count)


def _former(account: Account) -> Doc:
    return {
        "_id": account.id,
        "owner": account.owner,
        "address": account.address,
        "state": AccountState.DISCONNECTED.value,
        **({"members": {"$all": list(account.members)}} if account.members else {}),
    }
