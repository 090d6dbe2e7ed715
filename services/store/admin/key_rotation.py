"""Replaces the deployment's secret in what is stored, step by step, while all stages run. Every step can be repeated.

1. ``reseal``: the accounts' passwords are wrapped with the current secret.
2. ``extend_emails``: stored emails are found by the hash of the new key, too.
3. ``switch``: new marks are made with the new key. Every look-up asks with all keys.
4. ``remark_addresses``, ``remark_erasures``: what can be computed from stored addresses.
5. The pollers read the headers of mail again and replace the marks of its rows (``ledger.remarking``).
6. ``retire``: when nothing is left, the old secrets are no longer needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from pymongo import UpdateOne

from schemas.accounts import Account, AccountState, SealedCredentials
from schemas.identity import address_hash
from schemas.records import RecordRef
from services.store.core.audit import Audit
from services.store.core.blind_index import BlindIndex
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import CHANGED, Doc, plain
from services.store.core.fence import MongoSession
from services.store.core.mark_keys import MarkKeys, MarkState
from services.store.crm.erasures import Erasures
from services.store.crm.records import Records
from services.store.ledger.remarking import Remarking
from services.store.sync.accounts import Accounts

_AT_ONCE = 500


class AccountMarks(NamedTuple):
    """An account with rows that other keys marked."""

    account: Account
    rows: int


class KeyUses(NamedTuple):
    """What is under which key, by the keys' ids."""

    state: MarkState
    passwords: Counter[str]
    """Accounts whose password is sealed by it."""
    rows: Counter[str]
    """Rows of connected accounts, without those of the key that makes new marks."""
    addresses: Counter[str]
    """Addresses of records, and erased ones, without those of the key that makes new marks."""
    accounts: tuple[AccountMarks, ...]
    """Those with rows that other keys marked, be they disconnected."""

    left: int
    """How many of the rows and addresses still need an earlier key that this process has. Rows of disconnected accounts need none."""


