"""Several MongoDB servers as one replica set, each of which can be killed separately."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from testbed.processes import waiting
from testbed.processes.parts import LOOPBACK, HostingError, Part
from testbed.processes.ports import free_ports

REPLICA_SET = "rs0"
_START_S = 60
_NOT_YET_INITIALISED = 94
_ELECTION_TIMEOUT_MS = 3_000
"""The default of ten seconds is for networks; here it is how long a dead primary is waited for."""


class MemberPorts(NamedTuple):
    """A member listens on one port; clients and other members know it by another, that of the proxy in between."""

    listens: int
    advertised: int


class Member(Part, Protocol):
    """A server of the set."""

    @property
    def port(self) -> int:
        """Where it listens."""


def member_ports(members: int | Sequence[MemberPorts]) -> tuple[MemberPorts, ...]:
    """Return the ports of a set: those that were given, or free ones with nothing between."""
    if isinstance(members, int):
        return tuple(MemberPorts(port, port) for port in free_ports(members))
    return tuple(members)


def set_url(ports: Sequence[MemberPorts]) -> str:
    """Return the URL of the set."""
    hosts = ",".join(f"{LOOPBACK}:{each.advertised}" for each in ports)
    return f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"


def wait_for_member(port: int, part_alive: Callable[[], bool]) -> None:
    """Return once the server at `port` takes part in its set, or waits for the set to be initiated."""
    waiting.until(lambda: _takes_part(port), what="MongoDB", seconds=_START_S, part_alive=part_alive)


def hello(port: int) -> dict[str, Any]:
    """Return what a server says of itself; nothing while it does not answer."""
    with MongoClient[dict[str, Any]](
        LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=300, connectTimeoutMS=1_000
    ) as client:
        try:
            return client.admin.command("hello")
        except PyMongoError:
            return {}


def initiate(port: int, members: Sequence[int], settings: Mapping[str, int]) -> None:
    """Make a set of the servers at some ports, by the one at ``port``; nothing if it is in a set.

    Raises:
        HostingError: it refuses to say.
        PyMongoError: it does not answer.
    """
    with MongoClient[dict[str, Any]](LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=5_000) as client:
        try:
            client.admin.command("replSetGetStatus")
        except OperationFailure as error:
            if error.code != _NOT_YET_INITIALISED:
                raise HostingError(f"the replica set does not answer: {error}") from error
            hosts = [{"_id": number, "host": f"{LOOPBACK}:{each}"} for number, each in enumerate(members)]
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": hosts, "settings": dict(settings)})


def _takes_part(port: int) -> bool:
    said = hello(port)
    return bool(said.get("isWritablePrimary") or said.get("secondary") or said.get("isreplicaset"))


class ReplicaSet:
    """The set as a part; `members` are parts, too."""

    def __init__(self, members: Sequence[Member], ports: Sequence[MemberPorts]) -> None:
        self.members = tuple(members)
        self._ports = tuple(ports)

    @property
    def url(self) -> str:
        """The mongodb:// URL."""
        return set_url(self._ports)

    def start(self) -> None:
        """Start every member; returns when one of them is primary."""
        self._all(lambda member: member.start())
        initiate(
            self.members[0].port,
            [each.advertised for each in self._ports],
            {"electionTimeoutMillis": _ELECTION_TIMEOUT_MS},
        )
        waiting.until(lambda: self.primary() is not None, what="MongoDB", seconds=_START_S, part_alive=lambda: True)

    def stop(self) -> None:
        """End every member in order."""
        self._all(lambda member: member.stop())

    def kill(self) -> None:
        """SIGKILL every member."""
        self._all(lambda member: member.kill())

    def close(self) -> None:
        """End every member permanently."""
        self._all(lambda member: member.close())

    def log(self) -> str:
        """Return the end of each member's log."""
        return "\n".join(member.log() for member in self.members)

    def primary(self) -> int | None:
        """Return the number of the member that is primary, None while there is none."""
        return next(
            (number for number, member in enumerate(self.members) if hello(member.port).get("isWritablePrimary")), None
        )

    def step_down(self, seconds: int = 10) -> bool:
        """Have the primary step down; False if there was none or no member could take over."""
        number = self.primary()
        if number is None:
            return False
        with MongoClient[dict[str, Any]](LOOPBACK, self.members[number].port, directConnection=True) as client:
            try:
                client.admin.command("replSetStepDown", seconds, secondaryCatchUpPeriodSecs=min(5, seconds - 1))
            except PyMongoError:
                return False
        return True

    def _all(self, do: Callable[[Member], None]) -> None:
        with ThreadPoolExecutor(max_workers=len(self.members)) as pool:
            done = [pool.submit(do, member) for member in self.members]
        for each in done:
            each.result()
