"""Leases: which poller may work on an account, and what it may not do after losing the lease."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession

from schemas.accounts import AccountState, FolderRules, Lease, Trouble
from services.store import AlreadyExistsError, NotFoundError, Store, StoreConfig
from services.store.core.documents import now
from tests.factories import account, row
from tests.store.fixtures import World


async def expire(world: World, of: str) -> None:
    """Let a lease expire a minute ago."""
    past = now() - timedelta(minutes=1)
    await world.database["accounts"].update_one({"_id": of}, {"$set": {"lease.expires": past}})


async def test_accounts_are_shared_out_evenly_and_never_twice(store: Store) -> None:
    """Two pollers that acquire their share at the same time get all accounts, each account once."""
    for number in range(5):
        await store.accounts.add(account(f"a{number}@corp.com"))
    assert await store.leases.heartbeat("p1") == (1, None)
    live = await store.leases.heartbeat("p2")
    share = await store.leases.share(live.alive)
    assert (live.alive, share) == (2, 3)
    first, second = await asyncio.gather(store.leases.acquire("p1", share), store.leases.acquire("p2", share))
    assert sorted((len(first), len(second))) == [2, 3]
    assert len({lease.account for lease in first + second}) == 5
    everything = [lease.account for lease in first + second]
    assert set(await store.accounts.of_holder("p1", everything)) == {lease.account for lease in first}


async def test_a_poller_knows_when_the_next_one_is_dead(world: World, store: Store) -> None:
    """The one that was silent for longest, if no word comes from it. Dead ones, and the poller itself, do not count."""
    for name in ("mine", "first", "second", "dead"):
        await store.leases.heartbeat(name)
    pollers = world.database["pollers"]
    for name, ahead in (("first", 30_000), ("second", 60_000), ("dead", -60_000)):
        await pollers.update_one({"_id": name}, [{"$set": {"at": {"$add": ["$$NOW", ahead]}}}])
    found = await store.leases.heartbeat("mine")
    assert found.alive == 3
    assert found.next_end is not None
    assert found.next_end < 40


async def test_heartbeats_and_renewals_wait_for_no_other_work(world: World) -> None:
    """They have connections of their own: the shared ones may be in use for longer than a lease, or lead nowhere as here."""
    mine = await world.account("a@corp.com")
    async with AsyncMongoClient[dict[str, Any]]("mongodb://127.0.0.1:1/", connect=False) as nowhere:
        busy = Store(
            nowhere[world.database.name],
            nowhere[world.crm.name],
            StoreConfig(blind_index_keys={}),
            for_leases=world.database,
        )
        assert await busy.leases.heartbeat("poller-1") == (1, None)
        assert await busy.leases.renew([world.leases[mine.id]]) == []
        lost = world.leases[mine.id].model_copy(update={"token": 0})
        assert await busy.leases.renew([lost]) == [lost]


async def test_many_leases_are_renewed_in_parts(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part finds what it has lost."""
    monkeypatch.setattr("services.store.sync.leases._TOGETHER", 2)
    accounts = [await world.account(f"a{number}@corp.com") for number in range(5)]
    leases = [world.leases[account.id] for account in accounts]
    for of in (accounts[1], accounts[4]):
        await expire(world, of.id)
        await store.leases.acquire("p2", 5)
    assert await store.leases.renew(leases) == [leases[1], leases[4]]


