"""What only RabbitMQ's management interface knows: how many messages of a queue are in hand, and alarms."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.request
from typing import Any
from urllib.parse import quote, unquote

from yarl import URL

from services.runtime.settings import Settings

_SECONDS = 5.0


async def unacknowledged(settings: Settings) -> dict[str, int]:
    """Return the number of unacknowledged messages by queue; empty when the interface is not set up or does not answer."""
    virtual_host = unquote(URL(settings.rabbitmq_url.get_secret_value()).raw_path.removeprefix("/")) or "/"
    path = f"queues/{quote(virtual_host, safe='')}?columns=name,messages_unacknowledged"
    return {queue["name"]: queue.get("messages_unacknowledged", 0) for queue in await _ask(settings, path)}


async def alarms(settings: Settings) -> list[str]:
    """Return why the broker takes no messages at present, e.g. ``memory on rabbit@host``; empty as above."""
    found = await _ask(settings, "nodes?columns=name,mem_alarm,disk_free_alarm")
    kinds = {"mem_alarm": "memory", "disk_free_alarm": "disk"}
    return [f"{kind} on {node.get('name')}" for node in found for flag, kind in kinds.items() if node.get(flag) is True]


async def _ask(settings: Settings, path: str) -> list[dict[str, Any]]:
    management = settings.rabbitmq_management_url.get_secret_value()
    if not management:
        return []
    try:
        return await asyncio.to_thread(_get, URL(management), path)
    except (OSError, ValueError):
        return []


def _get(url: URL, path: str) -> list[dict[str, Any]]:
    target = url.with_user(None).with_password(None) / "api"
    request = urllib.request.Request(  # noqa: S310 - the operator's own URL
        f"{target}/{path}",
        headers={"Authorization": "Basic " + base64.b64encode(f"{url.user}:{url.password}".encode()).decode()},
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - as above
        answer: list[dict[str, Any]] = json.load(response)
        return answer
