"""RabbitMQ, MongoDB and Dovecot as containers, published on the loopback."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from testcontainers.core.config import testcontainers_config

from testbed.local import images
from testbed.local.container_part import ContainerPart
from testbed.local.hosting import DatabasePart
from testbed.processes.certificates import Certificates
from testbed.processes.child import Spawner
from testbed.processes.parts import LOOPBACK, HostingError, ImapEndpoint, LmtpEndpoint
from testbed.processes.ports import free_ports
from testbed.processes.reaper import container_reaper
from testbed.processes.users import MailUsers
from testbed.servers.broker import Broker, wait_for_new_queues
from testbed.servers.dovecot import wait_for_mail
from testbed.servers.dovecot_config import DovecotSettings, dovecot_config
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


class DovecotContainer(ContainerPart):
    """Dovecot from our own image, its configuration, certificates and users mounted from the host."""

    def __init__(self, run: str, folder: Path, users: MailUsers, certificates: Certificates) -> None:
        imap, imaps, lmtp = free_ports(3)
        self.imap = ImapEndpoint(LOOPBACK, imap, imaps, certificates.ca)
        self.lmtp = LmtpEndpoint(LOOPBACK, lmtp)
        self._configuration = folder
        super().__init__(
            images.dovecot_image(),
            run,
            ports={1143: imap, 1993: imaps, 1024: lmtp},
            mounts={
                folder: "/etc/leadmail",
                certificates.ca.parent: "/etc/leadmail-certificates",
                users.folder: "/etc/leadmail-users",
            },
            wait=lambda alive: wait_for_mail(imap, lmtp, alive),
        )

    def start(self) -> None:
        """Write the configuration in both syntaxes (the image knows which Dovecot it has), then start."""
        self._configuration.mkdir(exist_ok=True)
        self._configuration.chmod(0o755)
        for version in ("2.3", "2.4"):
            path = self._configuration / f"dovecot-{version}.conf"
            path.write_text(dovecot_config(f"{version}.0", _DOVECOT_INSIDE))
            path.chmod(0o644)
        super().start()


_DOVECOT_INSIDE = DovecotSettings(
    run=PurePosixPath("/run/leadmail"),
    mail=PurePosixPath("/srv/mail"),
    users=PurePosixPath("/etc/leadmail-users"),
    certificate=PurePosixPath("/etc/leadmail-certificates/server.pem"),
    key=PurePosixPath("/etc/leadmail-certificates/server.key"),
    log="/dev/stderr",
    listen="*",
    imap_port=1143,
    imaps_port=1993,
    lmtp_port=1024,
    user="mail",
    group="mail",
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
        self.dovecot = DovecotContainer(run, shared / "dovecot", users, certificates)

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
        if "dovecot" in names:
            images.ensure_dovecot_built()
