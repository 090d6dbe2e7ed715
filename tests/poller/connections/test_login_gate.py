"""How many log-ins to one server run at the same time."""

from __future__ import annotations

import asyncio

from services.poller.connections.login_gate import FIRST, LEAST, MOST, LoginGate


async def step() -> None:
    """Let every task go on."""
    for _ in range(5):
        await asyncio.sleep(0)


class Logins:
    """Log-ins that run until they are told to end."""

    def __init__(self, gate: LoginGate) -> None:
        self.gate, self.end, self.running = gate, asyncio.Semaphore(0), 0

    async def log_in(self) -> None:
        """Log in."""
        async with self.gate:
            self.running += 1
            await self.end.acquire()
            self.running -= 1


async def test_more_run_while_they_work_and_fewer_when_the_server_cannot() -> None:
    """The number grows by one for as many as run, up to a bound, and is halved by each refusal."""
    gate = LoginGate()
    for _ in range(FIRST + 1):
        gate.worked()
    assert gate.limit == FIRST + 1
    for _ in range(1000):
        gate.worked()
    assert gate.limit == MOST
    gate.refused()
    assert gate.limit == MOST // 2
    for _ in range(10):
        gate.refused()
    assert gate.limit == LEAST


async def test_no_more_run_than_may_and_each_has_its_turn() -> None:
    """Those that wait go on when others end. One that is cancelled while it waits, or just when its turn comes, takes no place."""
    gate = LoginGate()
    logins = Logins(gate)
    tasks = [asyncio.create_task(logins.log_in()) for _ in range(4 * FIRST)]
    await step()
    assert logins.running == FIRST
    tasks[FIRST].cancel()
    logins.end.release()
    await step()
    assert logins.running == FIRST
    logins.end.release()
    while logins.running == FIRST:  # noqa: ASYNC110 - until one ends, and before the next goes on
        await asyncio.sleep(0)
    tasks[FIRST + 2].cancel()
    await step()
    assert logins.running == FIRST
    for _ in range(4 * FIRST):
        logins.end.release()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks].count(True) == 2
    async with gate:  # none was lost
        assert logins.running == 0


async def test_a_refusal_lets_those_that_run_end_first() -> None:
    """The next one starts when fewer than may run do so."""
    gate = LoginGate()
    logins = Logins(gate)
    tasks = [asyncio.create_task(logins.log_in()) for _ in range(FIRST + 1)]
    await step()
    gate.refused()
    for left in (4, 3, 2, 2):
        logins.end.release()
        await step()
        assert logins.running == left
    for _ in range(2):
        logins.end.release()
    await asyncio.gather(*tasks)
