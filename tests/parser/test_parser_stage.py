"""The stage as a process: ``python -m services.parser`` between real queues."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from parser_samples import mail
from pydantic import SecretStr
from test_parser_handler import fetched

from schemas.messages import Lane, MailParsed
from schemas.routes import ROUTES
from services.runtime.metrics import Metrics
from services.runtime.outcomes import Delivery
from services.runtime.rabbit import RabbitBus, open_bus
from services.runtime.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 40.0


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitBus]:
    """The queues on both sides of the parser."""
    settings = Settings(rabbitmq_url=SecretStr(rabbitmq_url))
    async with open_bus(settings, "test", metrics=Metrics("test"), log=structlog.get_logger()) as opened:
        yield opened


@pytest.fixture
async def stage(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The running stage."""
    variables = {**environment, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LEADMAIL_PARSER_WORKERS": "1"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "services.parser", env=variables, cwd=ROOT)
    yield process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_both_lanes_are_parsed_and_the_stage_ends_when_told(
    stage: asyncio.subprocess.Process, bus: RabbitBus
) -> None:
    """What is fetched on a lane comes out parsed on the same lane; SIGTERM ends the stage cleanly."""
    arrived: dict[str, MailParsed] = {}
    complete = asyncio.Event()

    async def note(delivery: Delivery[Any]) -> Sequence[Any]:
        arrived[f"{delivery.message.lane}:{delivery.message.content.text}"] = delivery.message
        if len(arrived) == 60:
            complete.set()
        return ()

    sent = [
        fetched(mail(b"mail %d" % number), number, lane=lane) for lane in Lane for number in range(30)
    ]  # the stage may still be starting: its queues wait for it
    assert await bus.publish_many([(each.message, each.body) for each in sent]) == [None] * 60
    for route in ROUTES:
        if route.message is MailParsed:
            await bus.consume(route, note)
    async with asyncio.timeout(DEADLINE):
        await complete.wait()
    assert arrived["live:mail 7"].id == f"{sent[7].message.id}/parsed"
    assert arrived["live:mail 7"].content == arrived["backfill:mail 7"].content
    stage.send_signal(signal.SIGTERM)
    async with asyncio.timeout(DEADLINE):
        assert await stage.wait() == 0
