"""One command on its way through the server, and the faults that may change its answer.

A fault sees each command that it applies to. It may answer in the server's place (``before``), change the answer (``after``),
or send it in its own way (``send``). Connecting counts as a command named CONNECT.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from testbed.servers.scripted.grammar import Value

if TYPE_CHECKING:
    from testbed.servers.scripted.mailbox import ScriptedMailbox


class Client(Protocol):
    """The connection on which a command came."""

    mailbox: ScriptedMailbox | None

    async def write(self, data: bytes) -> None:
        """Send bytes; waits while the client does not read."""

    async def read_line(self) -> bytes:
        """Return the client's next line."""

    def close(self) -> None:
        """Cut the connection."""


@dataclass(slots=True)
class Call:
    """One command."""

    client: Client
    tag: bytes
    name: str
    """In capitals, such as UID FETCH."""
    arguments: list[Value]
    folder: bytes = b""
    """The folder that is named, or else the open one."""
    uids: frozenset[int] = frozenset()
    """Of a FETCH: the requested uids that exist."""
    what: str = ""
    """Of a FETCH: body, piece, header, or flags."""


@dataclass
class ImapFault:
    """When a fault applies; by itself it does nothing."""

    command: str = "*"
    """A pattern as in a shell, such as ``*FETCH``."""
    times: int | None = None
    """How often it applies; None for always."""
    skip: int = 0
    """How many commands are spared first."""
    seconds: float | None = None
    """For how long it applies, from the first time on."""
    folder: bytes | None = None
    uid: int | None = None
    """Only where this mail is requested."""
    alone: bool | None = None
    """Only where it is requested alone (True), or with others (False)."""
    what: str | None = None
    """Only for a FETCH of this kind, or of one of several with ``|`` between them."""
    argument: bytes | None = None
    """Only where a word of the command is this."""
    count: int = 0
    """How often it applied."""
    _since: float | None = None

    def applies(self, call: Call) -> bool:
        """Whether it takes effect on a command; counts it."""
        fits = (
            any(fnmatch(call.name, pattern) for pattern in self.command.split("|"))
            and self.folder in (None, call.folder)
            and (self.uid is None or self.uid in call.uids)
            and (self.alone is None or self.alone == (len(call.uids) == 1))
            and (self.what is None or call.what in self.what.split("|"))
            and (self.argument is None or self.argument in call.arguments)
        )
        if not fits:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        now = monotonic()
        self._since = now if self._since is None else self._since
        if (self.times is not None and self.count >= self.times) or (
            self.seconds is not None and now - self._since > self.seconds
        ):
            return False
        self.count += 1
        return True

    async def before(self, call: Call) -> bool:
        """Act before the server does. Returns whether the command is answered."""
        del call
        return False

    def after(self, call: Call, lines: list[bytes]) -> list[bytes]:
        """Return the lines that the client gets instead, without line ends; the tagged one is the last."""
        del call
        return lines

    async def send(self, call: Call, data: bytes) -> bool:
        """Send the answer in a way of its own. Returns whether it did."""
        del call, data
        return False
