"""When the background work of an account starts, on fakes of what does it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest

from services.mailbox.imap import Wakeup
from services.poller import second_connection
from services.poller.connections.starts import Starts
from services.poller.second_connection import SecondConnection
from services.runtime.tasks import cancel_and_wait


class Background:
    """Background work, some of which may turn up while it is looked for."""

    def __init__(self) -> None:
        self.wake = Wakeup()
        self.rows = 0
        self.done = asyncio.Event()
        self.late = 0
        """Rows that turn up behind the next look."""

    async def pending(self) -> bool:
        """Whether there are rows."""
        found = self.rows > 0
        if self.late:
            self.rows, self.late = self.late, 0
            self.wake.set()
        return found

    async def run(self, _session: object) -> None:
        """Do everything."""
        self.wake.clear()
        self.rows = 0
        self.done.set()


class Block:
    """A connection, or a place, that is there at once."""

    closed = False

    def __call__(self, *_: object, **__: object) -> Block:
        """Return the block."""
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def prepare(self) -> None:
        """Do nothing."""


async def _nothing(*_: object) -> None:
    return None


@pytest.mark.parametrize("when", ["while it rests", "while it looks"])
async def test_work_that_turns_up_is_done(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the only connection of a mailbox: also if it turns up behind the look that found nothing."""
    monkeypatch.setattr(second_connection, "SHARED_PAUSE_SECONDS", 0.0)
    background = Background()
    second = SecondConnection(
        cast(
            "Any",
            SimpleNamespace(
                account=SimpleNamespace(id="a"),
                store=SimpleNamespace(ledger_doubts=SimpleNamespace(unavailable=_nothing)),
            ),
        ),
        background=cast("Any", background),
        sent=cast("Any", None),
        slots=cast("Any", SimpleNamespace(single=True, wanted=Wakeup(), session=Block())),
        background_slots=cast("Any", SimpleNamespace(hold=Block())),
        starts=Starts(),
        budget=cast("Any", None),
        recovery=cast("Any", SimpleNamespace(worked=_nothing)),
        before_command=_nothing,
        check_now=Wakeup(),
    )

    resting = asyncio.Event()

    async def run() -> None:
        while True:
            await second.run()
            resting.set()
            await second.rest()
            resting.clear()

    running = asyncio.create_task(run())
    async with asyncio.timeout(20):
        await resting.wait()
        background.rows, background.late = (1, 0) if when == "while it rests" else (0, 1)
        background.wake.set()
        await background.done.wait()
        await resting.wait()
    await cancel_and_wait(running)