class KeyRotation:
    """The steps, and how far they are."""

    def __init__(
        self,
        collections: Collections,
        config: StoreConfig,
        *,
        mark_keys: MarkKeys,
        accounts: Accounts,
        remarking: Remarking,
        records: Records,
        audit: Audit,
    ) -> None:
        self._c = collections
        self._keys = config.blind_index_keys
        self._blind_index = BlindIndex(config)
        self._mark_keys = mark_keys
        self._accounts = accounts
        self._remarking = remarking
        self._records = records
        self._audit = audit
        self._erasures = Erasures(collections)

    async def uses(self) -> KeyUses:
        """Return what is under which key."""
        state = await self._mark_keys.state()
        accounts = {account.id: account for account in await self._accounts.get_all()}
        connected = {one.id for one in accounts.values() if one.state is not AccountState.DISCONNECTED}
        left = await self._remarking.left(accounts, state.key)
        # Rows that do not name their key may be under the present one: they wait for other marks, which needs no other key.
        by_key: dict[str, Counter[str]] = {}
        for name, counts in left.items():
            named = Counter({key or state.base: count for key, count in counts.items()})
            del named[state.key]
            if named:
                by_key[name] = named
        rows: Counter[str] = Counter()
        for name in by_key.keys() & connected:
            rows.update(by_key[name])
        addresses: Counter[str] = Counter()
        for collection in (self._c.addresses, self._c.erasures):
            group: list[Doc] = [
                {"$match": {"mark_key": {"$ne": state.key}}},
                {"$group": {"_id": "$mark_key", "count": {"$sum": 1}}},
            ]
            async for found in await collection.aggregate(group):
                addresses[found["_id"] or state.base] += found["count"]
        del addresses[state.key]
        return KeyUses(
            state,
            Counter(account.credentials.key_id for account in accounts.values() if account.id in connected),
            rows,
            addresses,
            tuple(AccountMarks(accounts[name], counts.total()) for name, counts in sorted(by_key.items())),
            sum(count for key, count in (rows + addresses).items() if key in self._keys),
        )

    async def reseal(self, account: str, before: SealedCredentials, after: SealedCredentials) -> bool:
        """Store credentials that were wrapped again. False if they were changed meanwhile."""
        query = {"_id": account, "credentials": plain(before)}
        change = {"$set": {"credentials": plain(after)}, **CHANGED}
        return bool((await self._c.accounts.update_one(query, change)).modified_count)

    async def extend_emails(self, key: str, *, progress: Callable[[int], None] | None = None) -> None:
        """Have every stored email found by its Message-ID's hash by each key. Continues where it was interrupted."""
        state = await self._mark_keys.state()
        if state.emails == key:
            return
        after, count = "", 0
        if state.next_emails and state.next_emails[0] == key:
            after = state.next_emails[1]
        while True:
            found = self._c.emails.find({"_id": {"$gt": after}}, {"message_id": 1}).sort("_id", 1).limit(_AT_ONCE)
            emails = [email async for email in found]
            if not emails:
                break
            writes = [
                UpdateOne(
                    {"_id": email["_id"]}, {"$set": {"id_mark": self._blind_index.message_id(email["message_id"])}}
                )
                for email in emails
                if email.get("message_id")
            ]
            if writes:
                await self._c.emails.bulk_write(writes, ordered=False)
            after, count = emails[-1]["_id"], count + len(emails)
            await self._mark_keys.note_emails(key, after=after)
            if progress is not None:
                progress(count)
        await self._mark_keys.note_emails(key, after=None)

    async def switch(self, key: str, *, by: str) -> bool:
        """Have a key make new marks. False if it does already."""

        async def write(session: MongoSession) -> bool:
            switched = await self._mark_keys.switch(key, session)
            if switched:
                await self._audit.add("secrets.rotate", by=by, subject="secrets", session=session, key=key)
            return switched

        return await self._audit.transaction(write)

    async def remark_addresses(self, key: str) -> int:
        """Give the addresses of records their hashes by a key. Returns how many were changed."""
        count, others = 0, {"mark_key": {"$ne": key}}
        while found := [one async for one in self._c.addresses.find(others, {"address": 1}).limit(_AT_ONCE)]:
            writes = [
                UpdateOne(
                    {"_id": one["_id"]},
                    {"$set": {"mark": address_hash(self._keys[key], one["address"]), "mark_key": key}},
                )
                for one in found
            ]
            count += (await self._c.addresses.bulk_write(writes, ordered=False)).modified_count
        return count

    async def remark_erasures(self, key: str) -> int:
        """Give erased addresses their hashes by a key. Returns how many were changed.

        The CRM's record still names an erased address, or the erasure has ended.
        """
        base = (await self._mark_keys.state()).base
        found = [
            one
            async for one in self._c.erasures.find({"mark_key": {"$ne": key}})
            if (one.get("mark_key") or base) in self._keys  # by a lost key it cannot be compared with any address
        ]
        for one in found:
            ref = RecordRef(**one["record"])
            record = await self._records.read(ref)
            for address in record.addresses if record else ():
                if one["mark"] in self._blind_index.address(address):
                    await self._erasures.add([ref], address_hash(self._keys[key], address), key, at=one["at"])
            await self._c.erasures.delete_one({"_id": one["_id"], "mark": one["mark"], "mark_key": {"$ne": key}})
        return len(found)

    async def forget(self, key: str, *, by: str) -> None:
        """Note that a key is lost, so that stages start without it."""

        async def write(session: MongoSession) -> None:
            if await self._mark_keys.forget(key, session):
                await self._audit.add("secrets.lost", by=by, subject="secrets", session=session, key=key)

        await self._audit.transaction(write)

    async def retire(self, *, by: str) -> bool:
        """Note that only the key that makes new marks is needed. False if anything is left under another."""
        uses = await self.uses()
        if uses.left or uses.state.emails != uses.state.key:
            return False

        async def write(session: MongoSession) -> None:
            await self._mark_keys.retire(uses.state.key, session)
            await self._audit.add("secrets.rotated", by=by, subject="secrets", session=session, key=uses.state.key)

        if uses.state.used != {uses.state.key}:
            await self._audit.transaction(write)
        return True
