"""Ways in which a server misbehaves, each for some commands, a number of times or for a while: see ``calls.ImapFault``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testbed.servers.scripted.calls import Call, ImapFault

PIECE = 64 * 1024
"""Bytes of a flood that are sent at once."""


@dataclass
class Refuse(ImapFault):
    """Answers NO or BAD."""

    text: str = "NO refused"

    async def before(self, call: Call) -> bool:
        """Refuse."""
        await call.client.write(call.tag + b" " + self.text.encode() + b"\r\n")
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
            await call.client.write(self.text.replace(b"<tag>", call.tag))
        if self.then_cut:
            call.client.close()
        return True


@dataclass
class Announce(ImapFault):
    """Sends lines before the answer."""

    text: bytes = b""

    async def before(self, call: Call) -> bool:
        """Send them."""
        await call.client.write(self.text)
        return False


@dataclass
class Pause(ImapFault):
    """Answers after a while; None for never."""

    delay: float | None = None

    async def before(self, call: Call) -> bool:
        """Wait, for as long as the client stays."""
        if self.delay is None:
            while await call.client.read_line():
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
    """Sends a line many times before the answer."""

    line: bytes = b"* 1 FETCH (FLAGS ())\r\n"
    size: int = 1024 * 1024
    """Bytes in all."""

    async def before(self, call: Call) -> bool:
        """Send them, as fast as the client reads."""
        piece = self.line * max(1, PIECE // len(self.line))
        for _ in range(max(1, self.size // len(piece))):
            await call.client.write(piece)
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
        await call.client.write(b"+ idling\r\n")
        done = asyncio.ensure_future(call.client.read_line())
        piece = self.line if self.every else self.line * max(1, PIECE // len(self.line))
        try:
            while not done.done():
                await call.client.write(piece)
                await asyncio.wait({done}, timeout=self.every)
        finally:
            done.cancel()
        await call.client.write(call.tag + b" OK done\r\n")
        return True


@dataclass
class Drip(ImapFault):
    """Sends the answer piece by piece, with pauses."""

    size: int = 1
    every: float = 0.01

    async def send(self, call: Call, data: bytes) -> bool:
        """Send it."""
        for start in range(0, len(data), self.size):
            await call.client.write(data[start : start + self.size])
            await asyncio.sleep(self.every)
        return True


@dataclass
class Break(ImapFault):
    """Cuts the connection after a share of the answer's bytes."""

    share: float = 0.5

    async def send(self, call: Call, data: bytes) -> bool:
        """Send the beginning."""
        await call.client.write(data[: int(len(data) * self.share)])
        call.client.close()
        return True
