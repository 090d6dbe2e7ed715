"""What only RabbitMQ's management interface knows: how many messages of a queue are in hand."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.request
from urllib.parse import quote, unquote

from yarl import URL

from services.runtime.settings import Settings

_SECONDS = 5.0


async def unacknowledged(settings: Settings) -> dict[str, int]:
    """Return the number of unacknowledged messages by queue; empty when the interface is not set up or does not answer."""
    management = settings.rabbitmq_management_url.get_secret_value()
    if not management:
        return {}
    virtual_host = unquote(URL(settings.rabbitmq_url.get_secret_value()).raw_path.removeprefix("/")) or "/"
    try:
        return await asyncio.to_thread(_ask, URL(management), virtual_host)
    except (OSError, ValueError):
        return {}


def _ask(url: URL, virtual_host: str) -> dict[str, int]:
    target = url.with_user(None).with_password(None) / "api/queues"
    request = urllib.request.Request(  # noqa: S310 - the operator's own URL
        f"{target}/{quote(virtual_host, safe='')}?columns=name,messages_unacknowledged",
        headers={"Authorization": "Basic " + base64.b64encode(f"{url.user}:{url.password}".encode()).decode()},
    )
    with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310 - as above
        return {queue["name"]: queue.get("messages_unacknowledged", 0) for queue in json.load(response)}
