"""MongoDB as a child process: a replica set, because transactions and change streams need one; one member by default."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from pymongo.errors import PyMongoError

from testbed.processes import waiting
from testbed.processes.child import Spawner
from testbed.processes.parts import LOOPBACK, HostingError
from testbed.processes.ports import free_ports
from testbed.processes.server import ServerProcess
from testbed.servers.mongod import mongod_binary
from testbed.servers.replica_set import REPLICA_SET, hello, initiate

_START_S = 60
#: Arguments that both ways of hosting give to mongod.
MONGOD_ARGUMENTS = (
    "--replSet",
    REPLICA_SET,
    "--wiredTigerCacheSizeGB",
    "1",  # the default is half of the machine's memory
    "--setParameter",
    "diagnosticDataCollectionEnabled=false",
    "--setParameter",
    # The default keeps the files of a dropped collection open for five minutes: a run of the tests drops 20,000 of them.
    "minSnapshotHistoryWindowInSeconds=5",
)


def mongo_url(port: int) -> str:
    """Return the URL of the replica set whose only member listens at `port`."""
    return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"


def wait_for_primary(port: int, part_alive: Callable[[], bool]) -> None:
    """Return once the server at `port` is the primary of its replica set. Initiates the set if necessary.

    The member is named by its address on the loopback, so `port` must be the one that clients use.
    """

    def is_primary() -> bool:
        if hello(port).get("isWritablePrimary"):
            return True
        with suppress(PyMongoError, HostingError):  # not listening yet
            initiate(port, [port], {})
        return False

    waiting.until(is_primary, what="MongoDB", seconds=_START_S, part_alive=part_alive)


class MongoProcess(ServerProcess):
    """Our own mongod, with everything in one folder. Stopped in order, it writes a checkpoint.

    Args:
        folder: for its data and its log.
        spawner: starts it.
        port: where it listens; a free one by default.
        wait: returns once it can be used.
    """

    stop_seconds = 30.0

    def __init__(
        self,
        folder: Path,
        spawner: Spawner,
        *,
        port: int | None = None,
        wait: Callable[[int, Callable[[], bool]], None] = wait_for_primary,
    ) -> None:
        super().__init__(spawner)
        self._folder = folder
        self.port = port or free_ports(1)[0]
        self._wait = wait

    @property
    def url(self) -> str:
        """The mongodb:// URL."""
        return mongo_url(self.port)

    def start(self) -> None:
        """Start mongod; returns when it is primary, or a member of its set."""
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        self._run(
            [
                str(mongod_binary()),
                *MONGOD_ARGUMENTS,
                *("--bind_ip", LOOPBACK, "--port", str(self.port)),
                *("--dbpath", str(data), "--nounixsocket"),
            ],
            partial(self._wait, self.port),
            log=self._folder / "mongod.log",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(self._folder), "LANG": "C.UTF-8"},
            cwd=self._folder,
        )
