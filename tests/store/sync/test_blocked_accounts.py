"""Blocked accounts are tried again by one poller each, and continue only if nothing was changed meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from schemas.accounts import Account, AccountState
from services.store import Store
from services.store.core.documents import now
from tests.factories import account, lease_of

DAY = timedelta(days=1)


async def blocked(store: Store, *, retry: timedelta = -DAY) -> Account:
    """Return a blocked account; by default its login is due."""
    mine = account("a@corp.com")
    await store.accounts.add(mine)
    lease = await lease_of(store, mine.id)
    assert await store.account_troubles.block(lease, "wrong-password", tried=mine.credentials, retry=retry) == 1
    await store.leases.release([lease])
    return await store.accounts.get(mine.id)


async def test_a_blocked_account_is_handed_out_once_when_it_is_due(store: Store) -> None:
    """Of two pollers one gets it, and it is due again after the delay only."""
    mine = await blocked(store)
    found = await asyncio.gather(store.blocked_accounts.claim(DAY), store.blocked_accounts.claim(DAY))
    assert [one.id for one in found if one is not None] == [mine.id]
    later = (await store.accounts.get(mine.id)).retry_at
    assert later is not None
    assert later > now() + DAY / 2
    await store.blocked_accounts.postpone(mine, -DAY)
    assert await store.blocked_accounts.claim(DAY) is not None


async def test_a_block_waits_for_its_time(store: Store) -> None:
    """An account that was just blocked is not tried at once."""
    await blocked(store, retry=DAY)
    assert await store.blocked_accounts.claim(DAY) is None


async def test_a_login_that_works_ends_the_block(store: Store) -> None:
    """It is active without a reason, and its incident is over without a new one."""
    mine = await blocked(store)
    assert await store.blocked_accounts.unblock(mine)
    found = await store.accounts.get(mine.id)
    assert (found.state, found.reason, found.incident, found.retry_at) == (AccountState.ACTIVE, None, 1, None)
    assert not await store.blocked_accounts.unblock(mine)


async def test_another_refusal_is_the_same_incident(store: Store) -> None:
    """What the server says now is stored, and the owner is not notified again."""
    mine = await blocked(store)
    await store.blocked_accounts.note_reason(mine, "app-password-needed")
    found = await store.accounts.get(mine.id)
    assert (found.state, found.reason, found.incident) == (AccountState.BLOCKED, "app-password-needed", 1)


async def test_what_its_owner_changed_meanwhile_wins(store: Store) -> None:
    """A paused account stays paused, though its login works."""
    mine = await blocked(store)
    await store.accounts.set_state(mine.id, AccountState.PAUSED, by="a@corp.com")
    assert not await store.blocked_accounts.unblock(mine)
    await store.blocked_accounts.note_reason(mine, "imap-disabled")
    assert (await store.accounts.get(mine.id)).state is AccountState.PAUSED
