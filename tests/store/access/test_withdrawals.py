"""What holders keep private: which of their emails it covers."""

from __future__ import annotations

from services.store import Store
from tests.store.fixtures import World

ANN, BOB = "ann@corp.com", "bob@corp.com"


async def test_a_withdrawal_is_stored_once_under_a_stable_id(world: World, store: Store) -> None:
    """Adding and removing say whether that changed something; released versions find the documents by their ids."""
    assert await store.withdrawals.add(ANN, "email", "k1")
    assert not await store.withdrawals.add(ANN, "email", "k1")
    (found,) = await world.database["withdrawals"].find().to_list()
    assert found.pop("at")
    assert found == {"_id": f"{ANN}/email/k1", "owner": ANN, "kind": "email", "target": "k1"}
    assert await store.withdrawals.remove(ANN, "email", "k1")
    assert not await store.withdrawals.remove(ANN, "email", "k1")
    assert await world.database["withdrawals"].count_documents({}) == 0


async def test_an_email_is_withdrawn_by_itself_or_with_its_thread(store: Store) -> None:
    """Each owner's withdrawals count for their own emails; a thread's id is no email's key, and the other way round."""
    threads = {"k1": "t1", "k2": "t1", "k3": "t3", "t4": "k4"}
    await store.withdrawals.add(ANN, "thread", "t1")
    await store.withdrawals.add(ANN, "email", "k3")
    await store.withdrawals.add(BOB, "email", "k1")
    await store.withdrawals.add(BOB, "email", "t3")
    await store.withdrawals.add(BOB, "thread", "t4")
    await store.withdrawals.add("carl@corp.com", "thread", "t1")
    assert await store.withdrawals.of([ANN, BOB], threads) == {(ANN, "k1"), (ANN, "k2"), (ANN, "k3"), (BOB, "k1")}
    assert await store.withdrawals.of([], threads) == frozenset()


async def test_what_is_kept_private_goes_to_the_heir(store: Store) -> None:
    """Emails and threads, each as what it is."""
    await store.withdrawals.add(ANN, "thread", "t1")
    await store.withdrawals.add(ANN, "email", "k2")
    await store.withdrawals.hand_over(ANN, BOB)
    assert await store.withdrawals.of([BOB], {"k1": "t1", "k2": "t2", "k3": "t3"}) == {(BOB, "k1"), (BOB, "k2")}


async def test_a_user_is_told_the_targets_of_their_own_withdrawals(store: Store) -> None:
    """Keys of emails and ids of threads, and nothing that another user keeps private."""
    await store.withdrawals.add(ANN, "email", "k1")
    await store.withdrawals.add(ANN, "thread", "t1")
    await store.withdrawals.add(BOB, "email", "k2")
    assert sorted(await store.withdrawals.targets(ANN)) == ["k1", "t1"]
    assert await store.withdrawals.targets("carl@corp.com") == []
