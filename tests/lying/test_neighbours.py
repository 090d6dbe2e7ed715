"""What healthy accounts notice of others whose servers lie: every mail comes as soon as otherwise, for as many commands."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from pathlib import Path
from time import time
from typing import Any

import pytest

from testbed.local import LocalServers
from testbed.servers.scripted.process import PASSWORD, ScriptedProcess, user
from tests.conftest import MailUser
from tests.lying.harness.world import open_world
from tests.poller.fixtures import CLIENT, PollerEnvironment, mail, until

LONG = bool(os.environ.get("LEADMAIL_LONG"))
MAILS = 60 if LONG else 3
"""For each neighbour in each phase."""
ROUNDS = 3 if LONG else 1
"""Of a calm phase and one in which the others lie."""
NEIGHBOURS = 3
MIB = 1024 * 1024
LIARS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Chatter", {}),
    ("Chatter", {"line": "* 1 EXISTS\r\n", "every": 0.003}),
    ("Flood", {"command": "UID FETCH", "size": 300 * MIB}),
    ("Flood", {"command": "EXAMINE", "size": 300 * MIB, "line": '* LIST () "/" "Ever more"\r\n'}),
    ("Pause", {"command": "EXAMINE"}),
    ("Break", {"command": "UID FETCH"}),
)
"""The fault of each liar: it lasts until it is healed."""
SETTINGS = {"poll_seconds": "300", "idle_seconds": "300"}
"""No rounds, which cost commands now and then."""
_NUMBER = re.compile(rb"^Subject: neighbour (\d+) ", re.MULTILINE)


class Neighbours:
    """Accounts whose servers are healthy, on a server process of their own."""

    def __init__(self, world: PollerEnvironment, server: ScriptedProcess) -> None:
        self._world, self._server = world, server
        self._sent = 0

    async def deliver(self) -> tuple[list[float], int]:
        """Deliver mail; return the seconds from each notice until it was published, and the commands that all of it took."""
        commands, took = self._server.counts()["commands"], list[float]()
        for _ in range(MAILS):
            for number in range(NEIGHBOURS):
                self._sent += 1
                raw = mail(CLIENT, subject=f"neighbour {self._sent}")
                at = await asyncio.to_thread(self._server.notice, number, raw)
                await until(self._arrived, "a neighbour's mail is published", self._world)
                took.append(time() - at)
        return took, self._server.counts()["commands"] - commands

    def _arrived(self) -> bool:
        found = _NUMBER.search(self._world.fetched[-1][1]) if self._world.fetched else None
        return found is not None and int(found[1]) == self._sent


@pytest.fixture
async def world(servers: LocalServers, tmp_path: Path) -> AsyncIterator[PollerEnvironment]:
    """An environment of its own."""
    async with open_world(servers, tmp_path) as world:
        yield world


@pytest.mark.timeout(1_200 if LONG else 240)
async def test_neighbours_of_liars_are_not_disturbed(
    world: PollerEnvironment, record_property: Callable[[str, object], None]
) -> None:
    """While six servers lie without end, every mail of three others is published, and costs them no more commands.

    With ``LEADMAIL_LONG`` also: within twice the time that it takes when no one lies, of medians in turn on the same machine.
    """
    await world.know(CLIENT)
    with ExitStack() as stack:
        healthy = stack.enter_context(ScriptedProcess(NEIGHBOURS))
        liars = stack.enter_context(ScriptedProcess(NEIGHBOURS + len(LIARS), mails=3))
        for server, numbers in ((healthy, range(NEIGHBOURS)), (liars, range(NEIGHBOURS, NEIGHBOURS + len(LIARS)))):
            for number in numbers:
                await world.connect(MailUser(user(number), PASSWORD), port=server.port)
        world.start_poller(**SETTINGS)
        for account in await world.store.accounts.get_all():
            await world.complete(account)
        await until(lambda: healthy.counts()["idling"] >= NEIGHBOURS, "the neighbours are idled on", world)
        neighbours = Neighbours(world, healthy)
        await neighbours.deliver()  # what is done once is over
        times: dict[str, list[float]] = {"calm": [], "lying": []}
        commands = {"calm": 0, "lying": 0}
        for _ in range(ROUNDS):
            for phase in times:
                if phase == "lying":
                    for number, (kind, fields) in enumerate(LIARS, NEIGHBOURS):
                        liars.fault([number], kind, **fields)
                        liars.deliver(number, mail(CLIENT))
                    lies = liars.counts()["bytes"] + 10 * MIB
                    await until(lambda lies=lies: liars.counts()["bytes"] > lies, "they lie", world)
                took, cost = await neighbours.deliver()
                times[phase] += took
                commands[phase] += cost
            liars.heal()
            liars.cut()
    medians = {phase: statistics.median(took) for phase, took in times.items()}
    record_property("medians", medians)
    print(f"neighbours: {medians} s, {commands} commands for {MAILS * NEIGHBOURS * ROUNDS} mails")  # noqa: T201 - a figure
    assert commands["lying"] <= 1.5 * commands["calm"] + 10
    assert not LONG or medians["lying"] <= 2 * medians["calm"]
