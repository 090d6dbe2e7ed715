"""Prometheus metrics that every process has. Stages add their own to the registry."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from pymongo import AsyncMongoClient
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandSucceededEvent,
    ConnectionCheckedOutEvent,
    ConnectionPoolListener,
)

_HANDLING = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_AGE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600, 21_600)


class Metrics:
    """The metrics of one process, and their registry."""

    def __init__(self, stage: str, registry: CollectorRegistry | None = None) -> None:
        """Register in ``registry``, or in a new registry with prometheus-client's metrics of the process."""
        self.registry = registry or _of_process()
        self.stage = stage
        labels = ["stage", "queue"]
        self.messages = self._counter("messages", "Messages taken from a queue, by outcome", [*labels, "outcome"])
        self.retries = self._counter("retries", "Messages sent to a delay queue", [*labels, "error"])
        self.deaths = self._counter("dead_letters", "Messages given up", [*labels, "reason"])
        self.handling = Histogram(
            "leadmail_handling_seconds",
            "From the delivery of a message or batch to its acknowledgement",
            labels,
            buckets=_HANDLING,
            registry=self.registry,
        )
        self.age = Histogram(
            "leadmail_message_age_seconds",
            "From the creation of a message to its delivery: the wait in the queue and in delay queues",
            labels,
            buckets=_AGE,
            registry=self.registry,
        )
        self._published = self._counter("published", "Messages published and confirmed", ["stage", "routing_key"])
        self._refused = self._counter(
            "publish_refusals",
            "Messages that a full queue refused; they wait and are sent again",
            ["stage", "routing_key"],
        )
        self._connects = self._counter("broker_connections", "Connections made to the broker", ["stage", "purpose"])
        self._connected = Gauge(
            "leadmail_broker_connected", "1 while connected to the broker", ["stage", "purpose"], registry=self.registry
        )

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(f"leadmail_{name}", text, labels, registry=self.registry)

    def queue(self, queue: str) -> QueueMetrics:
        """Return the metrics of one queue."""
        return QueueMetrics(self, queue)

    def published(self, routing_key: str, count: int = 1) -> None:
        """Count confirmed messages."""
        self._published.labels(self.stage, routing_key).inc(count)

    def refused(self, routing_key: str) -> None:
        """Count a message that a full queue refused."""
        self._refused.labels(self.stage, routing_key).inc()

    def connected(self, purpose: str, *, up: bool) -> None:
        """Note that a connection came up or went down."""
        self._connected.labels(self.stage, purpose).set(up)
        if up:
            self._connects.labels(self.stage, purpose).inc()


def _of_process() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


class QueueMetrics:
    """The metrics of one queue, with the look-ups by label done once."""

    def __init__(self, metrics: Metrics, queue: str) -> None:
        labels = (metrics.stage, queue)
        self._done, self._retried, self._dead = (
            metrics.messages.labels(*labels, outcome) for outcome in ("done", "retried", "dead")
        )
        self._retries = partial(metrics.retries.labels, *labels)
        self._deaths = partial(metrics.deaths.labels, *labels)
        self._handling = metrics.handling.labels(*labels)
        self._age = metrics.age.labels(*labels)

    def taken(self, made_at: object) -> None:
        """Note that a message was taken; ``made_at`` is its ``ce-time``."""
        if isinstance(made_at, str):
            try:
                age = datetime.now(UTC) - datetime.fromisoformat(made_at)
            except (ValueError, TypeError):
                return
            self._age.observe(max(0.0, age.total_seconds()))

    def handled(self, done: int, seconds: float) -> None:
        """Note that a batch was settled; ``done`` of its messages succeeded."""
        self._done.inc(done)
        self._handling.observe(seconds)

    def retried(self, error: str) -> None:
        """Note that a message failed and waits for a retry."""
        self._retried.inc()
        self._retries(error).inc()

    def died(self, reason: str) -> None:
        """Note that a message was given up."""
        self._dead.inc()
        self._deaths(reason).inc()


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_WAITING = "getMore"
"""A change stream asks for more and waits until there is some."""
_WRITABLE = frozenset({"ReplicaSetWithPrimary", "Sharded", "Single", "LoadBalanced"})
"""Kinds of deployments that take writes."""


def _nothing(_self: object, _event: object) -> None:
    """Do nothing: the driver tells of every event."""


_IGNORE: Any = _nothing


class MongoMetrics(CommandListener, ConnectionPoolListener):
    """MongoDB as this process meets it, told by the driver of one client. What only the server knows is what ``mongodb_exporter`` shows."""

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

    def watch(self, client: AsyncMongoClient[Any]) -> None:
        """Show whether a client knows a server that takes writes, whenever the metrics are read.

        A listener could be told. With one, the driver starts a task in every child of a fork, which has no event loop, and prints
        that it cannot.
        """
        self._primary.labels(self._stage).set_function(
            lambda: client.topology_description.topology_type_name in _WRITABLE
        )

    started = _IGNORE
    pool_created = pool_ready = pool_cleared = pool_closed = _IGNORE
    connection_created = connection_ready = connection_closed = connection_checked_in = _IGNORE
    connection_check_out_started = connection_check_out_failed = _IGNORE
