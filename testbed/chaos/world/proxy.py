"""A TCP proxy whose connections can be cut, stalled and slowed, all of them or those of one process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Self

from testbed.chaos.world import imap_faults
from testbed.processes.parts import LOOPBACK

_CHUNK = 65_536
_APPLICATION = re.compile(rb"leadmail ([\w.-]+)")
"""As the driver says it in the first message of each connection to MongoDB."""
_SLOW_PAUSE_S = 0.05
"""For each chunk, in each direction."""
_SLOW_BYTES_PER_S = 200_000


class Mood(Enum):
    """What happens to traffic."""

    CLEAR = "clear"
    CUT = "cut"
    """Connections are reset, new ones too."""
    STALLED = "stalled"
    """Connections stay, new ones are taken, nothing passes."""
    SLOW = "slow"
    THROTTLING = "throttling"
    """The IMAP server behind refuses commands for the moment."""
    LYING = "lying"
    """The IMAP server behind contradicts itself."""


_ANSWERS: dict[Mood, Callable[[Random, bytes], bytes | None]] = {
    Mood.THROTTLING: imap_faults.throttling,
    Mood.LYING: imap_faults.lying,
}


@dataclass(eq=False, slots=True)
class _Connection:
    client: asyncio.StreamWriter
    name: str = ""
    mood: Mood = Mood.CLEAR
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    server: asyncio.StreamWriter | None = None

    def be(self, mood: Mood) -> None:
        """Change what happens to it."""
        self.mood = mood
        self.changed.set()
        if mood is Mood.CUT:
            for writer in (self.client, self.server):
                if writer is not None:
                    writer.transport.abort()

    async def passes(self, size: int) -> None:
        """Return when so many bytes may pass."""
        while self.mood is Mood.STALLED:
            self.changed.clear()
            await self.changed.wait()
        if self.mood is Mood.SLOW:
            await asyncio.sleep(_SLOW_PAUSE_S + size / _SLOW_BYTES_PER_S)
        if self.mood is Mood.CUT:
            raise ConnectionResetError


class Proxy:
    """Listens on a loopback port and passes everything on to another one.

    Args:
        listens: the port for clients.
        target: the server's port.
        named: connections say in their first bytes whose they are, as those to MongoDB do.
        numbers: source of what a faulty IMAP server says.
    """

    def __init__(self, listens: int, target: int, *, named: bool = False, numbers: Random | None = None) -> None:
        self.listens = listens
        self._target = target
        self._named = named
        self._numbers = numbers or Random(0)  # noqa: S311 - faults, nothing secret
        self._connections: set[_Connection] = set()
        self._moods: list[tuple[Callable[[str], bool], Mood]] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.listens)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.be(Mood.CUT)

    def set(self, mood: Mood, concerns: Callable[[str], bool] = lambda _name: True) -> None:
        """Change what happens to present and future connections with a matching name; CLEAR ends every fault."""
        self._moods = [] if mood is Mood.CLEAR else [*self._moods, (concerns, mood)]
        for connection in list(self._connections):
            connection.be(self._mood(connection.name))

    def _mood(self, name: str) -> Mood:
        return next((mood for concerns, mood in reversed(self._moods) if concerns(name)), Mood.CLEAR)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._connections.add(connection)
        # Ending the proxy's loop ends its connections: no one waits for this task.
        with suppress(OSError, asyncio.CancelledError):
            await self._connect(connection, reader)
        connection.be(Mood.CUT)
        self._connections.discard(connection)

    async def _connect(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        first = await reader.read(_CHUNK) if self._named else b""
        if found := _APPLICATION.search(first):
            connection.name = found[1].decode()
        connection.be(self._mood(connection.name))
        await connection.passes(len(first))
        answers, connection.server = await asyncio.open_connection(LOOPBACK, self._target)
        connection.server.write(first)
        ways = [
            asyncio.create_task(_pump(connection, reader, connection.server, self._answered)),
            asyncio.create_task(_pump(connection, answers, connection.client)),
        ]
        _, rest = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in rest:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    def _answered(self, connection: _Connection, said: bytes) -> bool:
        """Answer a command in the server's place, if the server is faulty; a client here sends one command at a time."""
        answer = _ANSWERS[connection.mood](self._numbers, said) if connection.mood in _ANSWERS else None
        if answer is None:
            return False
        connection.client.write(answer)
        if imap_faults.breaks_off(answer):
            connection.client.close()
            raise ConnectionResetError
        return True


async def _pump(
    connection: _Connection,
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    answered: Callable[[_Connection, bytes], bool] = lambda _connection, _said: False,
) -> None:
    while chunk := await source.read(_CHUNK):
        if connection.mood is not Mood.CLEAR:
            await connection.passes(len(chunk))
            if answered(connection, chunk):
                continue
        sink.write(chunk)
        await sink.drain()
    # Orderly ends are passed on in both directions at once: no protocol here half-closes.
