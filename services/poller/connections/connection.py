"""A logged-in connection: blocking commands run in a bounded pool of threads, each under a deadline, one at a time.

After any error but a plain NO or BAD the connection is dropped, never logged out: what it would answer cannot be trusted.
"""

from __future__ import annotations

import asyncio
import imaplib
import re
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, ProtocolError

from services.mailbox.imap.imap_client import MailClient
from services.poller.connections import listening
from services.poller.connections.errors import ConnectionLostError, RefusedError
from services.poller.connections.imap_metrics import Traffic
from services.runtime.failures import describe

T = TypeVar("T")

DEADLINE = 120.0
"""Seconds for one command, unless somebody says otherwise."""
_UNPARSED = re.compile(r"(unexpected (?:tagged )?response|unterminated line):.*", re.DOTALL)
"""How imaplib quotes what it does not understand, such as mail behind a literal whose length is wrong."""


class Connection:
    """The socket's side of a session: running commands, hearing what the server says by itself, letting go."""

    def __init__(self, client: MailClient, pool: Executor, *, deadline: float, traffic: Traffic | None = None) -> None:
        self.client = client
        self.closed = False
        self._pool = pool
        self._deadline = deadline
        self._traffic = traffic
        self._turn = asyncio.Lock()
        self._busy = False
        """A thread is at it."""

    def fileno(self) -> int:
        """Return the socket's descriptor, for the event loop to watch while the server idles."""
        return int(self.client.socket().fileno())

    def events(self) -> list[bytes]:
        """Return the lines that the server sent by itself, without waiting. Raises ConnectionLostError."""
        try:
            return listening.waiting_lines(self.client)
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            self.discard()
            raise ConnectionLostError(_words(error)) from error

    def unsolicited(self) -> list[bytes]:
        """Return and forget what the server said of the open folder beside its answers."""
        return listening.unsolicited(self.client)

    def discard(self) -> None:
        """Drop the connection without a word; a command in hand fails at once."""
        if self.closed:
            return
        self.closed = True
        if self._traffic is not None:
            self._traffic.closed()
        # Only shut down here: closing while a thread reads would free its descriptor for somebody else's socket.
        with suppress(OSError):
            socket.socket.shutdown(self.client.socket(), socket.SHUT_RDWR)
        if not self._busy:
            self._close()

    def _close(self) -> None:
        with suppress(OSError):
            self.client.shutdown()

    async def run(self, command: Callable[..., T], *arguments: Any) -> T:
        """Run one of our blocking commands in a thread, when the one before it is through.

        Raises:
            RefusedError: the server says NO.
            ConnectionLostError: anything else.
        """
        async with self._turn:
            if self.closed:
                raise ConnectionLostError("the connection was dropped")
            started = monotonic()
            try:
                call = asyncio.get_running_loop().run_in_executor(self._pool, self._guarded, command, *arguments)
                return await call
            except BaseException as error:
                if isinstance(error, RefusedError):
                    raise
                self.discard()
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise ConnectionLostError(_words(error)) from error
            finally:
                if self._traffic is not None:
                    self._traffic.command(command.__name__, monotonic() - started)

    def _guarded(self, command: Callable[..., T], *arguments: Any) -> T:
        """Run in a thread of the pool."""
        self._busy = True
        try:
            with self.client.deadline(self._deadline):
                return command(self.client, *arguments)
        except (IMAPClientAbortError, imaplib.IMAP4.abort):
            raise
        except (IMAPClientError, imaplib.IMAP4.error) as error:
            raise RefusedError(_words(error)) from error
        finally:
            self._busy = False
            if self.closed:
                self._close()


def _words(error: BaseException) -> str:
    """Return an error in words that have nothing of a mail in them: they are logged.

    What a server says in refusing a command, or in closing the connection, may quote a folder's name, never content. What a library
    says of an answer that it could not parse quotes the answer.
    """
    if isinstance(error, ProtocolError) or not isinstance(error, OSError | imaplib.IMAP4.error):
        return describe(error)
    words = _UNPARSED.sub(r"\1", str(error))
    return f"{type(error).__name__}: {words[:200]}"
