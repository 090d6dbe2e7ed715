"""Connections to one server: all pollers together never have more than it gets, and those of a dead poller are soon free."""

from __future__ import annotations

import asyncio

from services.store import HostUse, Open, Purpose, Store

HOST = "imap.corp.test"


async def take(store: Store, poller: str, purpose: Purpose, *, live: int = 0, bulk: int = 0, limit: int = 3) -> HostUse:
    """Ask for one more connection."""
    return await store.host_connections.take(HOST, poller, Open(live, bulk), purpose, limit=limit, seconds=30)


async def test_pollers_share_the_connections(store: Store) -> None:
    """Many that ask at once get as many as there are; a closed one is free again, another server has its own."""
    uses = await asyncio.gather(*(take(store, f"poller-{number}", "live") for number in range(8)))
    assert sum(use.granted for use in uses) == 3
    assert not (await take(store, "late", "live")).granted
    first = next(f"poller-{number}" for number, use in enumerate(uses) if use.granted)
    await store.host_connections.renew(HOST, first, Open(), seconds=30)
    assert (await take(store, "late", "live")).granted
    assert (await take(store, "late", "live", live=1)) == HostUse(granted=False, live=3, waiting=True)
    assert (await store.host_connections.take("other", "late", Open(), "bulk", limit=1, seconds=30)).granted


async def test_new_mail_comes_first(store: Store) -> None:
    """While new mail waits anywhere, background work gets nothing, also what comes free; new mail gets it."""
    assert (await take(store, "a", "bulk", limit=1)).granted
    assert (await take(store, "b", "live", limit=1)) == HostUse(granted=False, live=0, waiting=True)
    assert (await store.host_connections.renew(HOST, "a", Open(), seconds=30)).waiting
    assert not (await take(store, "a", "bulk", limit=1)).granted
    assert (await take(store, "b", "live", limit=1)) == HostUse(granted=True, live=1, waiting=False)
    assert (await take(store, "a", "bulk", limit=1)) == HostUse(granted=False, live=1, waiting=False)


async def test_the_connections_of_a_dead_poller_are_free_again(store: Store) -> None:
    """What is not renewed in time counts no more; what is renewed counts on."""
    for poller in ("dead", "alive"):
        taken = await store.host_connections.take(HOST, poller, Open(), "live", limit=2, seconds=1)
        assert taken.granted
    await store.host_connections.renew(HOST, "alive", Open(live=1), seconds=60)
    async with asyncio.timeout(30):
        while not (await take(store, "new", "live", limit=2)).granted:  # noqa: ASYNC110 - it expires
            await asyncio.sleep(0.1)
    assert not (await take(store, "newer", "live", limit=2)).granted
