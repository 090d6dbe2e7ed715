"""An address belongs to an account once it is proven. A claim changes nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from schemas.accounts import AddressProof, ProofKind
from schemas.sharing import internal_among
from services.store import AlreadyExistsError, NotAllowedError, Store
from services.store.admin.address_codes import MOST_TRIES
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.documents import now
from services.store.core.migrations import MIGRATIONS
from tests.factories import account, confirmed
from tests.store.fixtures import World

ANN, BOB, CLIENT, OTHER = "ann@firm.example", "bob@firm.example", "carla@client.example", "ann@old.example"
KEEPING = 4
BY, HOUR = ProofKind.ADMINISTRATOR, timedelta(hours=1)


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
    collections = Collections(world.database, world.crm, StoreConfig(blind_index_keys={}))
    for _ in range(2):
        await next(one for one in MIGRATIONS if one.number == KEEPING).run(collections)
        mine, other = await store.accounts.get(ann.id), await store.accounts.get(bob.id)
        assert (mine.own_addresses, other.own_addresses) == (frozenset({ANN, OTHER}), frozenset({BOB}))
        assert [proof.how for proof in mine.proofs] == [ProofKind.EARLIER]
        assert await store.colleagues.own_among([OTHER]) == {OTHER}
    await store.address_proofs.prove(bob.id, OTHER, BY, by="operator")
    assert (await store.accounts.get(ann.id)).unproven == (OTHER,)


async def test_of_two_proofs_of_an_account_the_stronger_one_stays(world: World, store: Store) -> None:
    """A later, weaker one does not make the address easier to take."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await store.address_proofs.prove(ann.id, OTHER, ProofKind.SIGN_IN, by=ANN)
    after = await store.address_proofs.prove(ann.id, OTHER, BY, by="operator")
    assert [proof.how for proof in after.proofs] == [ProofKind.SIGN_IN]
    with pytest.raises(AlreadyExistsError):
        await store.address_proofs.prove(bob.id, OTHER, ProofKind.CODE, by=BOB)


async def test_a_mailbox_that_is_connected_again_with_another_login_loses_its_proofs(
    world: World, store: Store
) -> None:
    """With the same login, what was proven stays proven."""
    second = await world.account("ann@second.example", owner=ANN, proofs=())
    for host, kept in (("imap.example.com", True), ("imap.evil.example", False)):
        await store.address_proofs.prove(second.id, second.address, ProofKind.CODE, by=ANN)
        await store.removal.disconnect(second.id, by=ANN)
        incoming = second.incoming.model_copy(update={"host": host})
        await store.accounts.add(second.model_copy(update={"incoming": incoming}))
        found = await store.accounts.get(second.id)
        assert (found.state, found.proof_of(second.address)) == ("active", ProofKind.CODE if kept else None)
        assert await store.colleagues.own_among([second.address]) == ({second.address} if kept else set())


async def test_another_login_weakens_what_the_former_one_proved(world: World, store: Store) -> None:
    """The addresses stay the account's until someone proves them. What an administrator confirmed, and the same login, change nothing."""
    mine = await world.account("ann@second.example", owner=ANN, proofs=())
    bob, incoming = await world.account(BOB), mine.incoming
    for address, how in ((mine.address, ProofKind.SIGN_IN), (OTHER, ProofKind.CODE), (CLIENT, BY)):
        await store.address_proofs.prove(mine.id, address, how, by=ANN)
    before = await store.accounts.get(mine.id)
    same = incoming.model_copy(update={"port": 1143})
    assert (await store.accounts.save_credentials(mine.id, None, by=ANN, incoming=same)).proofs == before.proofs
    for change in ({"host": "imap.evil.example"}, {"username": "other"}):
        await store.accounts.save_credentials(mine.id, None, by=ANN, incoming=incoming.model_copy(update=change))
        after = await store.accounts.get(mine.id)
        kinds = [after.proof_of(address) for address in (mine.address, OTHER, CLIENT)]
        assert (kinds, after.own_addresses) == (
            [ProofKind.EARLIER, ProofKind.EARLIER, BY],
            before.own_addresses,
        )
    await store.address_proofs.prove(bob.id, OTHER, BY, by="operator")
    assert (await store.accounts.get(mine.id)).unproven == (OTHER,)


async def test_unproven_claims_are_counted(world: World, store: Store) -> None:
    """Connected accounts only, and neither the owner's address nor what is proven."""
    ann = await world.account(ANN, aliases=(OTHER, CLIENT), proofs=confirmed(OTHER))
    gone = await world.account("x@gone.example", owner=BOB, proofs=())
    await store.removal.disconnect(gone.id, by=BOB)
    assert await store.address_proofs.unproven() == [(ANN, (CLIENT,))]
    assert (await store.accounts.get(ann.id)).unproven == (CLIENT,)


async def test_a_code_proves_an_address_once(world: World, store: Store) -> None:
    """Typed in any case and grouping. The database has no code, and a used one is gone."""
    ann = await world.account(ANN, aliases=(OTHER,), proofs=())
    await store.address_codes.offer(ann.id, OTHER, "ABCD-EFGH-JKMN", lasts=HOUR, by=ANN)
    stored = await world.database["address_codes"].find_one({})
    assert stored is not None
    assert "ABCD" not in str(stored)
    proven, address = await store.address_codes.enter(ann.id, "abcdefgh jkmn", by=ANN)
    assert (address, proven.proof_of(OTHER)) == (OTHER, ProofKind.CODE)
    with pytest.raises(NotAllowedError, match="no longer valid"):
        await store.address_codes.enter(ann.id, "ABCD-EFGH-JKMN", by=ANN)


async def test_a_code_is_for_one_account_and_ends(world: World, store: Store) -> None:
    """Neither another account, nor an old code, nor the right one after too many guesses proves anything."""
    ann, bob = await world.account(ANN, aliases=(OTHER,), proofs=()), await world.account(BOB)
    await store.address_codes.offer(ann.id, OTHER, "FIRST", lasts=HOUR, by=ANN)
    await store.address_codes.offer(ann.id, OTHER, "SECOND", lasts=HOUR, by=ANN)
    for account_id, code in ((bob.id, "SECOND"), (ann.id, "FIRST")):
        with pytest.raises(NotAllowedError):
            await store.address_codes.enter(account_id, code, by=ANN)
    guesses = [store.address_codes.enter(ann.id, f"GUESS{number}", by=ANN) for number in range(MOST_TRIES)]
    assert all(isinstance(one, NotAllowedError) for one in await asyncio.gather(*guesses, return_exceptions=True))
    with pytest.raises(NotAllowedError):
        await store.address_codes.enter(ann.id, "SECOND", by=ANN)
    await store.address_codes.offer(ann.id, OTHER, "THIRD", lasts=-HOUR, by=ANN)
    with pytest.raises(NotAllowedError):
        await store.address_codes.enter(ann.id, "THIRD", by=ANN)
    assert (await store.accounts.get(ann.id)).unproven == (OTHER,)


async def test_leadmails_own_sender_is_internal_whatever_is_opened(world: World, store: Store) -> None:
    """A change of the policy keeps it, and noting it again changes nothing."""
    for _ in range(2):
        await store.company.note_sender("leadmail@firm.example")
    opened = (await store.company.policy()).replaced(opened_domains=("firm.example",), senders=())
    await store.sharing.set_company(opened, by="operator")
    company = await store.company.policy()
    assert company.senders == ("leadmail@firm.example",)
    assert internal_among(["leadmail@firm.example", ANN], {ANN}, company) == {"leadmail@firm.example"}
