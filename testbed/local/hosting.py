"""The interface of a way of hosting, and hosting by child processes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from testbed.processes import packages
from testbed.processes.certificates import Certificates
from testbed.processes.child import Spawner
from testbed.processes.parts import ImapEndpoint, LmtpEndpoint, Part
from testbed.processes.users import MailUsers
from testbed.servers.broker import Broker
from testbed.servers.dovecot import DovecotProcess
from testbed.servers.mail.process import MailProcess
from testbed.servers.mail.unpacked import unpacked
from testbed.servers.mongo import MongoProcess
from testbed.servers.mongod import mongod_binary
from testbed.servers.rabbitmq import RabbitMQProcess
from testbed.servers.replica_set import MemberPorts, ReplicaSet, wait_for_member


class BrokerPart(Part, Protocol):
    """A RabbitMQ."""

    @property
    def broker(self) -> Broker:
        """How it is reached."""

    def control(self, *arguments: str) -> None:
        """Run rabbitmqctl."""


class DatabasePart(Part, Protocol):
    """A MongoDB."""

    @property
    def url(self) -> str:
        """How it is reached."""


class MailPart(Part, Protocol):
    """A mail server."""

    @property
    def imap(self) -> ImapEndpoint:
        """How it is read."""

    @property
    def lmtp(self) -> LmtpEndpoint:
        """How it is delivered to."""


class Hosting(Protocol):
    """One way of hosting: the servers that are not our own program."""

    def __init__(
        self,
        folder: Path,
        shared: Path,
        users: MailUsers,
        certificates: Certificates,
        spawner: Spawner,
        *,
        members: Sequence[MemberPorts] = (),
    ) -> None: ...

    @property
    def name(self) -> str:
        """The word for it: "processes" or "containers"."""

    @property
    def rabbitmq(self) -> BrokerPart:
        """The broker."""

    @property
    def mongo(self) -> DatabasePart:
        """The database."""

    @property
    def mail(self) -> Mapping[str, MailPart]:
        """The mail servers by name."""

    def close(self) -> None:
        """Release what is not a part's own."""

    @classmethod
    def prepare(cls, names: Collection[str]) -> None:
        """Install, download or build what is missing; seconds to minutes the first time, nothing after that."""


class Processes:
    """Hosting by child processes."""

    name = "processes"

    def __init__(
        self,
        folder: Path,
        shared: Path,
        users: MailUsers,
        certificates: Certificates,
        spawner: Spawner,
        *,
        members: Sequence[MemberPorts] = (),
    ) -> None:
        self.rabbitmq = RabbitMQProcess(folder / "rabbitmq", spawner)
        self.mongo: DatabasePart = MongoProcess(folder / "mongo", spawner)
        if members:
            mongods = [
                MongoProcess(folder / f"mongo-{number}", spawner, port=each.listens, wait=wait_for_member)
                for number, each in enumerate(members, 1)
            ]
            self.mongo = ReplicaSet(mongods, members)
        self.mail: dict[str, MailPart] = {"dovecot": DovecotProcess(shared / "dovecot", users, certificates, spawner)}
        for kind in ("cyrus", "courier"):
            self.mail[kind] = MailProcess(kind, shared / kind, users, certificates, spawner)

    def close(self) -> None:
        """Do nothing: the parts and the spawner stop their own processes."""

    @classmethod
    def prepare(cls, names: Collection[str]) -> None:
        """Install the distribution's packages (as root), download mongod, and unpack what cannot be installed."""
        wanted = {"rabbitmq": [packages.RABBITMQ], "dovecot": [packages.DOVECOT_IMAP, packages.DOVECOT_LMTP]}
        packages.ensure([package for name in sorted(names) for package in wanted.get(name, [])])
        if "mongo" in names:
            mongod_binary()
        for kind in ("cyrus", "courier"):
            if kind in names:
                unpacked(kind)
