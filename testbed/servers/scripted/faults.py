"""Ways in which a server misbehaves, each for some commands, a number of times or for a while.

A fault sees each command that it applies to. It may answer in the server's place (``before``), change the answer (``after``),
or send it in its own way (``send``). Connecting counts as a command named CONNECT.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from testbed.servers.scripted.grammar import Value

if TYPE_CHECKING:
    from testbed.servers.scripted.mailbox import ScriptedMailbox

PIECE = 64 * 1024
"""Bytes of a flood that are sent at once."""


class ClientLink(Protocol):
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

    link: ClientLink
    tag: bytes
    name: str
    """In capitals, such as UID FETCH."""
    arguments: list[Value]
    folder: bytes = b""
    """The folder that is named, or else the open one."""
    uids: frozenset[int] = frozenset()
    """Of a FETCH: the uids that exist and are asked for."""
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
    """Only where this mail is asked for."""
    alone: bool | None = None
    """Only where it is asked for alone (True), or with others (False)."""
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


@dataclass
class Refuse(ImapFault):
    """Answers NO or BAD."""

    text: str = "NO refused"

    async def before(self, call: Call) -> bool:
        """Refuse."""
        await call.link.write(call.tag + b" " + self.text.encode() + b"\r\n")
        return True


@dataclass
class SendRaw(ImapFault):
    """Sends text as it is, and answers nothing; then cuts the connection if it is to."""

    text: bytes = b""
    then_cut: bool = False
    """With empty text: a connection that is lost."""

    async def before(self, call: Call) -> bool:
        """Send it."""
        if self.text:
            await call.link.write(self.text.replace(b"<tag>", call.tag))
        if self.then_cut:
            call.link.close()
        return True


@dataclass
class Announce(ImapFault):
    """Sends lines before the answer."""

    text: bytes = b""

    async def before(self, call: Call) -> bool:
        """Send them."""
        await call.link.write(self.text)
        return False


@dataclass
class Pause(ImapFault):
    """Answers after a while; None for never."""

    delay: float | None = None

    async def before(self, call: Call) -> bool:
        """Wait, for as long as the client stays."""
        if self.delay is None:
            while await call.link.read_line():
                pass
            return True
        await asyncio.sleep(self.delay)
        return False


@dataclass
class Rewrite(ImapFault):
    """Replaces a pattern in each line of the answer; without a replacement, leaves out the lines that have it."""

    pattern: bytes = b""
    to: bytes | Callable[[re.Match[bytes]], bytes] | None = None

    def after(self, call: Call, lines: list[bytes]) -> list[bytes]:
        """Return the changed lines."""
        found = re.compile(self.pattern, re.DOTALL)
        if self.to is None:
            return [line for line in lines if line.startswith(call.tag + b" ") or not found.search(line)]
        return [found.sub(self.to, line) for line in lines]


@dataclass
class Insert(ImapFault):
    """Puts lines before the tagged one; ``twice`` repeats the server's own."""

    lines: Sequence[bytes] = ()
    twice: bool = False

    def after(self, call: Call, lines: list[bytes]) -> list[bytes]:
        """Return the answer with them."""
        del call
        return [*lines[:-1], *(lines[:-1] if self.twice else ()), *self.lines, lines[-1]]


@dataclass
class Flood(ImapFault):
    """Sends a line over and over before the answer."""

    line: bytes = b"* 1 FETCH (FLAGS ())\r\n"
    size: int = 1024 * 1024
    """Bytes in all."""

    async def before(self, call: Call) -> bool:
        """Send them, as fast as the client reads."""
        piece = self.line * max(1, PIECE // len(self.line))
        for _ in range(max(1, self.size // len(piece))):
            await call.link.write(piece)
        return False


@dataclass
class Chatter(ImapFault):
    """Sends a line again and again while the client idles."""

    command: str = "IDLE"
    line: bytes = b"* OK still here\r\n"
    every: float = 0.0
    """Seconds between two; 0 for as fast as the client reads."""

    async def before(self, call: Call) -> bool:
        """Send until the client ends it."""
        await call.link.write(b"+ idling\r\n")
        done = asyncio.ensure_future(call.link.read_line())
        piece = self.line if self.every else self.line * max(1, PIECE // len(self.line))
        try:
            while not done.done():
                await call.link.write(piece)
                await asyncio.wait({done}, timeout=self.every)
        finally:
            done.cancel()
        await call.link.write(call.tag + b" OK done\r\n")
        return True


@dataclass
class Drip(ImapFault):
    """Sends the answer piece by piece, with pauses."""

    size: int = 1
    every: float = 0.01

    async def send(self, call: Call, data: bytes) -> bool:
        """Send it."""
        for start in range(0, len(data), self.size):
            await call.link.write(data[start : start + self.size])
            await asyncio.sleep(self.every)
        return True


@dataclass
class Break(ImapFault):
    """Cuts the connection after a share of the answer's bytes."""

    share: float = 0.5

    async def send(self, call: Call, data: bytes) -> bool:
        """Send the beginning."""
        await call.link.write(data[: int(len(data) * self.share)])
        call.link.close()
        return True
