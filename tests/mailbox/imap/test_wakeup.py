"""What idle mailboxes wait for: it wakes up everyone, and keeps nothing of those who wait no more."""

from __future__ import annotations

import asyncio
import socket

from services.mailbox.imap import Wakeup, wait_for_any
from services.mailbox.imap.wakeup import wait_for_data
from services.runtime.tasks import cancel_and_wait


async def test_everyone_who_waits_is_woken_up() -> None:
    """Also if it is taken back at once. Who comes while it is set does not wait."""
    wakeup = Wakeup()
    waiting = [asyncio.create_task(wakeup.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    wakeup.set()
    wakeup.clear()
    async with asyncio.timeout(20):
        await asyncio.gather(*waiting)
        assert not wakeup.is_set()
        wakeup.set()
        await wakeup.wait()
    assert not wakeup._waiting


async def test_the_first_of_several_is_enough() -> None:
    """It does not matter which one."""
    for place in range(2):
        wakeups = Wakeup(), Wakeup()
        waiting = asyncio.create_task(wait_for_any(*wakeups))
        await asyncio.sleep(0)
        wakeups[place].set()
        async with asyncio.timeout(20):
            await waiting
        assert not any(one._waiting for one in wakeups)


async def test_a_waiter_that_is_cancelled_leaves_nothing() -> None:
    """Thousands of rounds are waited for on one object."""
    wakeup = Wakeup()
    waiting = asyncio.create_task(wakeup.wait())
    await asyncio.sleep(0)
    await cancel_and_wait(waiting)
    assert not wakeup._waiting
    wakeup.set()


async def test_a_socket_is_waited_for_beside_it() -> None:
    """Data, the wakeup and the time each end the wait; only data says so."""
    ours, theirs = socket.socketpair()
    wakeup = Wakeup()
    with ours, theirs:
        async with asyncio.timeout(20):
            assert not await wait_for_data(ours.fileno(), 0.01, wakeup)
            asyncio.get_running_loop().call_soon(wakeup.set)
            assert not await wait_for_data(ours.fileno(), 60, wakeup)
            assert not await wait_for_data(ours.fileno(), 60, wakeup), "it is still set"
            wakeup.clear()
            theirs.send(b"x")
            assert await wait_for_data(ours.fileno(), 60, wakeup)
        waiting = asyncio.create_task(wait_for_data(ours.fileno(), 60, wakeup))
        await asyncio.sleep(0)
        await cancel_and_wait(waiting)
        assert not wakeup._waiting
