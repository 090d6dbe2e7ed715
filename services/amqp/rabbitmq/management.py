"""A client of RabbitMQ's management interface: unacknowledged messages, rates, alarms, policies."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from yarl import URL

from schemas.errors import LeadmailError
from services.runtime.settings import BrokerSettings

_SECONDS = 5.0
NODES = "nodes?columns=name,running,mem_alarm,disk_free_alarm,disk_free,disk_free_limit"
"""The path of the nodes' alarms and disks, which users with the tag ``monitoring`` may read."""


class ManagementError(LeadmailError):
    """The management interface cannot be used; the text says how to fix it."""


class QueueRates(NamedTuple):
    """Messages per second, as averaged by the broker."""

    published: float
    delivered: float
    acknowledged: float


class QueueContents(NamedTuple):
    """What only the management interface says of a queue."""

    unacknowledged: int | None = None
    ready_bytes: int | None = None


async def queue_contents(settings: BrokerSettings) -> dict[str, QueueContents]:
    """Return the contents by queue; empty if the interface is not set up or does not answer."""
    try:
        found = await ask(settings, _of_queues(settings, "name,messages_unacknowledged,message_bytes_ready"))
    except ManagementError:
        return {}
    return {
        queue["name"]: QueueContents(queue.get("messages_unacknowledged", 0), queue.get("message_bytes_ready", 0))
        for queue in found
    }


async def broker_alarms(settings: BrokerSettings) -> list[str]:
    """Return why the broker accepts no messages at present, e.g. ``memory on rabbit@host``; empty if that is unknown."""
    try:
        return alarms_of(await ask(settings, NODES))
    except ManagementError:
        return []


def alarms_of(nodes: list[dict[str, Any]]) -> list[str]:
    """Return the alarms in an answer to ``NODES``."""
    kinds = {"mem_alarm": "memory", "disk_free_alarm": "disk"}
    return [f"{kind} on {node.get('name')}" for node in nodes for flag, kind in kinds.items() if node.get(flag) is True]


async def queue_rates(settings: BrokerSettings) -> dict[str, QueueRates]:
    """Return the rates by queue; queues without rates are left out.

    Raises:
        ManagementError: the interface is not set up, does not answer, or refuses us.
    """
    found = await ask(settings, _of_queues(settings, "name,message_stats"))
    return {queue["name"]: _rates(queue["message_stats"]) for queue in found if queue.get("message_stats")}


def _rates(stats: dict[str, Any]) -> QueueRates:
    def rate(name: str) -> float:
        return float(stats.get(f"{name}_details", {}).get("rate", 0.0))

    return QueueRates(published=rate("publish"), delivered=rate("deliver_get"), acknowledged=rate("ack"))


def virtual_host(settings: BrokerSettings) -> str:
    """Return the virtual host that Leadmail uses."""
    return unquote(URL(settings.rabbitmq_url.get_secret_value()).raw_path.removeprefix("/")) or "/"


def _of_queues(settings: BrokerSettings, columns: str) -> str:
    return f"queues/{quote(virtual_host(settings), safe='')}?columns={columns}"


async def ask(settings: BrokerSettings, path: str) -> Any:
    """Return the answer to ``/api/<path>``.

    Raises:
        ManagementError: it is not set up, does not answer, or refuses us.
    """
    management = settings.rabbitmq_management_url.get_secret_value()
    if not management:
        raise ManagementError("LEADMAIL_RABBITMQ_MANAGEMENT_URL is not set")
    try:
        return await asyncio.to_thread(_ask, URL(management), path)
    except urllib.error.HTTPError as error:
        why = "does not know the user or password" if error.code == _UNKNOWN else f"answers {error.code}"
        raise ManagementError(
            f"RabbitMQ's management interface {why}: check LEADMAIL_RABBITMQ_MANAGEMENT_URL"
        ) from None
    except (OSError, ValueError) as error:
        raise ManagementError(
            f"RabbitMQ's management interface does not answer ({error}): check LEADMAIL_RABBITMQ_MANAGEMENT_URL"
        ) from None


_UNKNOWN = 401


def _ask(url: URL, path: str) -> Any:
    target = url.with_user(None).with_password(None) / "api"
    request = urllib.request.Request(  # noqa: S310 - the operator's own URL
        f"{target}/{path}",
        headers={"Authorization": "Basic " + base64.b64encode(f"{url.user}:{url.password}".encode()).decode()},
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - as above
        return json.load(response)
