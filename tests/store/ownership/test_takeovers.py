"""Shared mailboxes: what a member, a former one, or a mailbox that becomes shared must not take along."""

from __future__ import annotations

import pytest

from schemas.accounts import AccountState, ProofKind
from schemas.identity import team_of
from schemas.sharing import Mode, SharingPolicy
from services.store import NotAllowedError, NotFoundError, Store
from tests.store.fixtures import World, content
from tests.store.ownership.test_membership import ADMIN, ANN, BOB, EVE, KIM, SALES, shared

OTHER = "service@corp.com"


async def test_the_owners_address_stays_theirs(world: World, store: Store) -> None:
    """A mailbox that named it becomes a shared one: its members' mail does not count as the former owner's."""
    mine = await world.account(SALES, owner=ANN, aliases=(ANN, OTHER))
    for user in (ANN, BOB):
        await world.user(user)
    await store.address_proofs.prove(mine.id, OTHER, ProofKind.CODE, by=ANN)
    after = await store.membership.share(mine.id, [ANN, BOB], by=ANN)
    assert (after.aliases, ANN in after.own_addresses) == ((OTHER,), False)
    assert OTHER in after.own_addresses
    assert await store.colleagues.own_among([ANN]) == {ANN}


async def test_who_was_removed_meanwhile_changes_nothing(world: World, store: Store) -> None:
    """Two members who remove each other at once: only one of them does. An administrator need not be a member."""
    sales = await shared(world, ANN, BOB, EVE)
    await store.membership.change(sales.id, remove=[BOB], by=ANN, as_member=True)
    with pytest.raises(NotAllowedError, match="only its members"):
        await store.membership.change(sales.id, remove=[ANN], by=BOB, as_member=True)
    assert (await store.accounts.get(sales.id)).members == (ANN, EVE)
    assert (await store.membership.change(sales.id, add=[BOB], by=ADMIN)).members == (ANN, BOB, EVE)


async def test_questions_about_a_mailbox_without_members(world: World, store: Store) -> None:
    """Nobody's view is left to answer them by; the answer says what to do."""
    sales = await shared(world, ANN)
    await world.database["accounts"].update_one({"_id": sales.id}, {"$set": {"members": []}})
    left = await store.accounts.get(sales.id)
    assert left.owner == team_of(sales.id)
    with pytest.raises(NotFoundError, match="add one first"):
        await store.previewing.account(left, SharingPolicy(mode=Mode.PUBLIC))
    with pytest.raises(NotFoundError, match="add one first"):
        await store.aliases.candidates(left)


async def test_a_disabled_owners_mailbox_goes_on_as_a_shared_one(world: World, store: Store) -> None:
    """It was paused with its owner, who is no member; nothing else would resume it."""
    mine = await world.account(SALES, owner=ANN)
    for user in (ANN, BOB):
        await world.user(user)
    await store.user_lifecycle.disable(ANN, by=ADMIN)
    after = await store.membership.share(mine.id, [BOB], by=ADMIN)
    assert (after.members, after.state, after.reason) == ((BOB,), AccountState.ACTIVE, None)


async def test_a_former_member_restores_nothing(world: World, store: Store) -> None:
    """What they deleted as a member is not theirs any more, although they could undo it a moment ago. Others' own mail stays so."""
    mine = await world.account(BOB)
    sales, _ = await shared(world, ANN, BOB, mode=Mode.PUBLIC), await world.record(KIM)
    await world.user(ADMIN, admin=True)
    teams, both, own = content("m1", KIM, SALES), content("m2", KIM, SALES, BOB), content("m3", KIM, BOB)
    for mailbox, mail in ((sales, teams), (sales, both), (mine, both), (mine, own)):
        await world.attach(mailbox, mail)
    for mail in (teams, both, own):
        await store.deleting.delete(mail.key, by=BOB)
    await store.membership.change(sales.id, remove=[BOB], by=ANN)
    assert [(one.email, one.subject) for one in await store.undoing.deleted(BOB)] == [(own.key, own.subject)]
    for mail in (teams, both):
        with pytest.raises(NotFoundError, match="there is no deleted email"):
            await store.undoing.restore(mail.key, by=BOB)
    await store.undoing.restore(own.key, by=BOB)
    await store.membership.change(sales.id, add=[BOB], by=ANN)
    await store.undoing.restore(teams.key, by=BOB)
    await store.undoing.restore(both.key, by=ADMIN)
