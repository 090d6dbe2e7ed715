"""Taking an account away: disconnected (its copies stay, its policy frozen) or purged (its copies and grants go)."""

from __future__ import annotations

from typing import NamedTuple

from schemas.accounts import AccountState, SealedCredentials
from schemas.ledger import RowState
from services.store.admin.sharing import Sharing
from services.store.core.audit import Audit
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now, plain
from services.store.core.errors import NotFoundError
from services.store.mail.blobs import Blobs
from services.store.mail.dead_letters import DeadLetters
from services.store.sync.accounts import Accounts
from services.store.sync.former_accounts import DISCONNECTED
from services.store.sync.ledger import Ledger
from services.store.sync.ledger_rows import account_range

_NO_CREDENTIALS = SealedCredentials(key_id="", wrapped_key=b"", nonce=b"", ciphertext=b"")
_RELINKS = 500


class RemovalCounts(NamedTuple):
    """What a removal is about; shown before it is done."""

    rows: int
    """Ledger rows."""
    copies: int
    """Attached ones."""
    emails: int
    """Distinct emails among them."""
    only_here: int
    """Emails of which nobody else holds a copy: a purge removes them."""


class Removal:
    """Both ways end the lease, forget the credentials and let the address be connected again."""

    def __init__(
        self,
        collections: Collections,
        *,
        accounts: Accounts,
        ledger: Ledger,
        sharing: Sharing,
        letters: DeadLetters,
        blobs: Blobs,
        audit: Audit,
    ) -> None:
        self._c = collections
        self._accounts = accounts
        self._ledger = ledger
        self._sharing = sharing
        self._letters = letters
        self._blobs = blobs
        self._audit = audit

    async def counts(self, account: str) -> RemovalCounts:
        """Return what the removal of an account is about."""
        states = await self._ledger.counts(account)
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
        """Stop synchronising an account for good; what it brought in stays, under the policy that it has.

        Its unfinished rows end as ``skipped``: nobody will fetch them.

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
        """Remove an account with its copies and grants; emails of which no copy is left go. Returns what was there.

        May be called again after an interruption: it goes on where it stopped.

        Raises:
            NotFoundError: there is no such account.
        """
        addresses = (await self._accounts.get(account)).own_addresses
        counts = await self.counts(account)
        await self._end(account)
        everything = account_range(account)
        # Every row at once, not the attached ones alone: a matcher that attaches one just now finds it gone, and takes back what it stored.
        linked = {"$or": [{"$eq": ["$state", RowState.ATTACHED.value]}, {"$ifNull": ["$relink", False]}]}
        gone = [{"$set": {"relink": linked, "state": RowState.GONE.value}}]
        await self._c.ledger.update_many({**everything, "state": {"$ne": RowState.GONE.value}}, gone)
        while rows := await self._ledger.to_relink(account=account, limit=_RELINKS):
            await self._sharing.recompute(key for key in rows if key)
            await self._ledger.relink_done(row for ids in rows.values() for row in ids)
        await self._c.ledger.delete_many(everything)
        await self._c.folders.delete_many({"account": account})
        await self._c.epochs.delete_many({"account": account})
        letters = [found["_id"] async for found in self._c.dead_letters.find({"account": account}, {"_id": 1})]
        await self._letters.remove(letters)
        await self._blobs.drop_copies(account)
        await self._audit.add("account.purge", by=by, subject=f"account:{account}", **counts._asdict())
        async with self._accounts.changing(await self._accounts.no_users(addresses)):
            await self._c.accounts.delete_one({"_id": account})
        return counts

    async def _end(self, account: str) -> bool:
        """Take the account from its poller and forget its credentials; False when that was done before."""
        connected = {"_id": account, "state": {"$ne": AccountState.DISCONNECTED.value}}
        end: Doc = {
            "state": AccountState.DISCONNECTED.value,
            "reason": None,
            "credentials": plain(_NO_CREDENTIALS),
            "resync_requested": False,
        }
        # Without a holder no fenced write passes any more.
        lease: Doc = {"$unset": {"lease.holder": "", "lease.expires": ""}, "$inc": {"lease.token": 1}}
        return bool((await self._c.accounts.update_one(connected, {"$set": end, **lease})).modified_count)
