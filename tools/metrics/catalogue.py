"""Every metric that Leadmail shows, read from the registries of its stages, and those of others that dashboards and alerts use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, cast

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from services.console.web.endpoints import request_histogram
from services.console.web.mails import sign_in_counter
from services.matcher.backlog import BacklogMetric
from services.matcher.copy_outcomes import CopyOutcomes
from services.matcher.latency import VisibleLatency
from services.matcher.progress import ProgressMetric
from services.notifier.metrics import mail_counter
from services.poller.copies.metrics import PollerMetrics
from services.runtime.metrics import Metrics, MongoMetrics
from services.store import Store

_NO_STORE = cast("Store", None)
"""A registry that is never scraped: only the metrics' names are read from it."""
STAGES: dict[str, tuple[Callable[[CollectorRegistry], object], ...]] = {
    "poller": (PollerMetrics,),
    "matcher": (
        VisibleLatency,
        lambda registry: CopyOutcomes(registry, structlog.get_logger()),
        partial(BacklogMetric, _NO_STORE, ""),
        partial(ProgressMetric, _NO_STORE, ""),
    ),
    "notifier": (mail_counter,),
    "console": (request_histogram, sign_in_counter),
}
"""What a stage has beside what every stage has: enter new classes here, ``__main__`` of the stage makes them too."""

FOREIGN: dict[str, str] = {
    "up": "Prometheus: 1 while a target answers",
    "rabbitmq_alarms_memory_used_watermark": "RabbitMQ: 1 while the memory alarm blocks publishers",
    "rabbitmq_alarms_free_disk_space_watermark": "RabbitMQ: 1 while the disk alarm blocks publishers",
    "rabbitmq_detailed_queue_messages_ready": "RabbitMQ: messages that wait in a queue (`/metrics/detailed`)",
    "rabbitmq_detailed_queue_messages_unacked": "RabbitMQ: messages in progress (`/metrics/detailed`)",
    "rabbitmq_detailed_queue_consumers": "RabbitMQ: consumers of a queue (`/metrics/detailed`)",
    "rabbitmq_detailed_raft_": "RabbitMQ: any metric that begins so shows a member of a queue on a node (`/metrics/detailed`)",
    "rabbitmq_build_info": "RabbitMQ: 1 for each node",
    "rabbitmq_process_resident_memory_bytes": "RabbitMQ: memory in use",
    "rabbitmq_resident_memory_limit_bytes": "RabbitMQ: where the memory alarm begins",
    "rabbitmq_disk_space_available_bytes": "RabbitMQ: free disk space",
    "rabbitmq_disk_space_available_limit_bytes": "RabbitMQ: where the disk alarm begins",
    "process_cpu_seconds_total": "each stage: processor time used",
    "process_resident_memory_bytes": "each stage: memory in use",
    "process_open_fds": "each stage: open files and connections",
}
"""What others show: RabbitMQ's plugin ``rabbitmq_prometheus`` (port 15692), Prometheus itself, its library in our processes."""


class Known(NamedTuple):
    """A metric."""

    name: str
    """As it is exposed and queried: a counter's ends in ``_total``."""
    kind: str
    labels: tuple[str, ...]
    text: str

    @property
    def series(self) -> tuple[str, ...]:
        """The names that can be queried."""
        match self.kind:
            case "histogram":
                return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
            case "summary":
                return tuple(f"{self.name}_{part}" for part in ("sum", "count"))
            case _:
                return (self.name,)


class _Recorder(CollectorRegistry):
    """Keeps what registers in order."""

    def __init__(self) -> None:
        super().__init__()
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        """Note a collector, too."""
        super().register(collector)
        self.collectors.append(collector)


def common() -> list[Known]:
    """Return what every stage has, without the library's own metrics of the process."""
    recorder = _Recorder()
    Metrics("any", recorder)
    MongoMetrics("any", recorder)
    return list(_known(recorder))


def of_stage(stage: str) -> list[Known]:
    """Return what only this stage has."""
    recorder = _Recorder()
    for make in STAGES[stage]:
        make(recorder)
    return list(_known(recorder))


def every() -> list[Known]:
    """Return all of ours."""
    return [*common(), *(known for stage in STAGES for known in of_stage(stage))]


def _known(recorder: _Recorder) -> Iterator[Known]:
    for collector in recorder.collectors:
        labels = getattr(collector, "_labelnames", None)  # of a metric; a collector of our own has families
        for family in collector.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            names = labels if labels is not None else getattr(family, "_labelnames", ())
            yield Known(name, family.type, tuple(names), family.documentation)
