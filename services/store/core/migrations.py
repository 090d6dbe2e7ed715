"""Changes of what an earlier version stored. Each runs once, forward, while stages work.

A migration is a coroutine function of the collections, at the end of ``MIGRATIONS``. It

- may be interrupted at any point and then runs again from the start, so running it twice must equal running it once;
- leaves documents that the previous version, which runs side by side during an upgrade, can still read and write: it only adds.
  A migration of the next release removes what became superfluous;
- works in small steps (about a thousand documents per write), so that no stage waits for it;
- finds new collections and indexes in place (``setup`` runs first).

Each number is unique, and a released migration stays. Going back to the previous version needs no step, because that version
ignores what it does not know. A new database has nothing to migrate: the migrations count as done.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import NamedTuple

from schemas.accounts import AccountState, AddressProof, ProofKind
from schemas.ledger import DELETED_FLAG, DRAFT, DRAFT_FLAG, UNFINISHED, RowState
from services.store.core.bulk import batched
from services.store.core.collections import Collections
from services.store.core.documents import Doc, now, plain
from services.store.core.pending_work import PendingWork
from services.store.core.singleton_lease import SingletonLease

LEASE = "migrations"
SPAN = timedelta(seconds=30)
"""How long a dead process keeps others waiting."""
_POLL_SECONDS = 0.5


class Migration(NamedTuple):
    """One step from an older layout to the current one."""

    number: int
    name: str
    run: Callable[[Collections], Awaitable[None]]


_ROWS = 1000
_EMAILS = 500
"""How many emails one piece of pending work names."""


async def _relink(c: Collections, emails: Doc) -> None:
    """Have the matcher relink the emails that a query selects."""
    found = c.emails.find(emails, {"_id": 1})
    async for part in batched((document["_id"] async for document in found), _EMAILS):
        await PendingWork(c).enqueue(emails=part)


async def _judge_threads(c: Collections) -> None:
    """Have the matcher relink every email that only its thread links: the first release did not look at each holder's mail."""
    await _relink(c, {"by_thread": True})


async def _leave_out_unsent(c: Collections) -> None:
    """End drafts as skipped, and relink emails of which a copy is a draft or flagged as deleted: earlier versions showed both."""
    drafts: Doc = {"$or": [{"flags": DRAFT_FLAG}, {"labels": {"$in": ["\\Draft", "\\Drafts"]}}]}
    states = {"$in": [state.value for state in (*UNFINISHED, RowState.ATTACHED, RowState.UNMATCHED)]}
    hidden: Doc = {"$or": [*drafts["$or"], {"flags": DELETED_FLAG}], "state": RowState.ATTACHED.value}
    rows = [found["_id"] async for found in c.ledger.find(hidden, {"_id": 1})]
    for start in range(0, len(rows), _ROWS):
        some = {"_id": {"$in": rows[start : start + _ROWS]}, "state": RowState.ATTACHED.value}
        await c.ledger.update_many(some, {"$set": {"relink": True}})
    unsent = [found["_id"] async for found in c.ledger.find({**drafts, "state": states}, {"_id": 1})]
    for start in range(0, len(unsent), _ROWS):
        end = {"$set": {"state": RowState.SKIPPED.value, "reason": DRAFT}, "$addToSet": {"flags": DRAFT_FLAG}}
        await c.ledger.update_many({"_id": {"$in": unsent[start : start + _ROWS]}, "state": states}, end)


async def _find_senders(c: Collections) -> None:
    """Have the matcher note which holders sent each email, and then relink threads: earlier releases let received mail open them."""
    own: set[str] = set()
    async for account in c.accounts.find({}, {"address": 1, "aliases": 1}):
        own.update((account["address"], *account.get("aliases", ())))
    sent = {"participants": {"$elemMatch": {"role": "from", "address": {"$in": sorted(own)}}}}
    # Senders first: until their ancestors are up to date, the answers would lose their links.
    for query in (sent, {"by_thread": True}):
        await _relink(c, query)


