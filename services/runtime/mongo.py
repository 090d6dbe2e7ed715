"""The connection to MongoDB. A client belongs to the event loop that it is created in.

Its reads are no older than what this process has written or read, also when another server has just become primary. A new
primary does not know at once what its predecessor has acknowledged: until its own first write is on a majority, its majority
reads answer from before. All code that writes, looks again and relies on seeing who wrote before it (``RecordAddresses``,
the matcher's ``handler``, the poller's ``relevance``) would miss them.
"""

from __future__ import annotations

import asyncio
from typing import Any

from bson import Timestamp
from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent
from pymongo.read_concern import ReadConcern

from schemas.errors import NotReadyError
from services.runtime.environment import SettingsError
from services.runtime.settings import DatabaseSettings

Client = AsyncMongoClient[dict[str, Any]]

_DEFAULTS = {
    "serverSelectionTimeoutMS": 10_000,  # longer than the election of a new primary takes
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 60_000,
    "maxPoolSize": 50,
    "maxIdleTimeMS": 120_000,  # what a burst needed, such as the start of a poller with thousands of accounts
}
"""Options that the URL may override."""
_READY_SECONDS = 2.0
_AUTHENTICATION_FAILED = 18

_NOTED = frozenset({"find", "getMore", "aggregate", "insert", "update", "delete", "findAndModify", "commitTransaction"})
"""What reads from, or is acknowledged by, a majority. Other answers name the newest write of one server, which may be lost."""


class ClusterClock(CommandListener):
    """Notes the newest time of the database's log that an answer to this process vouches for."""

    def __init__(self) -> None:
        self.latest: Timestamp | None = None

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Note the time of an answer. That of a write which may yet be rolled back does not count."""
        if event.command_name not in _NOTED or "writeConcernError" in event.reply:
            return
        moment = event.reply.get("operationTime")
        if moment is not None and (self.latest is None or moment > self.latest):
            self.latest = moment

    def started(self, event: CommandStartedEvent) -> None:
        """Do nothing."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Do nothing."""


class CausalReadConcern(ReadConcern):
    """Majority, and no older than the clock says when the read is sent."""

    def __init__(self, clock: ClusterClock) -> None:
        super().__init__("majority")
        self._clock = clock

    @property
    def document(self) -> dict[str, Any]:
        """The read concern as the server gets it."""
        latest = self._clock.latest
        return super().document if latest is None else {**super().document, "afterClusterTime": latest}


class CausalClient(AsyncMongoClient[dict[str, Any]]):
    """A client whose databases read so. Sessions would do it for one task; here many tasks of a process rely on one another."""

    def __init__(self, url: str, *listeners: Any, **options: Any) -> None:
        clock = ClusterClock()
        self._causal = CausalReadConcern(clock)
        super().__init__(url, event_listeners=[clock, *listeners], **options)

    @property
    def read_concern(self) -> ReadConcern:
        """What databases of this client read by, unless they are told otherwise."""
        return self._causal


def make_client(settings: DatabaseSettings, *listeners: Any) -> Client:
    """Return a client that writes to and reads from a majority of the members. It connects when it is first used.

    Its writes are acknowledged once they are in the journals of a majority. Its reads see all that it has written or read.
    ``listeners`` are told of the driver's events (``pymongo.monitoring``).
    """
    url = settings.mongo_url.get_secret_value()
    options: dict[str, Any] = {
        name: value for name, value in _DEFAULTS.items() if f"{name}=".lower() not in url.lower()
    }
    if settings.ca_file and _is_tls(url):
        options["tlsCAFile"] = settings.ca_file
    try:
        return CausalClient(
            url,
            *listeners,
            appname=f"leadmail {settings.instance}"[:128],
            tz_aware=True,
            w="majority",
            journal=True,
            retryWrites=True,
            retryReads=True,
            **options,
        )
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise SettingsError(
            f"LEADMAIL_MONGO_URL is wrong ({error}): give a URL such as mongodb://host:27017/?replicaSet=rs0."
        ) from None


def _is_tls(url: str) -> bool:
    return url.startswith("mongodb+srv:") or "tls=true" in url or "ssl=true" in url


async def require_replica_set(client: Client) -> None:
    """Check that the database supports transactions and change streams.

    Raises:
        NotReadyError: it does not answer, refuses our login, or is not a replica set.
    """
    try:
        hello = await client.admin.command("hello")
        await client.admin.command("ping")
    except OperationFailure as error:
        if error.code == _AUTHENTICATION_FAILED:
            raise NotReadyError("MongoDB does not accept the user or password in LEADMAIL_MONGO_URL") from None
        raise
    except PyMongoError as error:
        # The driver appends its timeouts and the state of every server.
        why = str(error).partition(" (configured timeouts")[0].partition(", Timeout:")[0]
        raise NotReadyError(f"MongoDB does not answer: {why}"[:500]) from None
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise NotReadyError(
            "MongoDB is a single server, but change streams and transactions need a replica set: start mongod with --replSet rs0, "
            "run rs.initiate() once and add ?replicaSet=rs0 to LEADMAIL_MONGO_URL"
        )


async def answers(client: Client) -> bool:
    """Whether the database answers within two seconds."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await client.admin.command("ping")
    except (PyMongoError, TimeoutError):
        return False
    return True
