"""Users who are disabled, enabled and removed: what they see, their sessions, and their mailboxes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from schemas.accounts import AccountState
from schemas.sharing import Mode
from services.store import NotAllowedError, NotFoundError, Store
from tests.store.fixtures import World, content

ADMIN, ANN, BOB = "admin@corp.com", "ann@corp.com", "bob@corp.com"
HOUR = timedelta(hours=1)


async def test_a_disabled_user_sees_nothing_from_the_next_request_on(world: World, store: Store) -> None:
    """Sessions and links end, the mailbox pauses, and what it shares stays shared; enabling undoes all of that."""
    mine = await world.account(ANN)
    await world.user(BOB)
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", ANN))
    await store.sign_ins.offer(ANN, "link", lasts=HOUR)
    await store.sign_ins.use("link", "session", lasts=HOUR)
    await store.sign_ins.offer(ANN, "second", lasts=HOUR)
    await store.user_lifecycle.disable(ANN, by=BOB)
    with pytest.raises(NotFoundError):
        await store.reading.visible_emails(ANN, record)
    assert await store.sign_ins.user_of("session") is None
    with pytest.raises(NotFoundError):
        await store.sign_ins.use("second", "other", lasts=HOUR)
    with pytest.raises(NotFoundError):
        await store.sign_ins.offer(ANN, "third", lasts=HOUR)
    paused = await store.accounts.get(mine.id)
    assert (paused.state, paused.reason) == (AccountState.PAUSED, "owner-disabled")
    assert len((await store.reading.visible_emails(BOB, record)).emails) == 1
    await store.user_lifecycle.enable(ANN, by=BOB)
    assert len((await store.reading.visible_emails(ANN, record)).emails) == 1
    assert (await store.accounts.get(mine.id)).state is AccountState.ACTIVE
    actions = [entry.action for entry in await store.audit.newest(subject=f"user:{ANN}")]
    assert actions[:2] == ["user.enable", "user.disable"]


async def test_a_mailbox_that_its_owner_paused_stays_paused(world: World, store: Store) -> None:
    """Enabling a user resumes only what disabling paused."""
    mine = await world.account(ANN)
    await store.accounts.set_state(mine.id, AccountState.PAUSED, by=ANN)
    await store.user_lifecycle.disable(ANN, by=BOB)
    await store.user_lifecycle.enable(ANN, by=BOB)
    assert (await store.accounts.get(mine.id)).state is AccountState.PAUSED


@pytest.mark.parametrize(("purge", "visible"), [(False, 1), (True, 0)])
async def test_a_removed_users_mail_is_kept_or_deleted_as_chosen(
    world: World, store: Store, *, purge: bool, visible: int
) -> None:
    """Disconnected mailboxes keep their mail on the records; purged ones do not."""
    mine = await world.account(ANN)
    await world.user(BOB)
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", ANN))
    assert [one.id for one in await store.user_lifecycle.remove(ANN, by=BOB, purge=purge)] == [mine.id]
    assert len((await store.reading.visible_emails(BOB, record)).emails) == visible
    with pytest.raises(NotFoundError):
        await store.users.get(ANN)


async def test_a_transferred_mailbox_belongs_to_its_new_owner(world: World, store: Store) -> None:
    """The new owner sees its private mail, others still do not, and what was kept private stays private."""
    private = await world.account(ANN, Mode.PRIVATE)
    shared = await world.account("sales@corp.com", owner=ANN)
    for user in (BOB, "carl@corp.com"):
        await world.user(user)
    record = await world.record("lead@x.com")
    await world.attach(private, content("m1", "lead@x.com", ANN))
    await world.attach(shared, content("m2", "lead@x.com", "sales@corp.com"))
    kept = content("m2", "lead@x.com", "sales@corp.com").key
    await store.withdrawing.keep_private(kept, by=ANN)
    await store.user_lifecycle.remove(ANN, by="operator", transfer_to=BOB)
    assert len((await store.reading.visible_emails(BOB, record)).emails) == 2
    assert (await store.reading.visible_emails("carl@corp.com", record)).emails == []
    assert {one.owner for one in await store.accounts.get_all()} == {BOB}


async def test_the_last_administrator_stays(world: World, store: Store) -> None:
    """Without an administrator no one could change the company's policy."""
    await store.users.add(ADMIN, admin=True)
    with pytest.raises(NotAllowedError):
        await store.user_lifecycle.disable(ADMIN, by="operator")
    await store.users.add("second@corp.com", admin=True)
    await store.user_lifecycle.remove(ADMIN, by="operator")
    with pytest.raises(NotAllowedError):
        await store.user_lifecycle.remove("second@corp.com", by="operator")
