"""A TCP relay in front of the IMAP server that notes when the server says ``EXISTS``: the moment from which "visible" is timed."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field

_EXISTS = re.compile(rb"\* (\d+) EXISTS\r\n")
_CHUNK = 256 * 1024


@dataclass
class NoticeProxy:
    """Relays to one server; ``notices`` maps the number of messages in the folder to when it was first said (monotonic seconds).

    Connections are told apart only by what they say: use it for one mailbox with one folder that grows.
    """

    host: str
    port: int
    notices: dict[int, float] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> int:
        """Listen on a free loopback port and return it."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and cut what is open."""
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(self.host, self.port)
            await asyncio.gather(self._relay(reader, up_writer, watch=False), self._relay(up_reader, writer, watch=True))
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            self._tasks.discard(task)

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, watch: bool) -> None:
        tail = b""
        with suppress(ConnectionError):
            while chunk := await source.read(_CHUNK):
                if watch:
                    now = time.monotonic()
                    seen = tail + chunk
                    for found in _EXISTS.finditer(seen):
                        self.notices.setdefault(int(found[1]), now)
                    tail = seen[-32:]
                sink.write(chunk)
                await sink.drain()
        with suppress(ConnectionError):
            sink.close()
