"""Removal of accounts: disconnected (copies stay, policy frozen) or purged (copies and grants are deleted)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from itertools import chain
from typing import NamedTuple

from schemas.accounts import AccountState, SealedCredentials
from schemas.ledger import RowState
from schemas.sharing import may_see
from services.store.access.copies import Copies
from services.store.access.rights import RecordRights
from services.store.access.teams import Teams
from services.store.admin.sharing import Sharing
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import CHANGED, CONNECTED, Doc, now, plain
from services.store.core.errors import NotFoundError
from services.store.core.fence import MongoSession
from services.store.ledger.cached_counts import CachedCounts
from services.store.ledger.ledger import Ledger
from services.store.ledger.ledger_counts import LedgerCounts
from services.store.ledger.ledger_rows import DISCONNECTED, account_range
from services.store.mail.blob_refs import BlobReferences
from services.store.mail.dead_letters import DeadLetters
from services.store.mail.deleted_emails import DeletedEmails
from services.store.mail.links import Links
from services.store.sync.accounts import Accounts

_NO_CREDENTIALS = SealedCredentials(key_id="", wrapped_key=b"", nonce=b"", ciphertext=b"")
_RELINKS = 500
_COUNTED = 500


class RemovalCounts(NamedTuple):
    """The extent of a removal, shown before it is done."""

    rows: int
    """Ledger rows."""
    copies: int
    """Copies of emails on records that the caller sees."""
    emails: int
    """Distinct emails among them."""
    only_here: int
    """Emails of which the caller may not know any other holder: after a purge, no holder is left, or only one who was in Bcc."""


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
        cached_counts: CachedCounts,
        links: Links,
        copies: Copies,
        rights: RecordRights,
        teams: Teams,
        sharing: Sharing,
        dead_letters: DeadLetters,
        deleted_emails: DeletedEmails,
        blob_refs: BlobReferences,
        audit: Audit,
    ) -> None:
        self._c = collections
        self._accounts = accounts
        self._colleagues = colleagues
        self._ledger = ledger
        self._ledger_counts = ledger_counts
        self._cached_counts = cached_counts
        self._links = links
        self._copies = copies
        self._rights = rights
        self._teams = teams
        self._sharing = sharing
        self._dead_letters = dead_letters
        self._deleted = deleted_emails
        self._blob_refs = blob_refs
        self._audit = audit

    async def counts(self, accounts: Collection[str], *, asker: str) -> RemovalCounts:
        """Return the extent of a removal of accounts, as far as the caller sees the mail and may know who else holds it."""
        if not accounts:
            return RemovalCounts(0, 0, 0, 0)
        copies = emails = only_here = 0
        rows = sum([sum((await self._ledger_counts.counts(account)).values()) for account in accounts])
        owners = await self._teams.owners(asker)
        any_of: Doc = {"$or": [account_range(account) for account in accounts]}
        async for keys in self._ledger.attached_emails(any_of, batch=_COUNTED):
            links = await self._links.of_emails(keys)
            facts = await self._copies.facts(keys, chain.from_iterable(links.values()))
            readable = await self._rights.readable(asker, {one.record for several in links.values() for one in several})
            for key, several in links.items():
                if any(one.record in readable and may_see(facts.decide(one, owners)) for one in several):
                    held = Counter(row.account for row in facts.rows[key])
                    copies, emails = copies + sum(held[account] for account in accounts), emails + 1
                    only_here += not any(
                        facts.may_know_holder(owners, key, other) for other in held.keys() - {*accounts}
                    )
        return RemovalCounts(rows, copies, emails, only_here)

    async def disconnect(self, account: str, *, by: str, displaced_from: str | None = None) -> None:
        """Stop synchronising an account permanently. Its imported mail stays, under its current policy.

        Its unfinished rows end as ``skipped``, because no poller will fetch them.

        Args:
            account: its id.
            by: who does it.
            displaced_from: the address that another user proved, if that is why.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        subject = f"account:{account}"

        async def write(session: MongoSession) -> None:
            if not await self._end(account, session):
                raise NotFoundError(f"there is no connected account {account}")
            await self._audit.add("account.disconnect", by=by, subject=subject, session=session)
            if displaced_from is not None:
                await self._audit.add(
                    "account.displaced", by=by, subject=subject, session=session, address=displaced_from
                )

        await self._audit.transaction(write)
        unfinished: Doc = {"account": account, "state": {"$in": [RowState.PLANNED.value, RowState.PUBLISHED.value]}}
        end = {"state": RowState.SKIPPED.value, "reason": DISCONNECTED, "updated_at": now()}
        await self._c.ledger.update_many(unfinished, {"$set": end})
        await self._c.epochs.delete_many({"account": account, "state": {"$ne": "complete"}})

    async def purge(self, account: str, *, by: str) -> None:
        """Delete an account with its copies and grants, and emails without a copy left.

        Call it again after an interruption: it continues where it stopped. Each start has its entry in the audit log.

        Raises:
            NotFoundError: there is no such account.
        """
        addresses = (await self._accounts.get(account)).own_addresses
        total = sum((await self._ledger_counts.counts(account)).values())

        async def write(session: MongoSession) -> None:
            # Administrators read the log: it has no count of mail on records, which they might not see.
            await self._audit.add("account.purge", by=by, subject=f"account:{account}", session=session, rows=total)
            await self._end(account, session)

        await self._audit.transaction(write)
        everything = account_range(account)
        # Every row, not only attached ones: a matcher that is attaching one finds it gone and removes what it stored.
        linked = {"$or": [{"$eq": ["$state", RowState.ATTACHED.value]}, {"$ifNull": ["$relink", False]}]}
        gone = [{"$set": {"relink": linked, "state": RowState.GONE.value}}]
        await self._c.ledger.update_many({**everything, "state": {"$ne": RowState.GONE.value}}, gone)
        while rows := await self._ledger.to_relink(account=account, limit=_RELINKS):
            await self._sharing.recompute(key for key in rows if key)
            await self._ledger.relink_done(row for several in rows.values() for row in several)
        await self._drop_heads(account)
        await self._deleted.drop_account(account)
        await self._c.ledger.delete_many(everything)
        await self._cached_counts.forget(account)
        await self._c.folders.delete_many({"account": account})
        await self._c.epochs.delete_many({"account": account})
        ids = [found["_id"] async for found in self._c.dead_letters.find({"account": account}, {"_id": 1})]
        await self._dead_letters.remove(ids)
        await self._blob_refs.drop_copies(account)
        async with self._colleagues.changing(await self._colleagues.no_users(addresses)):
            await self._c.accounts.delete_one({"_id": account})

    async def _drop_heads(self, account: str) -> None:
        """Let the header blocks of an account's copies go, but those that are another account's, too."""
        heads: dict[str, str] = {}
        async for row in self._c.ledger.find(
            {**account_range(account), "head": {"$type": "string"}}, {"email": 1, "head": 1}
        ):
            heads[row["head"]] = row["email"]
            if len(heads) == _RELINKS:
                await self._drop_unshared(account, heads)
                heads.clear()
        await self._drop_unshared(account, heads)

    async def _drop_unshared(self, account: str, heads: Mapping[str, str]) -> None:
        others: Doc = {
            "email": {"$in": list(heads.values())},
            "head": {"$in": list(heads)},
            "account": {"$ne": account},
        }
        shared = {row["head"] async for row in self._c.ledger.find(others, {"head": 1})}
        await self._blob_refs.drop_heads(heads.keys() - shared)

    async def _end(self, account: str, session: MongoSession) -> bool:
        """Take the account from its poller and delete its credentials; False if that was done before."""
        connected = {"_id": account, "state": CONNECTED}
        end: Doc = {
            "state": AccountState.DISCONNECTED.value,
            "reason": None,
            "credentials": plain(_NO_CREDENTIALS),
            "resync_requested": False,
        }
        # Without a holder every fenced write fails.
        lease: Doc = {"$unset": {"lease.holder": "", "lease.expires": ""}, "$inc": {"lease.token": 1}}
        ended = await self._c.accounts.update_one(connected, {"$set": end, **lease, **CHANGED}, session=session)
        return bool(ended.modified_count)
