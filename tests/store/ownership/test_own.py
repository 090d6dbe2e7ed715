"""Shared mailboxes that become one user's own, and what the export of a member's data says of the others."""

from __future__ import annotations

import json

import pytest

from schemas.accounts import AccountState, ProofKind
from schemas.sharing import Mode
from services.store import ChangedMeanwhileError, NotAllowedError, NotFoundError, Store
from tests.store.fixtures import World, content
from tests.store.ownership.test_membership import ADMIN, ANN, BOB, EVE, KIM, SALES, page, shared


async def test_a_shared_mailbox_becomes_an_own_one(world: World, store: Store) -> None:
    """Its threads, copies and what the team kept private are the user's; the former members see it as anyone else does."""
    sales, record = await shared(world, ANN, BOB, mode=Mode.PUBLIC), await world.record(KIM)
    await world.user(EVE)
    open_, kept = content("m1", KIM, SALES), content("m2", KIM, SALES, minutes=1)
    for mail in (open_, kept):
        await world.attach(sales, mail)
    await store.withdrawing.keep_private(kept.key, by=BOB)
    await store.sharing.resume()  # nothing is left to do
    after = await store.membership.own(sales.id, ANN, by=BOB, as_member=True)
    assert (after.owner, after.members, after.shared, after.holders) == (ANN, (), False, (ANN,))
    assert after.own_addresses == {SALES}
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [2, 1, 1]
    assert await world.database["links"].distinct("owners") == [ANN]
    (document,) = [one async for one in world.database["accounts"].find({"relink": {"$exists": True}})]
    assert document["_id"] == sales.id  # the matcher looks at all of its mail again
    (entry,) = await store.audit.newest(action="account.own")
    assert (entry.by, entry.details) == (BOB, {"before": [ANN, BOB], "after": ANN})
    await store.withdrawing.share_again(kept.key, by=ANN)
    assert len(await page(store, EVE, record)) == 2


async def test_there_and_back(world: World, store: Store) -> None:
    """The user shares it again: the new team is not the old one, whose members are none of it."""
    sales, record = await shared(world, ANN, BOB), await world.record(KIM)
    await world.user(EVE)
    await world.attach(sales, content("m", KIM, SALES))
    await store.membership.own(sales.id, EVE, by=ADMIN)
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [0, 0, 1]
    await store.membership.share(sales.id, [ANN, EVE], by=EVE)
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [1, 0, 1]
    await store.membership.own(sales.id, ANN, by=ANN, as_member=True)
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [1, 0, 0]


async def test_whose_own_it_cannot_become(world: World, store: Store) -> None:
    """No disabled or unknown user's; by no one who has left; and it is shared, and connected."""
    sales, mine = await shared(world, ANN, BOB, EVE), await world.account("z@corp.com")
    await store.user_lifecycle.disable(EVE, by=ADMIN)
    for user in (EVE, "nobody@corp.com"):
        with pytest.raises(NotFoundError, match="no active user"):
            await store.membership.own(sales.id, user, by=ADMIN)
    await store.membership.change(sales.id, remove=[BOB], by=ANN)
    with pytest.raises(NotAllowedError, match="only its members"):
        await store.membership.own(sales.id, BOB, by=BOB, as_member=True)
    await store.removal.disconnect(sales.id, by=ANN)
    for other in (sales.id, mine.id):
        with pytest.raises(NotFoundError, match="no shared mailbox"):
            await store.membership.own(other, ANN, by=ADMIN)


async def test_members_who_change_meanwhile(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member who was removed as they took the mailbox does not get it."""
    sales = await shared(world, ANN, BOB)
    hand_over = store.withdrawals.hand_over

    async def meanwhile(owner: str, heir: str) -> None:
        monkeypatch.undo()
        await hand_over(owner, heir)
        await store.membership.change(sales.id, remove=[BOB], by=ANN)

    monkeypatch.setattr(store.withdrawals, "hand_over", meanwhile)
    with pytest.raises(ChangedMeanwhileError, match="other members"):
        await store.membership.own(sales.id, BOB, by=BOB, as_member=True)
    assert (await store.accounts.get(sales.id)).members == (ANN,)


async def test_a_mailbox_of_disabled_members_goes_on(world: World, store: Store) -> None:
    """It was paused with the last of them. One that a member had paused stays so."""
    left, paused = await shared(world, ANN), await shared(world, ANN, address="help@corp.com")
    await world.user(BOB)
    await store.accounts.set_state(paused.id, AccountState.PAUSED, by=ANN)
    await store.user_lifecycle.disable(ANN, by=ADMIN)
    states = [(await store.membership.own(one.id, BOB, by=ADMIN)).state for one in (left, paused)]
    assert states == [AccountState.ACTIVE, AccountState.PAUSED]


async def test_a_members_export_names_no_other_member(world: World, store: Store) -> None:
    """It says when they joined and left and what they did themselves. Who else is in the team, and what those do, is about others."""
    await world.user(ADMIN, admin=True)
    sales = await shared(world, ANN, BOB)
    await world.user(EVE)
    await store.membership.change(sales.id, add=[EVE], by=ANN)
    await store.membership.change(sales.id, remove=[BOB], by=EVE)
    await store.accounts.set_state(sales.id, AccountState.PAUSED, by=EVE)
    await store.address_proofs.prove(sales.id, SALES, ProofKind.OAUTH, by=EVE)
    await store.membership.change(sales.id, add=[BOB], by=ANN)
    dossier = await store.exporting.export(BOB, by=ADMIN)
    about = json.dumps([*dossier.accounts, *(one.details for one in dossier.audit)], default=str)
    assert (SALES in about, ANN in about, EVE in about) == (True, False, False), about
    moved = [(one.action, one.details) for one in dossier.audit if one.action == "account.members"]
    assert moved == [
        ("account.members", {"before": [], "after": [BOB]}),
        ("account.members", {"before": [BOB], "after": []}),
    ]
    assert [one for one in dossier.audit if one.action == "account.state"] == []
    anns = await store.exporting.export(ANN, by=ADMIN)
    assert [one.by for one in anns.audit if one.subject == f"account:{sales.id}"] == [ANN] * 3
    eves = await store.exporting.export(EVE, by=ADMIN)
    assert [one.action for one in eves.audit if one.by == EVE] == ["account.proof", "account.state", "account.members"]
