"""A TCP proxy that records the traffic and can hold a connection."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence


class Proxy:
    """A proxy between a client and a server."""

    def __init__(self, host: str, port: int, hide: Sequence[bytes]) -> None:
        self.target = (host, port)
        # A capability of the same length that no client knows.
        self._hide = [(re.compile(rb"(?<= )" + name + rb"(?=[ \]\r])"), b"X" * len(name)) for name in hide]
        self.sent = bytearray()
        """By clients."""
        self.answered = bytearray()
        """By the server."""
        self.connections = 0
        self.open = 0
        self.limit = 1_000
        """More connections at the same time are turned away as providers do."""
        self.hold_at: tuple[bytes, int] | None = None
        """The text from clients, and its count, at which the connection waits for ``go``."""
        self.held = asyncio.Event()
        """Set when a connection is waiting."""
        self.go = asyncio.Event()
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.open >= self.limit:
            writer.write(b"* BYE [ALERT] Too many simultaneous connections. (Failure)\r\n")
            writer.close()
            return
        self.connections += 1
        self.open += 1
        try:
            server_reader, server_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            self.open -= 1
            return
        self._writers |= {writer, server_writer}
        await asyncio.gather(
            self._pump(reader, server_writer, self.sent), self._pump(server_reader, writer, self.answered, hide=True)
        )
        self._writers -= {writer, server_writer}
        self.open -= 1

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, log: bytearray, *, hide: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                log += data
                if not hide:
                    await self._hold(data)
                if hide and b"CAPABILITY" in data:
                    for name, other in self._hide:
                        data = name.sub(other, data)
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    async def _hold(self, data: bytes) -> None:
        if self.hold_at is not None and self.hold_at[0] in data:
            what, times = self.hold_at
            self.hold_at = (what, times - 1) if times > 1 else None
            if times == 1:
                self.held.set()
                await self.go.wait()

    def cut(self) -> None:
        """Cut every connection, like a router that restarts."""
        for writer in list(self._writers):
            writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy(host: str, port: int, *, hide: Sequence[bytes] = ()) -> AsyncIterator[Proxy]:
    """Run a proxy that removes the capabilities ``hide`` from the server's answers."""
    running = Proxy(host, port, hide)
    server = await asyncio.start_server(running._serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        running.cut()
