"""Listeners and mailboxes in the running event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from testbed.servers.scripted.calls import ImapFault
from testbed.servers.scripted.connection import Connection
from testbed.servers.scripted.dialects import Dialect
from testbed.servers.scripted.mailbox import ScriptedMailbox

LINE = 1024 * 1024
"""Bytes of a client's longest line."""


class Listener:
    """One address on which clients connect; every one of a server serves the same mailboxes."""

    def __init__(
        self,
        server: ScriptedServer,
        dialect: Dialect,
        *,
        tls: ssl.SSLContext | None = None,
        encrypted: bool = False,
        faults: Sequence[ImapFault] = (),
    ) -> None:
        self.server = server
        self.dialect = dialect
        self.tls = tls
        self.encrypted = encrypted
        self.faults: list[ImapFault] = [*(make() for make in dialect.login_faults), *faults]
        """In effect from the connection on."""
        self.host = ""
        self.port = 0
        self.accepted = 0
        """Connections so far."""
        self._open: set[Connection] = set()
        self._listening: asyncio.Server | None = None

    async def start(self, host: str, port: int = 0) -> None:
        """Accept connections; again on the same port after ``stop``."""
        implicit = self.tls if self.encrypted else None
        self._listening = await asyncio.start_server(
            self._serve, host, port or self.port, ssl=implicit, limit=LINE, backlog=4096, start_serving=True
        )
        self.host, self.port = self._listening.sockets[0].getsockname()[:2]

    async def stop(self) -> None:
        """Refuse connections, and cut those that are open."""
        if self._listening is not None:
            self._listening.close()
        self.cut()

    def cut(self) -> None:
        """Cut every connection."""
        for connection in list(self._open):
            connection.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = Connection(self, reader, writer)
        self._open.add(connection)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await connection.serve()
        finally:
            self._open.discard(connection)


class ScriptedServer:
    """An IMAP server in memory; use it as an asynchronous context manager."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, ScriptedMailbox] = {}
        self.listeners: list[Listener] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for listener in self.listeners:
            await listener.stop()

    async def listen(
        self,
        dialect: Dialect | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        encrypted: bool = False,
        faults: Sequence[ImapFault] = (),
    ) -> Listener:
        """Open an address: in plain text, with STARTTLS (``tls``), or encrypted from the first byte (``encrypted``)."""
        listener = Listener(self, dialect or Dialect(), tls=tls, encrypted=encrypted, faults=faults)
        await listener.start(host, port)
        self.listeners.append(listener)
        return listener

    def add(self, user: str, password: str, dialect: Dialect | None = None) -> ScriptedMailbox:
        """Add a mailbox with the folders and habits of a dialect."""
        mailbox = self.mailboxes[user] = ScriptedMailbox(user, password)
        known = dialect or Dialect()
        for name, attributes in known.folders:
            mailbox.create(name.encode("latin-1"), *attributes)
        mailbox.faults = [make() for make in known.faults]
        return mailbox
