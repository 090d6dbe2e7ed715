"""Connected mailboxes. Their documents also hold the lease (``leases``) and what hinders the poller (``account_troubles``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from schemas.accounts import Account, AccountState, FolderRules, SealedCredentials, ServerAddress
from schemas.addresses import normal_address_or_none
from schemas.sharing import SharingPolicy
from services.store.core.address_proofs import AddressProofs
from services.store.core.audit import OPERATOR, Audit
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import CHANGED, CONNECTED, decode, encode, now, plain
from services.store.core.errors import AlreadyExistsError, NotFoundError
from services.store.core.fence import MongoSession
from services.store.sync.former_accounts import FormerAccounts


def _login(account: Account) -> tuple[str, str]:
    return account.incoming.host, account.incoming.username


def new_account_id() -> str:
    """Return an id for a new account. Credentials are sealed for it before it is stored."""
    return str(ObjectId())


class Accounts:
    """What users and administrators do with accounts."""

    def __init__(
        self,
        collections: Collections,
        *,
        colleagues: Colleagues,
        address_proofs: AddressProofs,
        former_accounts: FormerAccounts,
        audit: Audit,
    ) -> None:
        self._accounts = collections.accounts
        self._colleagues = colleagues
        self._proofs = address_proofs
        self._former = former_accounts
        self._audit = audit

    async def add(self, account: Account, *, by: str = OPERATOR, of_user: bool = False) -> None:
        """Store a new account, or connect a disconnected one again (see ``former_accounts``): the same login keeps its proofs.

        A proof of an address that another user or a mailbox with as good a proof has is left out: the claim stays unproven.

        With ``of_user``, its owner has to be an active user at that moment, as members always have to.

        Raises:
            AlreadyExistsError: the address is connected already.
            NotFoundError: a member, or the owner, is no active user.
        """
        claimed = account.model_copy(update={"proofs": ()})
        known = await self.of_ids([account.id])  # when it is connected again
        before = frozenset[str]().union(*(one.own_addresses for one in known.values()))
        same = [one for one in known.values() if _login(one) == _login(account)]
        kept = [proof for one in same for proof in one.proofs if proof.address in account.claims]

        async def write(session: MongoSession) -> None:
            await self._colleagues.require_active(account.holders if of_user else account.members, session)
            again = await self._former.connect_again(claimed, session)
            if not again:
                await self._accounts.insert_one(encode(claimed), session=session)
            details = {"owner": account.owner, "sharing": account.sharing, "again": again}
            details |= {"members": account.members} if account.shared else {}
            await self._audit.add("account.add", by=by, subject=f"account:{account.id}", session=session, **details)

        # The address of a user was a colleague's before.
        async with self._colleagues.changing(await self._colleagues.no_users(before | claimed.own_addresses)):
            await self._former.prepare(claimed)
            try:
                await self._audit.transaction(write)
            except DuplicateKeyError:
                raise AlreadyExistsError(f"{account.address} is connected already") from None
        for proof in (*kept, *account.proofs):
            with suppress(AlreadyExistsError):
                await self._proofs.prove(account.id, proof.address, proof.how, by=proof.by)

    async def get(self, account: str) -> Account:
        """Return an account by its id.

        Raises:
            NotFoundError: there is no such account.
        """
        document = await self._accounts.find_one({"_id": account})
        if document is None:
            raise NotFoundError(f"there is no account {account}")
        return decode(Account, document)

    async def find(self, name: str) -> Account:
        """Return an account by id or by address. Of several with one address, it is the connected one.

        Raises:
            NotFoundError: there is no such account.
        """
        wanted = normal_address_or_none(name) or name.strip().lower()
        found = [
            decode(Account, document)
            async for document in self._accounts.find({"$or": [{"_id": wanted}, {"address": wanted}]})
        ]
        if not found:
            raise NotFoundError(f"there is no account {name}: `leadmail account list` shows all")
        return min(found, key=lambda account: account.state is AccountState.DISCONNECTED)

    async def sealed(self) -> AsyncIterator[tuple[str, SealedCredentials]]:
        """Yield the ids and sealed credentials of connected accounts."""
        connected = {"state": CONNECTED}
        async for document in self._accounts.find(connected, {"credentials": 1}):
            yield document["_id"], SealedCredentials.model_validate(document["credentials"])

    async def connected(self, address: str) -> Account | None:
        """Return the account that is connected under an address."""
        query = {"address": address, "state": CONNECTED}
        document = await self._accounts.find_one(query)
        return None if document is None else decode(Account, document)

    async def get_all(self, owner: str | None = None) -> list[Account]:
        """Return all accounts, or those of an owner, sorted by address."""
        return await self._sorted({} if owner is None else {"owner": owner})

    async def held_by(self, user: str) -> list[Account]:
        """Return the accounts of a user, shared ones included, sorted by address."""
        return await self._sorted({"$or": [{"owner": user}, {"members": user}]})

    async def concerning(self, address: str) -> list[Account]:
        """Return the accounts of a user, and those that name an address as their own, proven or not, sorted by address."""
        return await self._sorted({"$or": [{name: address} for name in ("owner", "members", "address", "aliases")]})

    async def _sorted(self, query: dict[str, Any]) -> list[Account]:
        found = self._accounts.find(query).sort([("address", 1), ("_id", 1)])
        return [decode(Account, document) async for document in found]

    async def of_ids(self, accounts: Iterable[str]) -> dict[str, Account]:
        """Return accounts by id, in any state, without unknown ids."""
        found = self._accounts.find({"_id": {"$in": list(set(accounts))}})
        return {document["_id"]: decode(Account, document) async for document in found}

    async def of_holder(self, poller: str, accounts: Collection[str]) -> dict[str, Account]:
        """Return those of some accounts that a poller holds, with current state, credentials, rules and ``resync_requested``."""
        found = self._accounts.find({"_id": {"$in": list(accounts)}, "lease.holder": poller})
        return {document["_id"]: decode(Account, document) async for document in found}

    async def set_state(self, account: str, state: AccountState, *, by: str, reason: str | None = None) -> Account:
        """Pause or resume an account (``active`` also ends a block). The poller blocks, see ``account_troubles``.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        fields = {"state": state, "reason": reason, "trouble": None}
        return await self._change(account, fields, action="account.state", by=by, state=state, reason=reason)

    async def request_resync(self, account: str, *, by: str) -> None:
        """Request a new backfill.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        await self._change(account, {"resync_requested": True}, action="account.resync", by=by)

    async def save_credentials(
        self,
        account: str,
        credentials: SealedCredentials | None,
        *,
        by: str,
        incoming: ServerAddress | None = None,
        outgoing: ServerAddress | None = None,
        provider: str | None = None,
        grant: str = "",
        refresh_at: datetime | None = None,
    ) -> Account:
        """Store new credentials that were tested (with ``incoming`` also both servers and their provider). This ends a block.

        Another login name, or another host, no longer proves what the former one proved.

        ``grant`` and ``refresh_at`` are those of a sign-in (see ``Account``). Without ``credentials``, the saved ones stay.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        fields: dict[str, Any] = {"trouble": None}
        if credentials is not None:
            fields |= {"credentials": credentials, "grant": grant, "refresh_at": refresh_at}
        if incoming is not None:
            fields |= {"incoming": incoming, "outgoing": outgoing, "provider": provider}
        await self._change(account, fields, action="account.credentials", by=by, login=incoming)
        blocked = {"_id": account, "state": AccountState.BLOCKED.value}
        await self._accounts.update_one(blocked, {"$set": {"state": AccountState.ACTIVE.value, "reason": None}})
        return await self.get(account)

    async def save_folder_rules(self, account: str, rules: FolderRules, *, by: str) -> Account:
        """Store which folders are synchronised, and request a backfill that applies the rules.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        fields = {"folders": rules, "resync_requested": True}
        return await self._change(account, fields, action="account.folders", by=by, rules=rules)

    async def save_aliases(self, account: str, aliases: Iterable[str], *, by: str) -> Account:
        """Store the further addresses that the owner claims. A new one has no effect until it is proven.

        A proof goes with the address that it is about, and the threads that the address opened or ended are enqueued.

        Raises:
            NotFoundError: there is no such account, or it is disconnected.
        """
        before = await self.get(account)
        wanted = tuple(sorted(set(aliases) - {before.address}))
        after = before.model_copy(update={"aliases": wanted})
        ending = before.own_addresses - after.own_addresses
        async with self._colleagues.changing(ending):
            fields: dict[str, Any] = {"aliases": wanted, **({"relink": now()} if ending else {})}
            pull = {"proofs": {"address": {"$nin": sorted(after.claims)}}}
            moved: dict[str, Any] = {"before": before.aliases, "after": wanted}
            return await self._change(account, fields, pull, action="account.aliases", by=by, **moved)

    async def save_sharing(self, account: str, policy: SharingPolicy, *, by: str = OPERATOR) -> Account:
        """Store a policy and note that the links need an update. Call ``store.sharing.set_account`` instead, which updates them.

        Raises:
            NotFoundError: there is no such account, or it is disconnected (its policy is frozen).
        """
        before, fields = await self.get(account), {"sharing": policy, "relink": now()}
        return await self._change(account, fields, action="account.sharing", by=by, before=before.sharing, after=policy)

    async def _change(
        self,
        account: str,
        fields: dict[str, Any],
        pull: dict[str, Any] | None = None,
        *,
        login: ServerAddress | None = None,
        action: str,
        by: str,
        **details: Any,
    ) -> Account:
        """Change a connected account and add an entry of the audit log."""
        connected = {"_id": account, "state": CONNECTED}
        update = {"$set": plain(fields), **CHANGED, **({"$pull": pull} if pull else {})}
        after = ReturnDocument.AFTER

        async def write(session: MongoSession) -> Account:
            if login is not None:
                await self._proofs.login_changes(account, login, session)
            found = await self._accounts.find_one_and_update(connected, update, return_document=after, session=session)
            if found is None:
                raise NotFoundError(f"there is no connected account {account}")
            await self._audit.add(action, by=by, subject=f"account:{account}", session=session, **details)
            return decode(Account, found)

        return await self._audit.transaction(write)
