"""An address belongs to an account once it is proven. A claim changes nothing."""

from __future__ import annotations

import asyncio

import pytest

from schemas.accounts import AddressProof, ProofKind
from services.store import AlreadyExistsError, Store
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import now
from services.store.core.migrations import MIGRATIONS
from services.store.sync import accounts
from tests.factories import account
from tests.store.fixtures import World

ANN, BOB, CLIENT, OTHER = "ann@firm.example", "bob@firm.example", "carla@client.example", "ann@old.example"
BY = ProofKind.ADMINISTRATOR


@pytest.fixture(autouse=True)
def claims_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a claim stay a claim."""
    monkeypatch.setattr(accounts, "PROVE_CLAIMS", False)


async def test_a_claim_counts_only_when_it_is_proven(world: World, store: Store) -> None:
    """A claimed client stays external: no work is enqueued, and no one becomes a colleague. A proof changes that, and so does its end."""
    ann = await world.account(ANN)
    claimed = await store.accounts.save_aliases(ann.id, [CLIENT], by=ANN)
    assert (claimed.unproven, claimed.own_addresses) == ((CLIENT,), frozenset({ANN}))
    assert not await store.colleagues.own_among([CLIENT])
    assert await world.database["debts"].find_one({"addresses": CLIENT}) is None
    proven = await store.address_proofs.prove(ann.id, CLIENT, BY, by="operator")
    assert (proven.unproven, proven.own_addresses) == ((), frozenset({ANN, CLIENT}))
    assert await store.colleagues.own_among([CLIENT]) == {CLIENT}
    assert [entry.details["how"] for entry in await store.audit.newest(action="account.proof")] == ["administrator"]
    ended = await store.accounts.save_aliases(ann.id, [], by=ANN)
    assert (ended.proofs, await store.colleagues.own_among([CLIENT])) == ((), frozenset())


async def test_a_mailbox_under_another_users_address_proves_nothing(world: World, store: Store) -> None:
    """Eve connects a mailbox of her own server under the address of a client, and under a user's: neither is hers."""
    await store.users.add(BOB)
    sign_in = AddressProof(address=BOB, how=ProofKind.SIGN_IN, by="eve@firm.example", at=now())
    for address, proofs in ((CLIENT, ()), (BOB, (sign_in,))):
        eve = account(address, owner="eve@firm.example", proofs=proofs)
        await store.accounts.add(eve)
        assert (await store.accounts.get(eve.id)).own_addresses == frozenset()
    assert not await store.colleagues.own_among([CLIENT])


async def test_a_stronger_proof_takes_an_address_and_a_weaker_one_is_refused(world: World, store: Store) -> None:
    """What an administrator confirmed for Ann goes to Bob, who signs in with it. Ann keeps an unproven claim."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await store.address_proofs.prove(ann.id, OTHER, BY, by="operator")
    with pytest.raises(AlreadyExistsError, match="another mailbox"):
        await store.address_proofs.prove(bob.id, OTHER, BY, by="operator")
    await store.address_proofs.prove(bob.id, OTHER, ProofKind.SIGN_IN, by=BOB)
    assert (await store.accounts.get(ann.id)).unproven == (OTHER,)
    assert (await store.accounts.get(bob.id)).own_addresses == {BOB, OTHER}
    assert [entry.subject for entry in await store.audit.newest(action="account.proof-lost")] == [f"account:{ann.id}"]
    with pytest.raises(AlreadyExistsError):
        await store.address_proofs.prove(ann.id, OTHER, ProofKind.CODE, by=ANN)


async def test_of_two_proofs_at_once_one_counts(world: World, store: Store) -> None:
    """Two accounts never prove one address."""
    boxes = [await world.account(ANN), await world.account(BOB)]
    proving = (store.address_proofs.prove(box.id, OTHER, BY, by="operator") for box in boxes)
    done = await asyncio.gather(*proving, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Account", "AlreadyExistsError"]


async def test_what_counted_before_proofs_existed_goes_on_counting(world: World, store: Store) -> None:
    """If it ceased to count, mail of a colleague's other address would open. It belongs to one account, and yields to any proof."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    for box in (ann, bob):
        change = {"$set": {"aliases": [OTHER]}, "$unset": {"proofs": ""}}
        await world.database["accounts"].update_one({"_id": box.id}, change)
    collections = Collections(world.database, world.crm, StoreConfig(blind_index_key=None))
    for _ in range(2):
        await MIGRATIONS[-1].run(collections)
        mine, other = await store.accounts.get(ann.id), await store.accounts.get(bob.id)
        assert (mine.own_addresses, other.own_addresses) == (frozenset({ANN, OTHER}), frozenset({BOB}))
        assert [proof.how for proof in mine.proofs] == [ProofKind.EARLIER]
        assert await store.colleagues.own_among([OTHER]) == {OTHER}
    await store.address_proofs.prove(bob.id, OTHER, BY, by="operator")
    assert (await store.accounts.get(ann.id)).unproven == (OTHER,)
