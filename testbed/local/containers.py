"""RabbitMQ, MongoDB and the mail servers as containers, published on the loopback."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from testcontainers.core.config import testcontainers_config

from testbed.local import images
from testbed.local.container_part import ContainerPart
from testbed.local.hosting import DatabasePart, MailPart
from testbed.local.mail_containers import DovecotContainer, MailContainer
from testbed.processes.certificates import Certificates
from testbed.processes.child import Spawner
from testbed.processes.parts import LOOPBACK, MAIL_SERVERS, HostingError
from testbed.processes.ports import free_ports
from testbed.processes.reaper import container_reaper
from testbed.processes.users import MailUsers
from testbed.servers.broker import Broker, wait_for_new_queues
from testbed.servers.mongo import MONGOD_ARGUMENTS, mongo_url, wait_for_primary
from testbed.servers.replica_set import MemberPorts, ReplicaSet, wait_for_member


class RabbitMQContainer(ContainerPart):
    """The broker with management and Prometheus plugins."""

    def __init__(self, run: str) -> None:
        amqp, management, metrics = free_ports(3)
        self.broker = Broker(amqp, management, metrics, "leadmail", secrets.token_hex(8))
        super().__init__(
            images.rabbitmq_image(),
            run,
            ports={5672: amqp, 15672: management, 15692: metrics},
            environment={"RABBITMQ_DEFAULT_USER": self.broker.user, "RABBITMQ_DEFAULT_PASS": self.broker.password},
            hostname="rabbitmq",  # the node's name, and so its data folder, derive from it
            wait=self.broker.wait,
        )

    def stop(self) -> None:
        """Stop the broker in order. Not by SIGTERM, which images that start it through su(1) lose."""
        if self.alive():
            self.execute(["rabbitmqctl", "shutdown"])
        super().stop()

    def control(self, *arguments: str) -> None:
        """Run rabbitmqctl; raises HostingError when it fails."""
        if self.execute(["rabbitmqctl", *arguments]) != 0:
            raise HostingError(f"rabbitmqctl {' '.join(arguments)} failed; the end of the broker's log:\n{self.log()}")

    def kill(self) -> None:
        """SIGKILL the broker, after the seconds that a new queue needs to survive that."""
        if self.alive():
            wait_for_new_queues(self.execute, PurePosixPath("/var/lib/rabbitmq"))
        super().kill()


class MongoContainer(ContainerPart):
    """A replica set of one node."""

    def __init__(self, run: str) -> None:
        (port,) = free_ports(1)
        self.url = mongo_url(port)
        super().__init__(
            images.mongo_image(),
            run,
            # The same port inside and outside: the member's address must be right for itself and for its clients.
            ports={port: port},
            command=["mongod", *MONGOD_ARGUMENTS, "--bind_ip_all", "--port", str(port)],
            wait=lambda alive: wait_for_primary(port, alive),
        )


class MongoMemberContainer(ContainerPart):
    """A member of a larger replica set. On the host's network, so that the members reach one another as their clients do."""

    def __init__(self, run: str, port: int) -> None:
        self.port = port
        super().__init__(
            images.mongo_image(),
            run,
            ports={},
            command=["mongod", *MONGOD_ARGUMENTS, "--bind_ip", LOOPBACK, "--port", str(port)],
            wait=lambda alive: wait_for_member(port, alive),
            on_host_network=True,
        )


class Containers:
    """Our containers, which are removed at the end or when we die."""

    name = "containers"

    def __init__(
        self,
        _folder: Path,
        shared: Path,
        users: MailUsers,
        certificates: Certificates,
        _spawner: Spawner,
        *,
        members: Sequence[MemberPorts] = (),
    ) -> None:
        # Our reaper does what testcontainers' does, but needs no image.
        testcontainers_config.ryuk_disabled = True
        run = secrets.token_hex(8)
        self._reaper = container_reaper(run)
        self.rabbitmq = RabbitMQContainer(run)
        self.mongo: DatabasePart = (
            ReplicaSet([MongoMemberContainer(run, each.listens) for each in members], members)
            if members
            else MongoContainer(run)
        )
        self.mail: dict[str, MailPart] = {"dovecot": DovecotContainer(run, shared / "dovecot", users, certificates)}
        for kind in ("cyrus", "courier"):
            self.mail[kind] = MailContainer(kind, run, users, certificates)

    def close(self) -> None:
        """Stop the reaper, which first removes what is left."""
        self._reaper.close()

    @classmethod
    def prepare(cls, names: Collection[str]) -> None:
        """Pull and build the images."""
        if not images.engine_answers():
            raise HostingError("no Docker engine answers: start one, or set LEADMAIL_HOSTING=processes")
        if "rabbitmq" in names:
            images.ensure_pulled(images.rabbitmq_image())
        if "mongo" in names:
            images.ensure_pulled(images.mongo_image())
        for kind in MAIL_SERVERS:
            if kind in names:
                images.ensure_mail_built(kind)
