"""A logged-in connection for asyncio: blocking commands run in a bounded pool of threads, one at a time, each under a deadline.

After any error but a plain NO or BAD the connection is dropped, never logged out: what it would answer cannot be trusted.
"""

from __future__ import annotations

import asyncio
import imaplib
import re
import socket
import traceback
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar

from imapclient.exceptions import ProtocolError

from services.mailbox.imap import commands
from services.mailbox.imap.answers import AnswerError
from services.mailbox.imap.errors import ConnectionLostError, ContradictionError, RefusedError, UnusableAnswerError
from services.mailbox.imap.protocol import AnswerTooLargeError, MailClient, UnreadableAnswerError

T = TypeVar("T")

DEADLINE = 120.0
"""Seconds for one command by default."""
_UNPARSED = re.compile(r"(unexpected (?:tagged )?response|unterminated line):.*", re.DOTALL)
"""How imaplib quotes what it cannot parse, such as mail behind a literal with a wrong length."""


class CommandObserver(Protocol):
    """Is notified of what happens on a connection, for metrics."""

    def command(self, name: str, seconds: float) -> None:
        """Note a command that ended, answered or failed."""

    def closed(self) -> None:
        """Note the end of the connection; called once."""


class AsyncConnection:
    """The socket's side of a session: run commands, read what the server sends unasked, drop the connection."""

    def __init__(
        self, client: MailClient, pool: Executor | None, *, deadline: float, observer: CommandObserver | None = None
    ) -> None:
        """Take over ``client``; ``pool`` None means the event loop's default threads."""
        self.client = client
        self.closed = False
        self.commands = 0
        """Commands so far."""
        self._opened = monotonic()
        self._since: float | None = None
        """When the running command started."""
        self._pool = pool
        self._deadline = deadline
        self._observer = observer
        self.gate: Callable[[float], Awaitable[None]] | None = None
        """Is given the connection's age and awaited before each command, and may raise."""
        self._command_lock = asyncio.Lock()
        self._in_thread = False
        """Whether a thread is running a command."""

    @property
    def age(self) -> float:
        """Return for how many seconds the connection has been open."""
        return monotonic() - self._opened

    @property
    def waited(self) -> float:
        """Return for how many seconds the running command has been waiting; 0 if there is none."""
        return 0.0 if self._since is None else monotonic() - self._since

    @property
    def received(self) -> int:
        """Return how many bytes the server has sent."""
        return self.client.protocol.stream.received

    def fileno(self) -> int:
        """Return the socket's descriptor, for the event loop to watch while the server idles."""
        return int(self.client.socket().fileno())

    def events(self) -> tuple[list[bytes], bool]:
        """Return lines that the server has sent unasked, without waiting, and whether more are there. Raises ConnectionLostError."""
        try:
            return self.client.protocol.waiting_lines()
        except AnswerTooLargeError as error:
            self.discard()
            raise UnusableAnswerError("too-much-data", str(error)) from error
        except (imaplib.IMAP4.error, OSError, ValueError) as error:
            self.discard()
            raise ConnectionLostError(describe_error(error)) from error

    def unsolicited(self) -> list[bytes]:
        """Return and forget what the server sent about the open folder beside its answers."""
        return commands.unsolicited(self.client)

    def discard(self) -> None:
        """Drop the connection without logging out. A running command fails at once."""
        if self.closed:
            return
        self.closed = True
        if self._observer is not None:
            self._observer.closed()
        # Only shut the socket down here: closing it while a thread reads would free its descriptor for another socket.
        with suppress(OSError):
            socket.socket.shutdown(self.client.socket(), socket.SHUT_RDWR)
        if not self._in_thread:
            self._close()

    def _close(self) -> None:
        with suppress(OSError):
            self.client.shutdown()

    async def run(self, command: Callable[..., T], *arguments: Any) -> T:
        """Run one blocking command in a thread, after the one before it has ended.

        Raises:
            RefusedError: the server says NO.
            ContradictionError: the answer cannot be used. It is also a ConnectionLostError.
            ConnectionLostError: anything else.
        """
        if self.gate is not None and not self.closed:
            await self.gate(self.age)
        async with self._command_lock:
            if self.closed:
                raise ConnectionLostError("the connection was dropped")
            started = self._since = monotonic()
            self.commands += 1
            try:
                call = asyncio.get_running_loop().run_in_executor(self._pool, self._run_in_thread, command, *arguments)
                return await call
            except BaseException as error:
                if isinstance(error, RefusedError):
                    raise
                self.discard()
                if isinstance(error, asyncio.CancelledError | ContradictionError):
                    raise
                raise ConnectionLostError(describe_error(error)) from error
            finally:
                self._since = None
                if self._observer is not None:
                    self._observer.command(command.__name__, monotonic() - started)

    def _run_in_thread(self, command: Callable[..., T], *arguments: Any) -> T:
        self._in_thread = True
        try:
            with self.client.protocol.stream.within(self._deadline):
                return command(self.client, *arguments)
        except AnswerTooLargeError as error:
            raise UnusableAnswerError("too-much-data", str(error)) from error
        except AnswerError as error:
            raise UnusableAnswerError(error.code, error.detail) from error
        except UnreadableAnswerError as error:
            raise UnusableAnswerError("unreadable-answer", "the server sent what is no answer to a command") from error
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:  # IMAPClient's errors are subclasses
            raise RefusedError(describe_error(error)) from error
        finally:
            self._in_thread = False
            if self.closed:
                self._close()


def describe_error(error: BaseException) -> str:
    """Return an error in words that quote no mail, because they are logged.

    What a server says when it refuses a command or closes the connection may quote a folder's name, never content. What a library
    says about an answer that it cannot parse quotes the answer: of that only the type and the place are returned.
    """
    name = type(error).__name__
    if isinstance(error, ProtocolError) or not isinstance(error, OSError | imaplib.IMAP4.error):
        frame = next(reversed(traceback.extract_tb(error.__traceback__)), None)
        return f"{name} at {Path(frame.filename).name}:{frame.lineno} in {frame.name}" if frame else name
    text = _UNPARSED.sub(r"\1", str(error))
    return f"{name}: {text[:300]}"
