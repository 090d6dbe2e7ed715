"""What RabbitMQ is like: for ``leadmail doctor``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

from schemas.routes import ROUTES
from schemas.topology import queues
from services.amqp.rabbitmq.management import NODES, ManagementError, alarms_of, ask, virtual_host
from services.runtime.settings import BrokerSettings

_MEDDLING = frozenset(
    {"message-ttl", "expires", "max-length", "max-length-bytes", "overflow", "delivery-limit", "dead-letter-exchange"}
)
"""What a policy would change in a queue of ours; on what both say the smaller value or the policy may win."""


class BrokerFacts(NamedTuple):
    """What the management interface said; None where it was not asked or does not let us see it."""

    trouble: str | None
    """Why it could not be asked."""
    version: str | None = None
    alarms: tuple[str, ...] | None = None
    """``memory on rabbit@one`` and the like."""
    meddling: tuple[str, ...] | None = None
    """Policies that change queues of ours."""
    strange: tuple[str, ...] | None = None
    """Queues of our naming that this version does not know."""


async def look(settings: BrokerSettings) -> BrokerFacts:
    """Ask the interface for everything that it lets us see."""
    try:
        overview = await ask(settings, "overview?columns=rabbitmq_version")
    except ManagementError as error:
        return BrokerFacts(str(error))
    host = quote(virtual_host(settings), safe="")
    nodes = await _seen(settings, NODES)
    policies = await _seen(settings, f"policies/{host}")
    there = await _seen(settings, f"queues/{host}?columns=name")
    return BrokerFacts(
        None,
        overview.get("rabbitmq_version"),
        None if nodes is None else tuple(alarms_of(nodes)),
        None if policies is None else tuple(sorted(one["name"] for one in policies if _meddles(one))),
        None if there is None else strange(one["name"] for one in there),
    )


def strange(names: Iterable[str]) -> tuple[str, ...]:
    """Return the queues that are named like ours but are not ours: queues of another version, whose messages no one reads."""
    ours = {queue.name for queue in queues()}
    stages = {f"{route.consumer}." for route in ROUTES} | {"leadmail."}
    return tuple(sorted(name for name in names if name.startswith(tuple(stages)) and name not in ours))


async def _seen(settings: BrokerSettings, path: str) -> Any:
    """Return an answer; None when our user may not see it."""
    try:
        return await ask(settings, path)
    except ManagementError:
        return None


def _meddles(policy: dict[str, Any]) -> bool:
    """Whether a policy changes what our queues promise."""
    if policy.get("apply-to") == "exchanges" or not _MEDDLING & set(policy["definition"]):
        return False
    return any(re.search(policy["pattern"], queue.name) for queue in queues())
