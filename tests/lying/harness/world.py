"""The environment of a batch: a database and a virtual host of its own, and one poller."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pymongo import MongoClient

from schemas.messages import AccountAttention
from testbed.local import LocalServers
from tests.poller.fixtures import SECRET, Poller, PollerEnvironment, open_environment

SETTINGS = {
    "poll_seconds": "3",
    "idle_seconds": "5",
    "reaper_seconds": "5",
    "reconcile_seconds": "8",
    "block_seconds": "8",
    "evidence_seconds": "2",
}


@asynccontextmanager
async def open_world(servers: LocalServers, folder: Path) -> AsyncIterator[PollerEnvironment]:
    """Yield an environment for one batch: a database and a virtual host of its own."""
    name = f"lying_{secrets.token_hex(6)}"
    environment = {
        **servers.environment(),
        "LEADMAIL_RABBITMQ_URL": servers.broker.create_virtual_host(name),
        "LEADMAIL_MONGO_DATABASE": name,
        "LEADMAIL_CRM_DATABASE": name,
        "LEADMAIL_SECRET_KEY": SECRET,
    }
    try:
        async with open_environment(servers, environment, folder, noted=(AccountAttention,)) as world:
            yield world
    finally:
        await asyncio.to_thread(_drop, servers, name)


def _drop(servers: LocalServers, name: str) -> None:
    servers.broker.drop_virtual_host(name)
    with MongoClient[dict[str, object]](servers.mongo_url) as client:
        client.drop_database(name)


def memory(poller: Poller, name: str) -> int:
    """Return a figure of a process's memory in bytes; 0 where it has ended."""
    try:
        status = Path(f"/proc/{poller.process.pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


def start_poller(world: PollerEnvironment) -> Poller:
    """Start the poller with short pauses."""
    return world.start_poller(module="tests.lying.harness.poller", **SETTINGS)
