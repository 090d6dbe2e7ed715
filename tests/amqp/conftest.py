"""A bus of each kind, with routes whose retries take a tenth of a second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from pydantic import SecretStr

from services.amqp.rabbitmq.bus import RabbitBus, open_bus
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from tests.amqp.fixtures import FAST_ROUTES, LOG, AnyBus
from tests.amqp.memory import MemoryBus

OpenBus = Callable[[], AbstractAsyncContextManager[RabbitBus]]


@pytest.fixture
def open_rabbit(rabbitmq_url: str) -> OpenBus:
    """A function that opens a bus on this test's own virtual host; it may be called several times."""
    settings = BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url))

    def opened() -> AbstractAsyncContextManager[RabbitBus]:
        return open_bus(settings, "test", metrics=Metrics("test"), log=LOG, routes=FAST_ROUTES)

    return opened


@pytest.fixture
async def rabbit(open_rabbit: OpenBus) -> AsyncIterator[RabbitBus]:
    """A bus on the real broker."""
    async with open_rabbit() as bus:
        yield bus


@pytest.fixture(params=["memory", pytest.param("rabbit", marks=pytest.mark.servers)])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[AnyBus]:
    """Each kind of bus in turn: both have to pass the same tests."""
    if request.param == "memory":
        memory = MemoryBus(delay_scale=1.0, routes=FAST_ROUTES)
        yield memory
        await memory.close()
    else:
        async with request.getfixturevalue("open_rabbit")() as rabbit:
            yield rabbit
