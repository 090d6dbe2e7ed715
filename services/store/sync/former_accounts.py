"""Mailboxes that are connected again after they were disconnected."""

from __future__ import annotations

from pymongo.errors import DuplicateKeyError

from schemas.accounts import Account, AccountState
from schemas.ledger import RowState
from services.store.core.collections import Collections
from services.store.core.documents import decode, now, plain
from services.store.core.errors import AlreadyExistsError
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
        query = {"owner": owner, "address": address, "state": AccountState.DISCONNECTED.value}
        document = await self._accounts.find_one(query, sort=[("_id", -1)])
        return None if document is None else decode(Account, document)

    async def connect_again(self, account: Account) -> bool:
        """Replace a disconnected account of the same id, owner and address; False if there is none.

        Raises:
            AlreadyExistsError: another user has connected the address meanwhile.
        """
        former = {
            "_id": account.id,
            "owner": account.owner,
            "address": account.address,
            "state": AccountState.DISCONNECTED.value,
        }
        if await self._accounts.find_one(former, {"_id": 1}) is None:
            return False
        # No late contact was looked up in it while it was disconnected, so the next backfill decides on these rows again.
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
