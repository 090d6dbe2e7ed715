"""Refreshed tokens: one process at a time, and what the identity server gave is never lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.store import LeaseLostError, Store
from services.store.core.documents import now
from tests.factories import SEALED
from tests.store.fixtures import World

NEW = SEALED.model_copy(update={"ciphertext": b"new"})
OTHER = SEALED.model_copy(update={"ciphertext": b"other"})
LASTS = timedelta(minutes=1)


async def test_one_process_at_a_time_refreshes(world: World, store: Store) -> None:
    """A claim that was given back or has expired is free again; a claim on replaced credentials is none."""
    mine = await world.account("ann@corp.com")
    assert await store.account_tokens.claim(mine, lasts=LASTS)
    assert not await store.account_tokens.claim(mine, lasts=LASTS)
    await store.account_tokens.release(mine)
    assert await store.account_tokens.claim(mine, lasts=timedelta(seconds=-1))
    assert await store.account_tokens.claim(mine, lasts=LASTS)
    assert not await store.account_tokens.claim(mine.model_copy(update={"credentials": OTHER}), lasts=LASTS)


async def test_saved_tokens_replace_those_that_were_refreshed(world: World, store: Store) -> None:
    """The claim ends with it, also without a lease. What an owner entered meanwhile stays."""
    mine, due = await world.account("ann@corp.com"), now() + timedelta(hours=1)
    assert await store.account_tokens.claim(mine, lasts=LASTS)
    saved = await store.account_tokens.save(mine, NEW, refresh_at=due, lease=world.leases[mine.id])
    assert saved == await store.account_tokens.current(mine.id)
    assert saved is not None
    assert (saved.credentials, saved.refresh_at) == (NEW, due)
    assert await store.account_tokens.claim(saved, lasts=LASTS)
    assert await store.account_tokens.save(mine, OTHER, refresh_at=None, lease=None) is None
    assert (await store.account_tokens.current(mine.id)).credentials == NEW
    again = await store.account_tokens.save(saved, OTHER, refresh_at=None, lease=None)
    assert again is not None
    assert again.credentials == OTHER


async def test_tokens_are_saved_although_the_lease_is_lost(world: World, store: Store) -> None:
    """The identity server has rotated the refresh token: it takes no other any more."""
    mine = await world.account("ann@corp.com")
    lease = world.leases[mine.id]
    await world.database["accounts"].update_one(
        {"_id": mine.id}, {"$set": {"lease.expires": now() - timedelta(minutes=1)}}
    )
    assert [one.account for one in await store.leases.acquire("poller-2", 10)] == [mine.id]
    with pytest.raises(LeaseLostError):
        await store.account_tokens.save(mine, NEW, refresh_at=None, lease=lease)
    assert (await store.account_tokens.current(mine.id)).credentials == NEW
