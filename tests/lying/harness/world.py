"""The environment of a batch: a database and a virtual host of its own, and one poller."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymongo import MongoClient

from schemas.messages import AccountAttention, MailFetched
from schemas.routes import ROUTES
from services.amqp import open_bus
from services.runtime.logs import setup_logs
from services.runtime.metrics import Metrics
from services.runtime.mongo import make_client
from services.settings import CliSettings, PollerSettings
from services.wiring import make_secret_box, make_store
from testbed.local import LocalServers
from tests.poller.fixtures import ROOT, SECRET, Poller, PollerEnvironment

SETTINGS = {
    "LEADMAIL_POLL_SECONDS": "3",
    "LEADMAIL_IDLE_SECONDS": "5",
    "LEADMAIL_REAPER_SECONDS": "5",
    "LEADMAIL_RECONCILE_SECONDS": "8",
    "LEADMAIL_BLOCK_SECONDS": "4",
    "LEADMAIL_EVIDENCE_SECONDS": "2",
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
    with pytest.MonkeyPatch.context() as patch:
        for key, value in environment.items():
            patch.setenv(key, value)
        settings = CliSettings.read()
    client = make_client(settings)
    store = make_store(client[settings.mongo_database], client[settings.crm_database], settings)
    await store.setup()
    try:
        async with open_bus(settings, "test", metrics=Metrics("test"), log=setup_logs(settings, "test")) as bus:
            world = PollerEnvironment(servers, environment, store, bus, make_secret_box(settings), folder)
            for route in ROUTES:
                if route.message is MailFetched:
                    await bus.consume_batches(route, world.take, size=100)
                elif route.message is AccountAttention:
                    await bus.consume(route, world.note)
            try:
                yield world
            finally:
                for poller in world.pollers:
                    if poller.process.poll() is None:
                        poller.stop()
    finally:
        await client.close()
        servers.broker.drop_virtual_host(name)
        with MongoClient[dict[str, object]](servers.mongo_url) as dropping:
            dropping.drop_database(name)


def memory(poller: Poller, name: str) -> int:
    """Return a figure of a process's memory in bytes; 0 where it has ended."""
    try:
        status = Path(f"/proc/{poller.process.pid}/status").read_text()
    except OSError:
        return 0
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


def start_poller(world: PollerEnvironment) -> Poller:
    """Start the poller with short pauses."""
    log = world.folder / "poller.log"
    environment = {
        **os.environ,
        **world.environment,
        **{name: text for name, text in SETTINGS.items() if name[9:].lower() in PollerSettings.model_fields},
        "LEADMAIL_INSTANCE": "poller",
        "LEADMAIL_LOG_FORMAT": "json",
        "PYTHONFAULTHANDLER": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lying.harness.poller"],
            env=environment,
            stdout=output,
            stderr=output,
            cwd=ROOT,
        )
    poller = Poller(process, "poller", log)
    world.pollers.append(poller)
    return poller