async def _keep_own_addresses(c: Collections) -> None:
    """Mark addresses that counted without a proof as ``earlier``: if they ceased to count, mail of colleagues would open.

    Of several accounts with one address, the connected account that is connected under it keeps it.
    """
    fields = {"owner": 1, "address": 1, "aliases": 1, "state": 1, "proofs": 1}
    accounts = [account async for account in c.accounts.find({}, fields).sort("_id", 1)]
    connected = [account for account in accounts if account["state"] != AccountState.DISCONNECTED.value]
    taken = {proof["address"] for account in connected for proof in account.get("proofs", ())}
    theirs = {account["address"]: account["_id"] for account in connected}
    for account in accounts:
        if "proofs" in account:
            continue
        claims = sorted({account["address"], *account.get("aliases", ())} - {account["owner"]})
        if account["state"] != AccountState.DISCONNECTED.value:
            claims = [one for one in claims if one not in taken and theirs.get(one, account["_id"]) == account["_id"]]
            taken.update(claims)
        proofs = [AddressProof(address=one, how=ProofKind.EARLIER, by=account["owner"], at=now()) for one in claims]
        unmarked = {"_id": account["_id"], "proofs": {"$exists": False}}
        await c.accounts.update_one(unmarked, {"$set": {"proofs": plain(proofs)}})


async def _note_ids(c: Collections) -> None:
    """Have the matcher note in links which Message-IDs each email names: earlier releases joined threads by the oldest one only."""
    emails = c.links.find({"ids": {"$exists": False}}, {"email": 1})
    async for part in batched((document["email"] async for document in emails), _EMAILS):
        await PendingWork(c).enqueue(emails=sorted(set(part)))


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "judge threads by each holder's own mail", _judge_threads),
    Migration(2, "leave out drafts and mail flagged as deleted", _leave_out_unsent),
    Migration(3, "let only sent mail open threads", _find_senders),
    Migration(4, "keep the addresses that counted without a proof", _keep_own_addresses),
    Migration(5, "join threads by all Message-IDs", _note_ids),
)
"""All migrations, in order."""


async def migrate(c: Collections, migrations: Sequence[Migration] | None = None) -> tuple[str, ...]:
    """Run what is not done yet, in order. Returns the names of the migrations that this process ran.

    One process runs them. The others wait until all are done, because their next steps rely on them.
    """
    wanted = MIGRATIONS if migrations is None else migrations
    leases, holder, ran = SingletonLease(c), secrets.token_hex(8), list[str]()
    while await _undone(c, wanted):
        if not await leases.take(LEASE, holder, SPAN):
            await asyncio.sleep(_POLL_SECONDS)
            continue
        async with _kept(leases, holder):
            empty = await _is_new(c)
            for migration in await _undone(c, wanted):  # again: the previous holder of the lease may have run some
                if not empty:
                    await migration.run(c)
                    ran.append(migration.name)
                done = {"name": migration.name, "at": now()}
                await c.migrations.update_one({"_id": migration.number}, {"$setOnInsert": done}, upsert=True)
    return tuple(ran)


async def _is_new(c: Collections) -> bool:
    """Whether no version has stored anything yet: every deployment starts with a user, an account or the CRM's addresses."""
    for collection in (c.migrations, c.users, c.accounts, c.addresses, c.settings, c.emails):
        if await collection.find_one({}, {"_id": 1}) is not None:
            return False
    return True


async def _undone(c: Collections, wanted: Sequence[Migration]) -> list[Migration]:
    """Return the migrations that are not recorded as done."""
    if not wanted:
        return []
    done = {document["_id"] async for document in c.migrations.find({}, {"_id": 1})}
    return [migration for migration in wanted if migration.number not in done]


@asynccontextmanager
async def _kept(leases: SingletonLease, holder: str) -> AsyncIterator[None]:
    """Keep the lease for as long as the block runs, then release it."""

    async def extend() -> None:
        while True:
            await asyncio.sleep(SPAN.total_seconds() / 3)
            await leases.take(LEASE, holder, SPAN)

    keeper = asyncio.create_task(extend())
    try:
        yield
    finally:
        while not keeper.done():  # the driver may lose a cancellation (Python 3.11)
            keeper.cancel()
            await asyncio.wait({keeper}, timeout=0.5)
        await leases.release(LEASE, holder)
