"""RabbitMQ, MongoDB and Dovecot as containers, published on the loopback."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from docker.errors import APIError
from docker.models.containers import Container
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from deploy.local import images
from deploy.local.certificates import Certificates
from deploy.local.child import Spawner
from deploy.local.dovecot import wait_for_mail
from deploy.local.dovecot_config import DovecotSettings, dovecot_config
from deploy.local.mongo import MONGOD_ARGUMENTS, mongo_url, wait_for_primary
from deploy.local.parts import LOOPBACK, HostingError, ImapEndpoint, LmtpEndpoint
from deploy.local.ports import free_ports
from deploy.local.rabbitmq import Broker, wait_for_new_queues
from deploy.local.reaper import LABEL, container_reaper
from deploy.local.users import MailUsers

_STOP_S = 30
_LOG_LINES = 40
_MOUNTED = "ro,z"  # z: readable in the container on machines with SELinux too


class ContainerPart:
    """One container: made at its first start, kept over stops and kills, removed with its volumes at close."""

    def __init__(
        self,
        image: str,
        run: str,
        *,
        ports: Mapping[int, int],
        wait: Callable[[Callable[[], bool]], None],
        command: list[str] | None = None,
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
        hostname: str = "localhost",
    ) -> None:
        self._specification = DockerContainer(
            image,
            env=dict(environment or {}),
            volumes=[(str(path), inside, _MOUNTED) for path, inside in (mounts or {}).items()],
            hostname=hostname,
            labels={LABEL: run},
        )
        if command:
            self._specification.with_command(command)
        # Its own methods publish on all interfaces; docker-py, which it hands this to, also takes (address, port).
        published: dict[str, Any] = {f"{inside}/tcp": (LOOPBACK, outside) for inside, outside in ports.items()}
        self._specification.ports = published
        self._wait = wait
        self._container: Container | None = None

    def start(self) -> None:
        """Make or start the container; returns when the server answers."""
        try:
            if self._container is None:
                self._specification.start()
                self._container = self._specification.get_wrapped_container()
            else:
                self._container.start()
            self._wait(self._alive)
        except APIError as error:
            raise HostingError(f"the engine cannot start {self._specification.image}: {error.explanation}") from error
        except HostingError as error:
            raise HostingError(f"{error}; the end of its log:\n{self.log()}") from error

    def stop(self) -> None:
        """Stop the container in order."""
        if self._container:
            self._container.stop(timeout=_STOP_S)

    def kill(self) -> None:
        """SIGKILL the container's process."""
        if self._container and self._alive():
            self._container.kill()
            self._container.wait(timeout=_STOP_S)

    def close(self) -> None:
        """Remove the container and its volumes."""
        self._specification.stop()
        self._container = None

    def log(self) -> str:
        """Return the container's last lines."""
        if self._container is None:
            return ""
        return str(self._container.logs(tail=_LOG_LINES).decode("utf-8", "replace"))

    def execute(self, command: list[str]) -> int:
        """Run a command in the container; return its exit status."""
        if self._container is None:
            raise HostingError("the container is not there yet")
        return int(self._container.exec_run(command).exit_code)

    def _alive(self) -> bool:
        if self._container is None:
            return False
        self._container.reload()
        return bool(self._container.status == "running")


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

    def kill(self) -> None:
        """SIGKILL the broker, a queue created just now being given the seconds it needs to survive that."""
        if self._alive():
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
    """Containers of ours, removed at the end or when we die."""

    name = "containers"

    def __init__(
        self, _folder: Path, shared: Path, users: MailUsers, certificates: Certificates, _spawner: Spawner
    ) -> None:
        # Our reaper does what testcontainers' own does, without an image of its own that would have to be pulled.
        testcontainers_config.ryuk_disabled = True
        run = secrets.token_hex(8)
        self._reaper = container_reaper(run)
        self.rabbitmq = RabbitMQContainer(run)
        self.mongo = MongoContainer(run)
        self.dovecot = DovecotContainer(run, shared / "dovecot", users, certificates)

    def close(self) -> None:
        """End the reaper, which first removes what is left."""
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
