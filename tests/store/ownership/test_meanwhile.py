"""What happens at the same moment: users who are disabled or removed, members who join or leave, mail that is kept private."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import pytest

from schemas.accounts import Account, AccountState
from schemas.mail import Content
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store import ChangedMeanwhileError, NotAllowedError, NotFoundError, Store
from services.store.core.fence import MongoSession
from tests.factories import account
from tests.store.fixtures import World, content
from tests.store.ownership.test_membership import ADMIN, ANN, BOB, EVE, KIM, SALES, page, shared, state


async def a_mail_on_a_record(world: World) -> tuple[Account, RecordRef, Content]:
    """Ann's own mailbox, which she shares, and a mail in it that Eve sees on the record."""
    mine = await world.account(SALES, Mode.PUBLIC, owner=ANN)
    for user in (ANN, EVE):
        await world.user(user)
    record, mail = await world.record(KIM), content("m", KIM, SALES)
    await world.attach(mine, mail)
    return mine, record, mail


async def test_two_members_cannot_leave_at_once(world: World, store: Store) -> None:
    """One of two changes at the same time sees the other."""
    sales = await shared(world, ANN, BOB)
    leave = [store.membership.change(sales.id, remove=[user], by=user) for user in (ANN, BOB)]
    left = await asyncio.gather(*leave, return_exceptions=True)
    assert [type(one) for one in left if isinstance(one, Exception)] == [NotAllowedError]
    assert len((await store.accounts.get(sales.id)).members) == 1


