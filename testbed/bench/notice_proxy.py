"""A TCP relay in front of the IMAP server that notes when the server says ``EXISTS``: the moment from which "visible" is timed."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import suppress
from typing import Self

_EXISTS = re.compile(rb"\* (\d+) EXISTS\r\n")
_LONGEST_LINE = 32
_CHUNK = 256 * 1024


class Notices:
    """When the server first said that the folder holds so many messages, or more (Dovecot reports several new ones as one number)."""

    def __init__(self) -> None:
        self._moments: list[float] = []
        """By number of messages less one; monotonic seconds."""
        self._news = asyncio.Event()

    def note(self, messages: int, moment: float) -> None:
        """Note an ``EXISTS``."""
        fresh = messages - len(self._moments)
        if fresh > 0:
            self._moments.extend([moment] * fresh)
            self._news.set()
            self._news = asyncio.Event()

    async def moment(self, messages: int) -> float:
        """Return when the server first reported so many messages; wait for that if necessary."""
        while len(self._moments) < messages:
            await self._news.wait()
        return self._moments[messages - 1]


class NoticeProxy:
    """Relays to one server while the ``async with`` block runs.

    Use it for one mailbox with one growing folder: the proxy does not distinguish connections.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.notices = Notices()
        self.listening = 0
        """The port to connect to."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.listening = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def sent(self, chunk: bytes) -> None:
        """Ignore what a client says."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            up_reader, up_writer = await asyncio.open_connection(self.host, self.port)
            await asyncio.gather(
                self._relay(reader, up_writer, watch=False), self._relay(up_reader, writer, watch=True)
            )
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
                        self.notices.note(int(found[1]), now)
                    tail = seen[-_LONGEST_LINE:]
                else:
                    self.sent(chunk)
                sink.write(chunk)
                await sink.drain()
        with suppress(ConnectionError):
            sink.close()
