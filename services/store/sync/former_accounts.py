"""Mailboxes that are connected again after they were disconnected."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from schemas.accounts import Account, AccountState
from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.documents import decode, now, plain
from services.store.core.errors import AlreadyExistsError
from services.store.sync.ledger_rows import account_range

DISCONNECTED = "disconnected"
"""Reason of the rows that nobody will fetch because their account was disconnected."""


class FormerAccounts:
    """The part of ``accounts`` that finds the account which a mailbox was, and makes it that again."""

    def __init__(self, collections: Collections) -> None:
        self._accounts = collections.accounts
        self._ledger = collections.ledger

    async def former(self, owner: str, address: str) -> Account | None:
        """Return the account as which a user had this mailbox connected before; the new one takes its id.

        So its copies are one mailbox's again: nothing is fetched or shown twice, and the sharing that its owner chooses
        now holds for what came earlier, too, which the frozen policy would go on sharing.
        """
        query = {"owner": owner, "address": address, "state": AccountState.DISCONNECTED.value}
        document = await self._accounts.find_one(query, sort=[("_id", -1)])
        return None if document is None else decode(Account, document)

    async def connect_again(self, account: Account) -> bool:
        """Make a disconnected account of the same id, owner and address what is given; False when there is none.

        Raises:
            AlreadyExistsError: somebody else has connected the address meanwhile.
        """
        former = {
            "_id": account.id,
            "owner": account.owner,
            "address": account.address,
            "state": AccountState.DISCONNECTED.value,
        }
        if await self._accounts.find_one(former, {"_id": 1}) is None:
            return False
        # While it was disconnected nobody looked for late contacts in it: its next backfill judges these anew.
        undecided = {
            **account_range(account.id),
            "$or": [
                {"state": RowState.UNMATCHED.value},
                {"state": RowState.SKIPPED.value, "reason": DISCONNECTED},
            ],
        }
        await self._ledger.delete_many(undecided)
        kept = ("id", "epoch", "incident", "attention_sent", "created_at")
        fields = {name: value for name, value in plain(account).items() if name not in kept}
        try:
            result = await self._accounts.update_one(former, {"$set": {**fields, "relink": now()}})
        except DuplicateKeyError:
            raise AlreadyExistsError(f"{account.address} is connected already") from None
        return bool(result.modified_count)
