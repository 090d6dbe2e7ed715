"""Connected mailboxes: documents of ``accounts``. The lease is part of the document, see ``leases``."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from schemas.accounts import Account, AccountState, FolderRules, Lease, SealedCredentials, ServerAddress
from schemas.addresses import normal_address_or_none
from schemas.sharing import SharingPolicy
from services.store.core.audit import Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import decode, encode, now, plain
from services.store.core.errors import AlreadyExistsError, NotFoundError
from services.store.core.fence import Fence, Session
from services.store.core.pending_work import PendingWork
from services.store.sync.former_accounts import FormerAccounts


def new_account_id() -> str:
    """Return an id for an account that is to be connected (credentials are sealed for it before it is stored)."""
    return str(ObjectId())


class Accounts(Colleagues, FormerAccounts):
    """What the command line and the poller do with accounts."""

    def __init__(self, collections: Collections, fence: Fence, audit: Audit, pending_work: PendingWork) -> None:
        Colleagues.__init__(self, collections, pending_work)
        FormerAccounts.__init__(self, collections)
        self._fence = fence
        self._audit = audit

    async def add(self, account: Account, *, by: str = "operator") -> None:
        """Store a new account, or connect a disconnected one again (see ``former``).

        Raises:
            AlreadyExistsError: the address is connected already (and not disconnected).
        """
        # Whose address is a user's was a colleague before.
        async with self.changing(await self.no_users(account.own_addresses)):
            again = await self.connect_again(account)
            if not again:
                try:
                    await self._accounts.insert_one(encode(account))
                except DuplicateKeyError:
                    raise AlreadyExistsError(f"{account.address} is connected already") from None
        await self._audit.add(
            "account.add",
            by=by,
            subject=f"account:{account.id}",
            owner=account.owner,
            sharing=account.sharing,
            again=again,
        )

    async def get(self, account: str) -> Account:
        """Return an account by its id.

        Raises:
            NotFoundError: there is none.
        """
        document = await self._accounts.find_one({"_id": account})
        if document is None:
            raise NotFoundError(f"there is no account {account}")
        return decode(Account, document)

    async def find(self, name: str) -> Account:
        """Return an account by id or by address; of several with one address the one that is connected.

        Raises:
            NotFoundError: there is none.
        """
        wanted = normal_address_or_none(name) or name.strip().lower()
        found = [
            decode(Account, document)
            async for document in self._accounts.find({"$or": [{"_id": wanted}, {"address": wanted}]})
        ]
        if not found:
            raise NotFoundError(f"there is no account {name}: `leadmail account list` shows all")
        return min(found, key=lambda account: account.state is AccountState.DISCONNECTED)

    async def list(self, owner: str | None = None) -> builtins.list[Account]:
        """Return all accounts, or those of a user, by address."""
        found = self._accounts.find({} if owner is None else {"owner": owner}).sort([("address", 1), ("_id", 1)])
        return [decode(Account, document) async for document in found]

    async def of_ids(self, accounts: Iterable[str]) -> dict[str, Account]:
        """Return accounts by id, whatever their state; unknown ids are left out."""
        found = self._accounts.find({"_id": {"$in": list(set(accounts))}})
        return {document["_id"]: decode(Account, document) async for document in found}

    async def of_holder(self, poller: str) -> dict[str, Account]:
        """Return the accounts that a poller holds, as they are now: state, credentials, folder rules, ``resync_requested``."""
        found = self._accounts.find({"lease.holder": poller})
        return {document["_id"]: decode(Account, document) async for document in found}

    async def set_state(self, account: str, state: AccountState, *, by: str, reason: str | None = None) -> Account:
        """Pause or resume an account (``active`` also ends a block). For a block by the poller see ``block``.

        Raises:
            NotFoundError: there is none that is not disconnected.
        """
        changed = await self._change(account, {"state": state, "reason": reason})
        await self._audit.add("account.state", by=by, subject=f"account:{account}", state=state, reason=reason)
        return changed

    async def block(self, lease: Lease, reason: str, *, tried: SealedCredentials) -> int | None:
        """Block an account that cannot log in; it is not given out any more. Returns the incident's number.

        None, and nothing is done, when its owner has paused it meanwhile, or given it other credentials than those that were tried.

        Raises:
            LeaseLostError: another poller has it.
        """

        async def write(session: Session) -> int | None:
            active = {"_id": lease.account, "state": AccountState.ACTIVE.value, "credentials": plain(tried)}
            update = {"$set": {"state": AccountState.BLOCKED.value, "reason": reason}, "$inc": {"incident": 1}}
            document = await self._accounts.find_one_and_update(
                active, update, projection={"incident": 1}, return_document=ReturnDocument.AFTER, session=session
            )
            return int(document["incident"]) if document else None

        return await self._fence.write(lease, write)

    async def request_resync(self, account: str, *, by: str) -> None:
        """Ask for a new backfill.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        await self._change(account, {"resync_requested": True})
        await self._audit.add("account.resync", by=by, subject=f"account:{account}")

    async def save_credentials(
        self,
        account: str,
        credentials: SealedCredentials,
        *,
        by: str,
        incoming: ServerAddress | None = None,
        outgoing: ServerAddress | None = None,
    ) -> Account:
        """Store new credentials (and servers), which were tried; a block ends.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        fields: dict[str, Any] = {"credentials": credentials}
        fields |= {name: value for name, value in (("incoming", incoming), ("outgoing", outgoing)) if value is not None}
        await self._change(account, fields)
        blocked = {"_id": account, "state": AccountState.BLOCKED.value}
        await self._accounts.update_one(blocked, {"$set": {"state": AccountState.ACTIVE.value, "reason": None}})
        await self._audit.add("account.credentials", by=by, subject=f"account:{account}")
        return await self.get(account)

    async def save_folder_rules(self, account: str, rules: FolderRules, *, by: str) -> Account:
        """Store which folders are synchronised, and ask for a backfill that follows it.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        changed = await self._change(account, {"folders": rules, "resync_requested": True})
        await self._audit.add("account.folders", by=by, subject=f"account:{account}", rules=rules)
        return changed

    async def save_aliases(self, account: str, aliases: Iterable[str], *, by: str) -> Account:
        """Store the further addresses that the owner confirmed to be his. Whose threads they make or end follows.

        An alias never lets anybody read more: it only tells who is a colleague, and what is internal.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        before = await self.get(account)
        wanted = tuple(sorted(set(aliases) - {before.address}))
        async with self.changing(set(before.aliases) ^ set(wanted)):
            changed = await self._change(account, {"aliases": wanted, "relink": now()})
        await self._audit.add(
            "account.aliases", by=by, subject=f"account:{account}", before=before.aliases, after=wanted
        )
        return changed

    async def save_sharing(self, account: str, policy: SharingPolicy) -> Account:
        """Store a policy and note that the links do not follow yet. Use ``store.sharing.set_account``, which sees to that.

        Raises:
            NotFoundError: there is no such account, or it is disconnected (its policy is frozen).
        """
        return await self._change(account, {"sharing": policy, "relink": now()})

    async def _change(self, account: str, fields: dict[str, Any]) -> Account:
        connected = {"_id": account, "state": {"$ne": AccountState.DISCONNECTED.value}}
        update = {"$set": plain(fields)}
        document = await self._accounts.find_one_and_update(connected, update, return_document=ReturnDocument.AFTER)
        if document is None:
            raise NotFoundError(f"there is no connected account {account}")
        return decode(Account, document)
