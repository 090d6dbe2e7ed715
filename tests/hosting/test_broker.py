"""The broker that the testbed starts."""

from __future__ import annotations

from testbed.local import LocalServers

_CRASH = "[exit(Worker, kill) || {_, Worker, _, _} <- supervisor:which_children(rabbit_fifo_dlx_sup)]."


def crash_dead_letter_workers(servers: LocalServers) -> None:
    """Bring RabbitMQ into the state of rabbitmq-server #16652: its dead-letter workers crashed, and it starts no others."""
    for name in ("one", "two"):
        arguments = {"x-overflow": "reject-publish", "x-dead-letter-exchange": "amq.fanout"}
        arguments |= {"x-queue-type": "quorum", "x-dead-letter-strategy": "at-least-once"}
        servers.broker._call("PUT", f"/api/queues/%2F/{name}", {"durable": True, "arguments": arguments})
    servers.rabbitmqctl("eval", _CRASH)


def test_a_broker_without_dead_letter_workers_is_noticed() -> None:
    """Once several of its dead-letter workers have crashed, RabbitMQ takes none of our queues until it is restarted."""
    with LocalServers(parts={"rabbitmq"}) as servers:
        assert servers.broker.can_dead_letter()
        crash_dead_letter_workers(servers)
        assert not servers.broker.can_dead_letter()
        servers.stop("rabbitmq")
        servers.start("rabbitmq")
        assert servers.broker.can_dead_letter()
