"""Removal of accounts: disconnected (copies stay, policy frozen) or purged (copies and grants are deleted)."""

from __future__ import annotations

from typing import NamedTuple

from schemas.accounts import AccountState, SealedCredentials
from schemas.ledger import RowState
from services.store.admin.sharing import Sharing
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now, plain
from services.store.core.errors import NotFoundError
from services.store.mail.blob_refs import BlobReferences
from services.store.mail.dead_letters import DeadLetters
from services.store.sync.accounts import Accounts
from services.store.sync.ledger import Ledger
from services.store.sync.ledger_counts import LedgerCounts
from services.store.sync.ledger_rows import DISCONNECTED, account_range

_NO_CREDENTIALS = SealedCredentials(key_id="", wrapped_key=b"", nonce=b"", ciphertext=b"")
_RELINKS = 500


class RemovalCounts(NamedTuple):
    """The extent of a removal, shown before it is done."""

    rows: int
    """Ledger rows."""
    copies: int
    """Attached ones."""
    emails: int
    """Distinct emails among them."""
    only_here: int
    """Emails that no other account holds a copy of. A purge deletes them."""


class Removal:
    """Both ways end the lease, delete the credentials and free the address to be connected again."""

    def __init__(
        self,
        collections: Collections,
        *,
        accounts: Accounts,
        colleagues: Colleagues,
        ledger: Ledger,
        ledger_counts: LedgerCounts,
        sharing: Sharing,
        dead_letters: DeadLetters,
        blob_refs: BlobReferences,
        audit: Audit,
    ) -> None:
        self._c = collections
        self._accounts = accounts
        self._colleagues = colleagues
        self._ledger = ledger
        self._ledger_counts = ledger_counts
        self._sharing = sharing
        self._dead_letters = dead_letters
        self._blob_refs = blob_refs
        self._audit = audit

    async def counts(self, account: str) -> RemovalCounts:
        """Return the extent of an account's removal."""
        states = await self._ledger_counts.counts(account)
        mine: Doc = {**account_range(account), "state": RowState.ATTACHED.value}
        others: Doc = {
            "from": self._c.ledger.name,
            "localField": "email",
            "foreignField": "email",
            "pipeline": [
                {"$match": {"state": RowState.ATTACHED.value, "account": {"$ne": account}}},
                {"$limit": 1},
                {"$project": {"_id": 1}},
            ],
            "as": "others",
        }
        pipeline: list[Doc] = [
            {"$match": mine},
            {"$group": {"_id": "$email"}},
            {"$project": {"_id": 0, "email": "$_id"}},
            {"$lookup": others},
            {
                "$group": {
                    "_id": None,
                    "emails": {"$sum": 1},
                    "only": {"$sum": {"$cond": [{"$eq": ["$others", []]}, 1, 0]}},
                }
            },
        ]
        found = [document async for document in await self._c.ledger.aggregate(pipeline)]
        emails, only = (found[0]["emails"], found[0]["only"]) if found else (0, 0)
        return RemovalCounts(sum(states.values()), states.get(RowState.ATTACHED, 0), emails, only)

    async def disconnect(self, account: str, *, by: str) -> None:
        """Stop synchronising an account permanently. Its imported mail stays, under its current policy.

        Its unfinished rows end as ``skipped``, because no poller will fetch them.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        if not await self._end(account):
            raise NotFoundError(f"there is no connected account {account}")
        unfinished: Doc = {"account": account, "state": {"$in": [RowState.PLANNED.value, RowState.PUBLISHED.value]}}
        end = {"state": RowState.SKIPPED.value, "reason": DISCONNECTED, "updated_at": now()}
        await self._c.ledger.update_many(unfinished, {"$set": end})
        await self._c.epochs.delete_many({"account": account, "state": {"$ne": "complete"}})
        await self._audit.add("account.disconnect", by=by, subject=f"account:{account}")

    async def purge(self, account: str, *, by: str) -> RemovalCounts:
        """Delete an account with its copies and grants, and emails without a copy left. Returns what was stored.

        Call it again after an interruption: it continues where it stopped.

        Raises:
            NotFoundError: there is no such account.
        """
        addresses = (await self._accounts.get(account)).own_addresses
        counts = await self.counts(account)
        await self._end(account)
        everything = account_range(account)
        # Every row, not only attached ones: a matcher that is attaching one finds it gone and removes what it stored.
        linked = {"$or": [{"$eq": ["$state", RowState.ATTACHED.value]}, {"$ifNull": ["$relink", False]}]}
        gone = [{"$set": {"relink": linked, "state": RowState.GONE.value}}]
        await self._c.ledger.update_many({**everything, "state": {"$ne": RowState.GONE.value}}, gone)
        while rows := await self._ledger.to_relink(account=account, limit=_RELINKS):
            await self._sharing.recompute(key for key in rows if key)
            await self._ledger.relink_done(row for several in rows.values() for row in several)
        await self._c.ledger.delete_many(everything)
        await self._c.folders.delete_many({"account": account})
        await self._c.epochs.delete_many({"account": account})
        ids = [found["_id"] async for found in self._c.dead_letters.find({"account": account}, {"_id": 1})]
        await self._dead_letters.remove(ids)
        await self._blob_refs.drop_copies(account)
        await self._audit.add("account.purge", by=by, subject=f"account:{account}", **counts._asdict())
        async with self._colleagues.changing(await self._colleagues.no_users(addresses)):
            await self._c.accounts.delete_one({"_id": account})
        return counts

    async def _end(self, account: str) -> bool:
        """Take the account from its poller and delete its credentials; False if that was done before."""
        connected = {"_id": account, "state": {"$ne": AccountState.DISCONNECTED.value}}
        end: Doc = {
            "state": AccountState.DISCONNECTED.value,
            "reason": None,
            "credentials": plain(_NO_CREDENTIALS),
            "resync_requested": False,
        }
        # Without a holder every fenced write fails.
        lease: Doc = {"$unset": {"lease.holder": "", "lease.expires": ""}, "$inc": {"lease.token": 1}}
        return bool((await self._c.accounts.update_one(connected, {"$set": end, **lease})).modified_count)
