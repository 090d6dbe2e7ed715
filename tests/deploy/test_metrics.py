"""What dashboards and alerts ask of RabbitMQ is what a real one shows."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from time import monotonic
from urllib.parse import quote

from pydantic import SecretStr
from yarl import URL

from schemas.routes import ROUTES
from services.amqp import open_bus
from services.runtime.logs import setup_logs
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from testbed.local import LocalServers
from tools.metrics.catalogue import FOREIGN

ASKED = {name for name in FOREIGN if name.startswith("rabbitmq_")}
DEADLINE = 90.0


def page(url: str) -> str:
    """Return what is shown at a URL."""
    with urllib.request.urlopen(url, timeout=30) as response:
        return str(response.read().decode())


def missing(*urls: str) -> set[str]:
    """Return the metrics (a name that ends with _ is the beginning of some) and queues that none of the pages has."""
    text = "".join(page(url) for url in urls)
    there = set(re.findall(r"^(rabbitmq_\w+)", text, re.MULTILINE))
    absent = {
        name for name in ASKED if not any(one.startswith(name) if name.endswith("_") else one == name for one in there)
    }
    return absent | {route.queue for route in ROUTES if f'queue="{route.queue}"' not in text}


async def test_the_broker_shows_what_is_asked_for(servers: LocalServers, rabbitmq_url: str) -> None:
    """Alarms, memory and disk at /metrics; each queue of the virtual host with its consumers at /metrics/detailed, as Prometheus asks."""
    settings = BrokerSettings(rabbitmq_url=SecretStr(rabbitmq_url))
    host = quote(URL(rabbitmq_url).path.removeprefix("/"), safe="")
    sums = servers.broker.metrics_url
    families = "&".join(f"family={one}" for one in ("queue_coarse_metrics", "queue_consumer_count", "ra_metrics"))
    detailed = f"{sums}/detailed?vhost={host}&{families}"
    lacking = {"everything"}
    async with open_bus(settings, "test", metrics=Metrics("test"), log=setup_logs(settings, "test")):
        ending = monotonic() + DEADLINE
        while lacking and monotonic() < ending:  # queues report every few seconds
            await asyncio.sleep(0.5)
            lacking = await asyncio.to_thread(missing, sums, detailed)
    assert not lacking
