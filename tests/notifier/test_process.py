"""The notifier as processes, with the real broker."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from pydantic import SecretStr

from schemas.ledger import NotificationState
from services.amqp import open_bus
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from tests.notifier.fixtures import LOG, NotifierEnvironment, blocked, completed, new_address
from tests.processes import DEADLINE, exit_code, spawning, stderr_line

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(environment: dict[str, str]) -> AsyncIterator[Start]:
    """A function that starts a notifier with changed settings."""
    sender = {"LEADMAIL_MAIL_FROM": "Leadmail <leadmail@crm.example>"}
    async with spawning(environment | sender, stdout=DEVNULL) as spawn:
        yield partial(spawn, "services.notifier")


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(0.05)


async def test_two_processes_notify_each_owner_once(
    world: NotifierEnvironment, environment: dict[str, str], start: Start
) -> None:
    """Two replicas, every event twice: each owner gets one confirmation, or one mail about a blocked account."""
    await start()
    await start()
    owners = [new_address() for _ in range(4)]
    epochs = [await world.backfilled(await world.account(owner)) for owner in owners]
    troubled = new_address()
    account = await world.account(troubled)
    incident = await world.block(account, "wrong-password")
    events = [completed(epoch).message for epoch in epochs] + [blocked(account, incident, "wrong-password").message]
    settings = BrokerSettings(rabbitmq_url=SecretStr(environment["LEADMAIL_RABBITMQ_URL"]))
    async with open_bus(settings, "test", metrics=Metrics("test"), log=LOG) as bus:
        for _ in range(2):
            assert await bus.publish_many([(event, None) for event in events]) == [None] * len(events)
        await until(lambda: all(world.received(one) for one in (*owners, troubled)))

        async def idle() -> bool:
            depths = await bus.queue_depths()
            return not any(depths[queue].ready for queue in depths if queue.startswith("notifier."))

        async with asyncio.timeout(DEADLINE):
            while not await idle():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
    assert [len(world.received(one)) for one in (*owners, troubled)] == [1] * 5


async def test_sigterm_under_load_sends_nothing_twice(
    world: NotifierEnvironment, environment: dict[str, str], start: Start
) -> None:
    """It finishes the mails in progress and exits 0: sent mails are marked, nothing is claimed, and a successor sends the rest."""
    owners = [new_address() for _ in range(20)]
    epochs = [await world.backfilled(await world.account(owner)) for owner in owners]
    settings = BrokerSettings(rabbitmq_url=SecretStr(environment["LEADMAIL_RABBITMQ_URL"]))

    def count() -> int:
        return sum(not set(owners).isdisjoint(mail.recipients) for mail in world.servers.sink.sent())

    async with open_bus(settings, "test", metrics=Metrics("test"), log=LOG) as bus:
        events = [(completed(epoch).message, None) for epoch in epochs]
        assert await bus.publish_many(events) == [None] * len(epochs)
        with world.servers.sink.fault(at="silent"):  # the mails in progress wait until the signal has arrived
            process = await start()
            await until(lambda: count() >= 1)
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE):
                while "stopping" not in await stderr_line(process):
                    pass
        assert await exit_code(process) == 0
        states = [await world.state(epoch) for epoch in epochs]
        assert 0 < states.count(NotificationState.SENT) == count() < len(owners)
        assert NotificationState.SENDING not in states
        await start()
        await until(lambda: count() >= len(owners))
        assert (await bus.queue_depths())["notifier.sync-completed"].ready == 0
    assert [len(world.received(owner)) for owner in owners] == [1] * len(owners)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("LEADMAIL_SMTP_URL", "http://somewhere"), ("LEADMAIL_MAIL_FROM", "nobody"), ("LEADMAIL_SMTP_URL", "")],
)
async def test_wrong_settings_are_named(start: Start, variable: str, value: str) -> None:
    """The process exits at once and names the setting."""
    process = await start(**{variable: value})
    _, said = await asyncio.wait_for(process.communicate(), DEADLINE)
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].startswith(f"leadmail: {variable}")
