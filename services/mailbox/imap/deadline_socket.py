"""Read bytes from a socket by line and by count, bounded in size and in time.

Replaces imaplib's ``socket.makefile``, which waits for ever on a server that sends one byte now and then, allocates whatever
size a literal claims, and loses half a line when a non-blocking read runs dry in the middle of it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 64 * 1024
"""Bytes requested from the socket at once."""
MAX_LINE = 8 * 1024 * 1024
"""Bytes of one line: a SEARCH answer for a very full folder still fits."""
MAX_LITERAL = 128 * 1024 * 1024
"""Bytes of one literal: twice what any provider delivers. Larger mail is fetched in parts."""


class AnswerTooLargeError(OSError):
    """The server sent a line or a literal over the limit. Discard the connection."""


class DeadlineError(TimeoutError):
    """The command's deadline passed, though bytes may still arrive. Discard the connection."""


class DeadlineSocket:
    """A socket with its read buffer."""

    __slots__ = ("_buffer", "_position", "deadline", "read_timeout", "received", "sent", "sock")

    def __init__(self, sock: socket.socket, *, read_timeout: float) -> None:
        """Take over a connected socket; ``read_timeout`` (seconds) bounds one silent wait."""
        self.sock = sock
        self.read_timeout = read_timeout
        self.deadline: float | None = None
        """When every read and write starts to fail, on ``time.monotonic``'s clock; None for never."""
        self.received = 0
        self.sent = 0
        """Octets so far, without those of TLS itself."""
        self._buffer = b""
        self._position = 0

    def replace(self, sock: socket.socket) -> None:
        """Continue on the TLS layer over the same connection. Drop what was buffered in plain text: it may be forged (RFC 9051 6.2.1)."""
        self.sock = sock
        self._buffer, self._position = b"", 0

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Bound the whole block to ``seconds``, so that a server that drips bytes cannot hold a thread. An outer bound also holds.

        Raises DeadlineError, or imaplib's abort when the deadline passes while sending.
        """
        outer = self.deadline
        end = time.monotonic() + seconds
        self.deadline = end if outer is None else min(end, outer)
        try:
            yield
        finally:
            self.deadline = outer
            if self.sock.fileno() >= 0:  # a closed socket takes no time-out
                self.sock.settimeout(self.read_timeout)

    def readline(self) -> bytes:
        """Return one line with its line end, or what is left at the end of the stream (b"" for nothing).

        A socket error in the middle of a line keeps what was read, so the call can be repeated.
        """
        search = self._position
        while (end := self._buffer.find(b"\n", search)) < 0:
            buffered = len(self._buffer) - self._position
            if buffered > MAX_LINE:
                raise AnswerTooLargeError("the server sent a line without end")
            data = self._receive(CHUNK)
            self._buffer = self._buffer[self._position :] + data
            self._position, search = 0, buffered
            if not data:
                end = len(self._buffer) - 1
                break
        line = self._buffer[self._position : end + 1]
        self._position = end + 1
        return line

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, or fewer at the end of the stream."""
        if size > MAX_LITERAL:
            raise AnswerTooLargeError("the server announced a larger literal than is accepted")
        end = self._position + size
        if end <= len(self._buffer):
            data = self._buffer[self._position : end]
            self._position = end
            return data
        parts = [self._buffer[self._position :]]
        self._buffer, self._position = b"", 0
        missing = size - len(parts[0])
        while missing > 0:
            data = self._receive(CHUNK)
            if not data:
                break
            parts.append(data)
            missing -= len(data)
        if missing < 0:
            self._buffer, self._position = parts[-1], len(parts[-1]) + missing
            parts[-1] = parts[-1][: self._position]
        return b"".join(parts)

    def send(self, data: bytes) -> None:
        """Send all of ``data``."""
        self._arm()
        self.sock.sendall(data)
        self.sent += len(data)

    def _receive(self, size: int) -> bytes:
        self._arm()
        data = self.sock.recv(size)
        self.received += len(data)
        return data

    def _arm(self) -> None:
        if self.deadline is not None:
            remaining = self.deadline - time.monotonic()
            if remaining <= 0:
                raise DeadlineError("the server did not finish its answer in time")
            self.sock.settimeout(min(self.read_timeout, remaining))
