"""The bus: connection, publishing with confirms, consuming, retries and dead letters. It knows nothing about mail.

- ``stage``: a process that consumes queues
- ``delivery``: the interface of the bus; handles and settles messages
- ``rabbitmq``: the bus on RabbitMQ

A name below loads its module when it is first used: most commands start without the broker's client, and the tracer takes memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.amqp.delivery.bus import Bus
    from services.amqp.delivery.codec import replays_of
    from services.amqp.delivery.outcomes import (
        CRASHED,
        DeadLetterDelivery,
        Delivery,
        Done,
        Failed,
        Handle,
        HandleBatch,
        QueueDepth,
    )
    from services.amqp.delivery.trace_context import UNTRACED, TraceContext, trace_fields
    from services.amqp.delivery.tracing import Tracing
    from services.amqp.rabbitmq.broker_diagnostics import REPLICAS, BrokerFacts, read_broker_facts
    from services.amqp.rabbitmq.bus import open_bus
    from services.amqp.rabbitmq.management import ManagementError, QueueRates, broker_alarms, queue_rates
    from services.amqp.stage import Stage, run_stage, tracing_of

__all__ = [
    "CRASHED",
    "REPLICAS",
    "UNTRACED",
    "BrokerFacts",
    "Bus",
    "DeadLetterDelivery",
    "Delivery",
    "Done",
    "Failed",
    "Handle",
    "HandleBatch",
    "ManagementError",
    "QueueDepth",
    "QueueRates",
    "Stage",
    "TraceContext",
    "Tracing",
    "broker_alarms",
    "open_bus",
    "queue_rates",
    "read_broker_facts",
    "replays_of",
    "run_stage",
    "trace_fields",
    "tracing_of",
]

_MODULES = {
    "Stage": "services.amqp.stage",
    "run_stage": "services.amqp.stage",
    "tracing_of": "services.amqp.stage",
    "Bus": "services.amqp.delivery.bus",
    "replays_of": "services.amqp.delivery.codec",
    "CRASHED": "services.amqp.delivery.outcomes",
    "DeadLetterDelivery": "services.amqp.delivery.outcomes",
    "Delivery": "services.amqp.delivery.outcomes",
    "Done": "services.amqp.delivery.outcomes",
    "Failed": "services.amqp.delivery.outcomes",
    "Handle": "services.amqp.delivery.outcomes",
    "HandleBatch": "services.amqp.delivery.outcomes",
    "QueueDepth": "services.amqp.delivery.outcomes",
    "TraceContext": "services.amqp.delivery.trace_context",
    "UNTRACED": "services.amqp.delivery.trace_context",
    "trace_fields": "services.amqp.delivery.trace_context",
    "Tracing": "services.amqp.delivery.tracing",
    "REPLICAS": "services.amqp.rabbitmq.broker_diagnostics",
    "BrokerFacts": "services.amqp.rabbitmq.broker_diagnostics",
    "read_broker_facts": "services.amqp.rabbitmq.broker_diagnostics",
    "open_bus": "services.amqp.rabbitmq.bus",
    "ManagementError": "services.amqp.rabbitmq.management",
    "QueueRates": "services.amqp.rabbitmq.management",
    "broker_alarms": "services.amqp.rabbitmq.management",
    "queue_rates": "services.amqp.rabbitmq.management",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)
