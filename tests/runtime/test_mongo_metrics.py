"""What a process shows of MongoDB."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from services.runtime.metrics import MongoMetrics
from services.runtime.mongo import make_client
from services.runtime.settings import DatabaseSettings
from testbed.local import LocalServers

DEADLINE = 30.0


def settings(url: str) -> DatabaseSettings:
    """Return settings with a URL."""
    return DatabaseSettings(mongo_url=SecretStr(url))


async def until_primary(registry: CollectorRegistry, known: float) -> None:
    """Wait until the driver knows whether there is a primary."""
    async with asyncio.timeout(DEADLINE):
        while registry.get_sample_value("leadmail_mongo_primary", {"stage": "any"}) != known:  # noqa: ASYNC110 - the driver tells no one
            await asyncio.sleep(0.02)


async def test_commands_are_timed_and_failures_are_named(servers: LocalServers) -> None:
    """Answers count by command, refusals by the server's code, and each wait for a connection."""
    registry = CollectorRegistry()
    metrics = MongoMetrics("any", registry)
    async with make_client(settings(servers.mongo_url), metrics) as client:
        metrics.watch(client)
        await client["test_metrics"]["none"].find_one({})
        with pytest.raises(OperationFailure):
            await client["test_metrics"]["none"].find_one({"$no": 1})
        await until_primary(registry, 1)
    found = {"stage": "any", "command": "find"}
    assert registry.get_sample_value("leadmail_mongo_command_seconds_count", found) == 1
    assert registry.get_sample_value("leadmail_mongo_errors_total", {**found, "error": "BadValue"}) == 1
    waits = registry.get_sample_value("leadmail_mongo_pool_wait_seconds_count", {"stage": "any"})
    assert waits is not None
    assert waits >= 2


async def test_a_missing_primary_shows() -> None:
    """Where no server answers, none takes writes."""
    registry = CollectorRegistry()
    away = settings("mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=200")
    metrics = MongoMetrics("any", registry)
    async with make_client(away, metrics) as client:
        metrics.watch(client)
        with pytest.raises(ServerSelectionTimeoutError):
            await client.admin.command("ping")
        await until_primary(registry, 0)
