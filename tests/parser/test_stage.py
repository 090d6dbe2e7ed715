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
from pydantic import SecretStr

from schemas.messages import Lane, MailFetched, MailParsed
from schemas.routes import ROUTES
from services.amqp import Delivery
from services.amqp.rabbitmq.bus import RabbitBus, open_bus
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from tests.parser.samples import mail
from tests.parser.test_handler import fetched

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 40.0


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitBus]:
    """The queues on both sides of the parser."""
    settings = BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url))
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


async def test_both_lanes_are_parsed_and_the_stage_stops(stage: asyncio.subprocess.Process, bus: RabbitBus) -> None:
    """Mail fetched on a lane is parsed on the same lane; SIGTERM ends the stage cleanly."""
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


async def test_sigterm_under_load_leaves_nothing_done_in_the_queue(
    stage: asyncio.subprocess.Process, bus: RabbitBus
) -> None:
    """It finishes the messages in progress and exits 0, and no parsed message is still in its queue."""
    parsed: list[str] = []
    rest: dict[str, bool] = {}
    started = asyncio.Event()

    async def note(delivery: Delivery[Any]) -> Sequence[Any]:
        parsed.append(delivery.message.source.id)
        if len(parsed) == 30:
            started.set()
        return ()

    async def take(delivery: Delivery[Any]) -> Sequence[Any]:
        rest[delivery.message.source.id] = delivery.redelivered
        return ()

    sent = [fetched(mail(b"mail %d" % number), number, lane=Lane.BACKFILL) for number in range(2500)]
    assert await bus.publish_many([(each.message, each.body) for each in sent]) == [None] * len(sent)
    after = {route.message: route for route in ROUTES if route.lane is Lane.BACKFILL}
    await bus.consume(after[MailParsed], note)
    async with asyncio.timeout(DEADLINE):
        await started.wait()
        stage.send_signal(signal.SIGTERM)
        assert await stage.wait() == 0
        await bus.consume(after[MailFetched], take)
        while len(parsed) + len(rest) < len(sent):  # noqa: ASYNC110 - two handlers set it
            await asyncio.sleep(0.02)
    assert rest, "it was stopped in the middle"
    assert {*parsed, *rest} == {each.message.source.id for each in sent}
    assert len(parsed) == len(set(parsed))
    assert rest.keys().isdisjoint(parsed)
    # Messages that a quorum queue was delivering when the consumer ended come again, marked as redelivered, though not started.
    assert sum(rest.values()) <= after[MailFetched].prefetch
