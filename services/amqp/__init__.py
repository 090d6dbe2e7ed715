"""The bus: connection, publishing with confirms, consuming, retries and dead letters. It knows nothing about mail.

- ``stage``: a process that consumes queues
- ``delivery``: the interface of the bus; handles and settles messages
- ``rabbitmq``: the bus on RabbitMQ

A name below loads its module when it is first used: most commands start without the broker's client, and the tracer takes memory.
"""

from typing import TYPE_CHECKING

from services.front_door import front_door

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
    from services.amqp.rabbitmq.queue_reader import QueueReader
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
    "QueueReader",
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

_HOMES = {
    "services.amqp.delivery.bus": ("Bus",),
    "services.amqp.delivery.codec": ("replays_of",),
    "services.amqp.delivery.outcomes": (
        "CRASHED",
        "DeadLetterDelivery",
        "Delivery",
        "Done",
        "Failed",
        "Handle",
        "HandleBatch",
        "QueueDepth",
    ),
    "services.amqp.delivery.trace_context": (
        "TraceContext",
        "UNTRACED",
        "trace_fields",
    ),
    "services.amqp.delivery.tracing": ("Tracing",),
    "services.amqp.rabbitmq.broker_diagnostics": (
        "REPLICAS",
        "BrokerFacts",
        "read_broker_facts",
    ),
    "services.amqp.rabbitmq.bus": ("open_bus",),
    "services.amqp.rabbitmq.management": (
        "ManagementError",
        "QueueRates",
        "broker_alarms",
        "queue_rates",
    ),
    "services.amqp.rabbitmq.queue_reader": ("QueueReader",),
    "services.amqp.stage": (
        "Stage",
        "run_stage",
        "tracing_of",
    ),
}

if not TYPE_CHECKING:
    __getattr__ = front_door(__name__, _HOMES)
