"""The mail server is down for an hour: every owner is notified once, and nothing ends in the dead letters."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from schemas.ledger import NotificationState
from tests.notifier.fixtures import NotifierEnvironment, blocked, completed, new_address

SWEEPS = 6
"""Sweeps in an hour: one every ten minutes represents one every ten seconds."""


async def test_an_hour_without_a_mail_server(world: NotifierEnvironment) -> None:
    """Confirmations and an attention mail that were due, or became due meanwhile, are sent once when it is back, without an event."""
    early, late, troubled = (new_address() for _ in range(3))
    first = await world.backfilled(await world.account(early))
    account = await world.account(troubled)
    incident = await world.block(account, "wrong-password")
    notifier = world.notifier()

    async def pass_time() -> None:
        for address in (first.account, account.id):
            await world.wait_out(address, timedelta(hours=1) / SWEEPS)
        await notifier.sweep()

    await asyncio.to_thread(world.servers.kill, "smtp")
    try:
        # The events are handled: whatever the mail server does, no queue fills and no retry runs out.
        assert await notifier.completed(completed(first)) == ()
        assert await notifier.attention(blocked(account, incident, "wrong-password")) == ()
        for _ in range(SWEEPS // 2):
            await pass_time()
        second = await world.backfilled(await world.account(late))
        assert await notifier.completed(completed(second)) == ()
        for _ in range(SWEEPS // 2):
            await pass_time()
        assert [await world.state(epoch) for epoch in (first, second)] == [NotificationState.DUE] * 2
    finally:
        await asyncio.to_thread(world.servers.start, "smtp")
    for _ in range(2):
        await notifier.sweep()
    assert [len(world.received(address)) for address in (early, late, troubled)] == [1, 1, 1]
    assert [await world.state(epoch) for epoch in (first, second)] == [NotificationState.SENT] * 2


async def test_an_hour_of_refusals(world: NotifierEnvironment) -> None:
    """A mail server that refuses temporarily for an hour: each mail is tried repeatedly and sent once."""
    owners = [new_address() for _ in range(3)]
    epochs = [await world.backfilled(await world.account(owner)) for owner in owners]
    notifier = world.notifier()
    with world.servers.sink.fault("421 4.3.2 going down", at="data"):
        for _ in range(SWEEPS):
            await notifier.sweep()
            for epoch in epochs:
                await world.wait_out(epoch.account, timedelta(hours=1) / SWEEPS)
    assert [world.received(owner) for owner in owners] == [[]] * 3
    for _ in range(2):
        await notifier.sweep()
    assert [len(world.received(owner)) for owner in owners] == [1] * 3