async def test_a_mailbox_without_members_is_paused(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other member left while the last one was being removed."""
    sales, concerned = await shared(world, ANN, BOB), store.user_lifecycle.concerned

    async def meanwhile(email: str) -> list[Account]:
        found = await concerned(email)
        await world.database["accounts"].update_one({"_id": sales.id}, {"$set": {"members": [ANN]}})
        return found

    monkeypatch.setattr(store.user_lifecycle, "concerned", meanwhile)
    assert await store.user_lifecycle.remove(ANN, by=ADMIN) == []
    assert await state(store, sales) == (AccountState.PAUSED, ())
    assert (await store.accounts.get(sales.id)).reason == "owner-disabled"


async def test_a_mailbox_that_gets_another_owner_meanwhile(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not shared in the name of its former owner."""
    mine = await world.account(SALES, owner=ANN)
    for user in (ANN, BOB):
        await world.user(user)
    hand_over = store.withdrawals.hand_over

    async def meanwhile(owner: str, heir: str, **values: Any) -> None:
        await hand_over(owner, heir, **values)
        await world.database["accounts"].update_one({"_id": mine.id}, {"$set": {"owner": BOB}})

    monkeypatch.setattr(store.withdrawals, "hand_over", meanwhile)
    with pytest.raises(ChangedMeanwhileError):
        await store.membership.share(mine.id, [ANN], by=ANN)
    assert (await store.accounts.get(mine.id)).owner == BOB


async def test_what_is_kept_private_during_the_change_is_the_teams(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner keeps a mail private just before the mailbox becomes the team's."""
    mine, record, mail = await a_mail_on_a_record(world)
    require = store.colleagues.require_active

    async def meanwhile(users: Collection[str], session: MongoSession) -> None:
        monkeypatch.undo()
        await store.withdrawals.add(ANN, "email", mail.key)
        await require(users, session)

    monkeypatch.setattr(store.colleagues, "require_active", meanwhile)
    await store.membership.share(mine.id, [ANN], by=ANN)
    assert [len(await page(store, user, record)) for user in (ANN, EVE)] == [1, 0]


async def test_a_death_after_the_change_leaves_nothing_open(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies as soon as the mailbox is the team's. What its owner kept private just before that is the team's, too."""
    mine, record, mail = await a_mail_on_a_record(world)
    require, transaction = store.colleagues.require_active, store.audit.transaction

    async def meanwhile(users: Collection[str], session: MongoSession) -> None:
        await store.withdrawals.add(ANN, "email", mail.key)
        await require(users, session)

    async def dies(change: Callable[[MongoSession], Awaitable[None]]) -> None:
        await transaction(change)
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(store.colleagues, "require_active", meanwhile)
        patch.setattr(store.audit, "transaction", dies)
        with pytest.raises(ConnectionError):
            await store.membership.share(mine.id, [ANN], by=ANN)
    assert (await store.accounts.get(mine.id)).members == (ANN,)
    assert [len(await page(store, user, record)) for user in (ANN, EVE)] == [1, 0]


async def test_mail_that_is_kept_private_as_the_mailbox_becomes_shared(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner was told that it is private, so it is: for the team, although it was their own a moment ago."""
    mine, record, mail = await a_mail_on_a_record(world)
    enqueue = store.pending_work.enqueue

    async def meanwhile(**work: Any) -> Any:
        monkeypatch.undo()
        await store.membership.share(mine.id, [ANN], by=ANN)
        return await enqueue(**work)

    monkeypatch.setattr(store.pending_work, "enqueue", meanwhile)
    assert await store.withdrawing.keep_private(mail.key, by=ANN) == 1
    assert [len(await page(store, user, record)) for user in (ANN, EVE)] == [1, 0]


async def test_who_leaves_the_team_meanwhile_keeps_nothing_private(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A former member changes nothing for the team, also if they asked while they were a member."""
    sales, record = await shared(world, ANN, BOB, mode=Mode.PUBLIC), await world.record(KIM)
    await world.user(EVE)
    mail = content("m", KIM, SALES)
    await world.attach(sales, mail)
    enqueue = store.pending_work.enqueue

    async def meanwhile(**work: Any) -> Any:
        monkeypatch.undo()
        await store.membership.change(sales.id, remove=[BOB], by=ANN)
        return await enqueue(**work)

    monkeypatch.setattr(store.pending_work, "enqueue", meanwhile)
    with pytest.raises(NotAllowedError):
        await store.withdrawing.keep_private(mail.key, by=BOB)
    assert await page(store, EVE, record) == ["Subject m"]


async def test_a_user_who_is_removed_as_they_join(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An administrator had enabled them again meanwhile: they join before they are removed, and are no member afterwards."""
    sales = await shared(world, ANN)
    await world.user(BOB)
    concerned = store.user_lifecycle.concerned

    async def meanwhile(email: str) -> list[Account]:
        found = await concerned(email)
        await store.user_lifecycle.enable(BOB, by=ADMIN)
        await store.membership.change(sales.id, add=[BOB], by=ANN)
        return found

    monkeypatch.setattr(store.user_lifecycle, "concerned", meanwhile)
    await store.user_lifecycle.remove(BOB, by=ADMIN)
    assert await state(store, sales) == (AccountState.ACTIVE, (ANN,))
    with pytest.raises(NotFoundError, match="no active user"):
        await store.membership.change(sales.id, add=[BOB], by=ANN)


async def test_joins_and_removals_at_once(world: World, store: Store) -> None:
    """Whichever comes first: who is no user any more is a member of nothing."""
    sales = await shared(world, ANN)
    users = [await world.user(f"u{number}@corp.com") for number in range(4)]
    joining = [store.membership.change(sales.id, add=[user], by=ANN) for user in users]
    removing = [store.user_lifecycle.remove(user, by=ADMIN) for user in users]
    done = await asyncio.gather(*joining, *removing, return_exceptions=True)
    assert {type(one) for one in done if isinstance(one, BaseException)} <= {NotFoundError}
    assert (await store.accounts.get(sales.id)).members == (ANN,)
    assert [user.email for user in await store.users.get_all()] == [ANN]


@pytest.mark.parametrize("how", ["disconnect", "purge", "transfer"])
async def test_a_mailbox_that_is_connected_during_its_owners_removal(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """They were enabled again meanwhile. It has the fate of their others; no mailbox stays whose owner is gone."""
    await world.user(ANN)
    await world.user(BOB)
    late, concerned = account("late@corp.com", owner=ANN), store.user_lifecycle.concerned

    async def meanwhile(email: str) -> list[Account]:
        found = await concerned(email)
        monkeypatch.undo()
        await store.user_lifecycle.enable(ANN, by=ADMIN)
        await store.accounts.add(late, by=ANN, of_user=True)
        return found

    monkeypatch.setattr(store.user_lifecycle, "concerned", meanwhile)
    heir = BOB if how == "transfer" else None
    removed = await store.user_lifecycle.remove(ANN, by=ADMIN, purge=how == "purge", transfer_to=heir)
    assert [one.id for one in removed] == [late.id]
    found = [(one.owner, one.state) for one in await store.accounts.get_all()]
    assert (
        found
        == {
            "disconnect": [(ANN, AccountState.DISCONNECTED)],
            "purge": [],
            "transfer": [(BOB, AccountState.ACTIVE)],
        }[how]
    )
    (entry,) = await store.audit.newest(action="user.remove")
    assert entry.details["accounts"] == [late.id]


async def test_no_mailbox_is_connected_for_who_is_no_active_user(world: World, store: Store) -> None:
    """Its owner was disabled or removed while the login was tried."""
    await world.user(ANN)
    await store.user_lifecycle.disable(ANN, by=ADMIN)
    with pytest.raises(NotFoundError, match="no active user"):
        await store.accounts.add(account(SALES, owner=ANN), by=ANN, of_user=True)
    await store.user_lifecycle.remove(ANN, by=ADMIN)
    with pytest.raises(NotFoundError, match="no active user"):
        await store.accounts.add(account(SALES, owner=ANN), by=ANN, of_user=True)
    assert await store.accounts.get_all() == []


async def test_a_member_leaves_as_the_last_other_one_is_disabled(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An active member stays, or the mailbox is paused: it never goes on for nobody."""
    sales = await shared(world, ANN, BOB)
    note = store.membership._note
    disabling = list[asyncio.Task[Any]]()

    async def meanwhile(*names: Any, **values: Any) -> None:
        if not disabling:  # BOB's document is not written before this transaction ends, unless nothing holds it
            disabling.append(asyncio.create_task(store.user_lifecycle.disable(BOB, by=ADMIN)))
            await asyncio.wait(disabling, timeout=1)
        await note(*names, **values)

    monkeypatch.setattr(store.membership, "_note", meanwhile)
    await asyncio.gather(store.membership.change(sales.id, remove=[ANN], by=ANN), return_exceptions=True)
    await asyncio.gather(*disabling)
    found = await store.accounts.get(sales.id)
    assert ANN in found.members or found.state is AccountState.PAUSED
