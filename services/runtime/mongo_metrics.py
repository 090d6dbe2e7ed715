"""Metrics of MongoDB as this process meets it: how long commands take, how they fail, and whether there is a primary.

What only the server knows (replication lag, its cache, its disk) is what ``mongodb_exporter`` shows.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandSucceededEvent,
    ConnectionCheckedOutEvent,
    ConnectionPoolListener,
    TopologyDescriptionChangedEvent,
    TopologyListener,
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_WAITING = "getMore"
"""A change stream asks for more and waits until there is some."""
_WRITABLE = frozenset({"ReplicaSetWithPrimary", "Sharded", "Single", "LoadBalanced"})
"""Kinds of deployments that take writes."""


def _nothing(_self: object, _event: object) -> None:
    """Do nothing: the driver tells of every event."""


_IGNORE: Any = _nothing


class MongoMetrics(CommandListener, ConnectionPoolListener, TopologyListener):
    """Listens to the driver of one client."""

    def __init__(self, stage: str, registry: CollectorRegistry) -> None:
        self._stage = stage
        self._commands = Histogram(
            "leadmail_mongo_command_seconds",
            "Time until MongoDB answered a command; without getMore, which waits for changes",
            ["stage", "command"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "leadmail_mongo_errors",
            "Commands that MongoDB refused, or that were lost with their connection, by code",
            ["stage", "command", "error"],
            registry=registry,
        )
        self._waits = Histogram(
            "leadmail_mongo_pool_wait_seconds",
            "Time until a connection to MongoDB was free",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._primary = Gauge(
            "leadmail_mongo_primary",
            "1 while a MongoDB server that takes writes is known",
            ["stage"],
            registry=registry,
        )
        self._wait = self._waits.labels(stage)
        self._known = self._primary.labels(stage)

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Note how long a command took."""
        if event.command_name != _WAITING:
            self._commands.labels(self._stage, event.command_name).observe(event.duration_micros / 1e6)

    def failed(self, event: CommandFailedEvent) -> None:
        """Note why a command failed: by the server's name of the code, or the driver's of the exception."""
        error = event.failure.get("codeName") or event.failure.get("errtype") or "other"
        self._errors.labels(self._stage, event.command_name, error).inc()

    def connection_checked_out(self, event: ConnectionCheckedOutEvent) -> None:
        """Note how long a caller waited for a connection."""
        self._wait.observe(event.duration or 0.0)

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        """Note whether there is a server that takes writes."""
        self._known.set(event.new_description.topology_type_name in _WRITABLE)

    started = opened = closed = _IGNORE
    pool_created = pool_ready = pool_cleared = pool_closed = _IGNORE
    connection_created = connection_ready = connection_closed = connection_checked_in = _IGNORE
    connection_check_out_started = connection_check_out_failed = _IGNORE