async def test_a_lease_that_a_transaction_holds_up_delays_the_others_of_its_part_only(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database waits for the transaction in the middle of a write, and all that the write has left to renew waits with it."""
    monkeypatch.setattr("services.store.sync.leases._TOGETHER", 2)
    accounts = [await world.account(f"a{number}@corp.com") for number in range(5)]
    leases = [world.leases[account.id] for account in accounts]
    collection = store._collections.accounts

    async def renewed() -> list[bool]:
        found = {one["_id"]: one["lease"]["expires"] async for one in collection.find({}, {"lease.expires": 1})}
        return [found[account.id] > before[account.id] for account in accounts]

    before = {one["_id"]: one["lease"]["expires"] async for one in collection.find({}, {"lease.expires": 1})}
    async with world.database.client.start_session() as session, await session.start_transaction():
        await collection.update_one({"_id": accounts[0].id}, {"$inc": {"fence": 1}}, session=session)
        renewing = asyncio.create_task(store.leases.renew(leases))
        async with asyncio.timeout(60):
            while not all((await renewed())[2:]):  # noqa: ASYNC110 - the database tells nobody
                await asyncio.sleep(0.01)
        assert (await renewed())[:2] == [False, False]
        assert not renewing.done()
    assert await renewing == []
    assert all(await renewed())


async def test_a_new_account_is_noticed_until_a_poller_leases_it(store: Store) -> None:
    """A new account is fresh until a poller has leased it. A released one is not."""
    assert not await store.leases.fresh()
    await store.accounts.add(account("a@corp.com"))
    assert await store.leases.fresh()
    (lease,) = await store.leases.acquire("p1", 1)
    assert not await store.leases.fresh()
    await store.leases.release([lease])
    assert not await store.leases.fresh()


async def test_every_change_of_a_user_is_noticed_and_no_write_of_a_poller(world: World, store: Store) -> None:
    """A pause, a resync and new rules are changes, each at its own time. Leases, rows and trouble are none."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    before = await store.leases.changes()
    await store.leases.renew([lease])
    await store.poller_ledger.add_window(lease, [row(mine.id, 1)])
    await store.account_troubles.note(lease, Trouble(code="unavailable", phase="live", since=now()))
    assert await store.leases.changes() == before
    seen = set()
    for change in (
        store.accounts.request_resync(mine.id, by="test"),
        store.accounts.save_folder_rules(mine.id, FolderRules(exclude=("News",)), by="test"),
        store.accounts.set_state(mine.id, AccountState.PAUSED, by="test"),
    ):
        await change
        seen.add((await store.leases.changes())[mine.id])
    assert len(seen) == 3


async def test_a_poller_takes_no_more_than_its_share(store: Store) -> None:
    """Accounts that a poller already holds count towards its share."""
    for number in range(4):
        await store.accounts.add(account(f"a{number}@corp.com"))
    assert len(await store.leases.acquire("p1", 2)) == 2
    assert await store.leases.acquire("p1", 2) == []
    assert len(await store.leases.acquire("p1", 3)) == 1


async def test_a_poller_that_is_started_again_under_its_name_takes_its_accounts_again(
    world: World, store: Store
) -> None:
    """Expired leases of the same name belong to a dead process and count for no share."""
    new = account("a@corp.com")
    await store.accounts.add(new)
    (lost,) = await store.leases.acquire("p1", 1)
    assert await store.leases.acquire("p1", 1) == []
    await expire(world, new.id)
    (taken,) = await store.leases.acquire("p1", 1)
    assert (taken.account, taken.token) == (new.id, lost.token + 1)


@pytest.mark.parametrize("state", [AccountState.PAUSED, AccountState.BLOCKED])
async def test_an_inactive_account_is_not_given_out(store: Store, state: AccountState) -> None:
    """Paused and blocked accounts are not leased, and count for no share."""
    new = account("a@corp.com")
    await store.accounts.add(new)
    await store.accounts.set_state(new.id, state, by="operator")
    assert await store.leases.share(1) == 0
    assert await store.leases.acquire("p1", 10) == []
    await store.accounts.set_state(new.id, AccountState.ACTIVE, by="operator")
    assert len(await store.leases.acquire("p1", 10)) == 1


async def test_an_expired_lease_goes_to_another_poller_with_a_higher_token(world: World, store: Store) -> None:
    """The account of a dead poller is leased again, with a higher token."""
    mine = await world.account("a@corp.com")
    old = world.leases[mine.id]
    assert await store.leases.acquire("p2", 10) == []
    await expire(world, mine.id)
    (new,) = await store.leases.acquire("p2", 10)
    assert (new.account, new.holder) == (mine.id, "p2")
    assert new.token > old.token
    assert await store.leases.renew([old]) == [old]
    assert await store.leases.renew([new]) == []


async def test_an_acquisition_during_a_window_aborts_the_window(world: World, store: Store) -> None:
    """A holder whose lease goes to another poller while its transaction is open does not commit."""
    mine = await world.account("a@corp.com")
    old = world.leases[mine.id]
    entered, proceed = asyncio.Event(), asyncio.Event()

    async def body(session: AsyncClientSession) -> None:
        await world.database["ledger"].insert_one({"_id": "x", "account": mine.id}, session=session)
        entered.set()
        await proceed.wait()
        raise LookupError("as a poller that fails in the middle of a window")

    fence = store.folders._fence
    writing = asyncio.create_task(fence.write(old, body))
    await entered.wait()
    await expire_waiting(world, mine.id, writing, proceed)
    assert await world.database["ledger"].find_one({"_id": "x"}) is None


async def test_a_poller_that_dies_in_a_transaction_does_not_keep_the_account(world: World, store: Store) -> None:
    """The server keeps a dead client's transaction for a minute. Its account is taken over as soon as the lease expires."""
    mine = await world.account("a@corp.com")
    await store.leases.release([world.leases[mine.id]])
    (dead,) = await store.leases.acquire("p1", 1)
    entered = asyncio.Event()

    async def body(session: AsyncClientSession) -> None:
        entered.set()
        await asyncio.Event().wait()  # like a process killed between two statements

    writing = asyncio.create_task(store.folders._fence.write(dead, body))
    await entered.wait()
    taken: list[Lease] = []
    limit = await world.database.client.admin.command("getParameter", transactionLifetimeLimitSeconds=1)
    async with asyncio.timeout(limit["transactionLifetimeLimitSeconds"] / 2):  # before the server ends the transaction
        while not taken:
            await asyncio.sleep(0.1)
            taken = await store.leases.acquire("p2", 1)
    assert taken[0].token > dead.token
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing


async def test_a_cancelled_write_is_done_or_not_and_locks_nothing(world: World, store: Store) -> None:
    """A caller cancelled during a transaction stops after it, so that nothing stays open on the server."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    for number in range(40):
        writing = asyncio.create_task(store.poller_ledger.add_window(lease, [row(mine.id, number + 1)]))
        await asyncio.sleep(number / 10_000)
        writing.cancel()
        await asyncio.wait({writing})
        async with asyncio.timeout(5):
            await store.accounts.request_resync(mine.id, by="test")


async def test_repeated_cancellation_stops_after_the_transaction(world: World, store: Store) -> None:
    """Repeated cancellation leaves no open transaction for the account's next write."""
    mine = await world.account("a@corp.com")
    lease = world.leases[mine.id]
    begun, proceed, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def body(session: AsyncClientSession) -> None:
        change = {"$set": {"touched": True}}
        await world.database["accounts"].update_one({"_id": mine.id}, change, session=session)
        begun.set()
        await proceed.wait()
        ended.set()

    writing = asyncio.create_task(store.poller_ledger._fence.write(lease, body))
    await begun.wait()
    for _ in range(3):
        writing.cancel()
        done, _ = await asyncio.wait({writing}, timeout=0.05)
        assert not done, "the transaction goes on"
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert ended.is_set()
    async with asyncio.timeout(5):
        await store.poller_ledger.add_window(lease, [row(mine.id, 1)])


async def expire_waiting(world: World, of: str, writing: asyncio.Task[None], proceed: asyncio.Event) -> None:
    """Give the account to another poller. This waits for the open transaction, and both outcomes are consistent."""
    change = {"$set": {"lease": {"holder": "p2", "token": 99, "expires": now()}}}
    stealing = asyncio.create_task(world.database["accounts"].update_one({"_id": of}, change))
    done, _ = await asyncio.wait({stealing}, timeout=0.3)
    assert not done, "the fence's write must make the acquisition wait"
    proceed.set()
    with pytest.raises(LookupError):
        await writing
    await stealing


async def test_a_released_account_is_free_at_once(world: World, store: Store) -> None:
    """A released account is free at once, and the old token stays invalid."""
    mine = await world.account("a@corp.com")
    old = world.leases[mine.id]
    await store.leases.release([old])
    (new,) = await store.leases.acquire("p2", 1)
    assert new.token > old.token
    await store.leases.release([old])  # a stale release has no effect
    assert await store.leases.renew([new]) == []


async def test_a_mailbox_is_connected_once(store: Store) -> None:
    """Only one of two users who connect the same address at once succeeds."""
    both = await asyncio.gather(*(store.accounts.add(account("a@corp.com")) for _ in range(2)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in both) == ["AlreadyExistsError", "NoneType"]
    with pytest.raises(AlreadyExistsError):
        await store.accounts.add(account("a@corp.com"))


async def test_accounts_are_found_by_id_and_by_address(store: Store) -> None:
    """Accounts are found by address or id. An unknown one is an error with a hint."""
    mine = account("a@corp.com", aliases=("b@corp.com",))
    await store.accounts.add(mine)
    assert await store.colleagues.own_among(["a@corp.com", "b@corp.com", "c@x.com"]) == {"a@corp.com", "b@corp.com"}
    mine = await store.accounts.find("a@corp.com")
    assert (
        await store.accounts.find("A@corp.com ")
        == await store.accounts.find(mine.id)
        == await store.accounts.get(mine.id)
    )
    assert await store.accounts.get(mine.id) == mine
    with pytest.raises(NotFoundError, match="account list"):
        await store.accounts.find("c@corp.com")


async def test_two_windows_of_one_account_at_once_are_both_stored(world: World, store: Store) -> None:
    """Concurrent windows of one poller conflict by design, and all succeed."""
    mine = await world.account("a@corp.com")
    windows = [[row(mine.id, 100 * part + uid) for uid in range(1, 51)] for part in range(8)]
    await asyncio.gather(*(store.poller_ledger.add_window(world.leases[mine.id], rows) for rows in windows))
    assert await world.states(mine.id) == {"planned": 400}


async def test_trouble_with_one_code_is_one_trouble(world: World, store: Store) -> None:
    """While the code stays the same, the trouble keeps its start; with another code it is another one; None ends it."""
    mine = await world.account("a@corp.com")
    lease, start = world.leases[mine.id], now()
    for minutes, code in ((0, "throttled"), (5, "throttled"), (9, "unavailable")):
        shown = Trouble(code=code, phase="live", since=start + timedelta(minutes=minutes), detail=str(minutes))
        await store.account_troubles.note(lease, shown)
        stored = (await store.accounts.get(mine.id)).trouble
        began = start if code == "throttled" else shown.since
        assert stored == shown.model_copy(update={"since": began})
    await store.account_troubles.note(lease, None)
    assert (await store.accounts.get(mine.id)).trouble is None
