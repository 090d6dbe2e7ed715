"""Checks of RabbitMQ for ``leadmail doctor``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from schemas.routes import ROUTES
from schemas.topology import queues
from services.amqp.rabbitmq.management import NODES, ManagementError, alarms_of, ask, virtual_host
from services.runtime.settings import BrokerSettings

_OVERRIDES = frozenset(
    {"message-ttl", "expires", "max-length", "max-length-bytes", "overflow", "delivery-limit", "dead-letter-exchange"}
)
"""Keys of a policy that would override the arguments of our queues: where both are set, the policy or the smaller value may win."""


REPLICAS = 3
"""How many members a quorum queue gets when it is declared, if so many nodes are up."""


class BrokerFacts(NamedTuple):
    """The answers of the management interface; None where it was not asked or our user may not see the answer."""

    error: str | None
    """Why it could not be asked."""
    version: str | None = None
    alarms: tuple[str, ...] | None = None
    """``memory on rabbit@one`` and the like."""
    conflicting_policies: tuple[str, ...] | None = None
    """Policies that change our queues."""
    unknown_queues: tuple[str, ...] | None = None
    """Queues with our names that this version does not have."""
    virtual_host: str = "/"
    nodes: tuple[str, ...] | None = None
    """The nodes that run."""
    free_disk: int | None = None
    """Bytes that can be written before the node with the least room raises its disk alarm."""
    lacking: Mapping[str, tuple[str, ...]] | None = None
    """By node: queues that have fewer members than there could be, and none on this node."""


async def read_broker_facts(settings: BrokerSettings) -> BrokerFacts:
    """Return the facts that our user may see."""
    try:
        overview = await ask(settings, "overview?columns=rabbitmq_version")
    except ManagementError as error:
        return BrokerFacts(str(error))
    host = quote(virtual_host(settings), safe="")
    nodes = await _ask_if_allowed(settings, NODES)
    policies = await _ask_if_allowed(settings, f"policies/{host}")
    existing = await _ask_if_allowed(settings, f"queues/{host}?columns=name,type,members")
    running = None if nodes is None else tuple(sorted(node["name"] for node in nodes if node.get("running")))
    return BrokerFacts(
        None,
        overview.get("rabbitmq_version"),
        None if nodes is None else tuple(alarms_of(nodes)),
        None if policies is None else tuple(sorted(one["name"] for one in policies if _conflicts(one))),
        None if existing is None else unknown_queues(one["name"] for one in existing),
        virtual_host(settings),
        running,
        free_disk(nodes or ()),
        None if existing is None or running is None else lacking_members(existing, running),
    )


def free_disk(nodes: Iterable[dict[str, Any]]) -> int | None:
    """Return how many bytes can be written before a disk alarm, by an answer to ``NODES``; None if no node says."""
    known = [node for node in nodes if isinstance(node.get("disk_free"), int)]
    return min((max(0, node["disk_free"] - node.get("disk_free_limit", 0)) for node in known), default=None)


def lacking_members(queues: Iterable[dict[str, Any]], nodes: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return, by node, the quorum queues that should get a member there.

    A queue keeps the members that it got when it was declared. If only one node was up then, its messages are lost with that node.

    Args:
        queues: ``name``, ``type`` and ``members`` of each.
        nodes: those that run.
    """
    lacking: dict[str, list[str]] = {}
    for queue in queues:
        if queue.get("type") == "quorum":
            members = queue.get("members", ())
            others = [node for node in sorted(nodes) if node not in members]
            for node in others[: max(0, min(REPLICAS, len(nodes)) - len(members))]:
                lacking.setdefault(node, []).append(queue["name"])
    return {node: tuple(sorted(names)) for node, names in lacking.items()}


def unknown_queues(names: Iterable[str]) -> tuple[str, ...]:
    """Return the queues that are named like ours but belong to another version: no one reads their messages."""
    ours = {queue.name for queue in queues()}
    stages = {f"{route.consumer}." for route in ROUTES} | {"leadmail."}
    return tuple(sorted(name for name in names if name.startswith(tuple(stages)) and name not in ours))


async def _ask_if_allowed(settings: BrokerSettings, path: str) -> Any:
    """Return an answer; None if our user may not see it."""
    try:
        return await ask(settings, path)
    except ManagementError:
        return None


def _conflicts(policy: dict[str, Any]) -> bool:
    """Whether a policy changes the guarantees of our queues."""
    if policy.get("apply-to") == "exchanges" or not _OVERRIDES & set(policy["definition"]):
        return False
    return any(re.search(policy["pattern"], queue.name) for queue in queues())
