"""Read bytes from a socket by line and by count, bounded in size and in time.

Replaces imaplib's ``socket.makefile``, which waits for ever on a server that sends one byte now and then, allocates whatever
size a literal claims, and loses half a line when a non-blocking read runs dry in the middle of it.
"""

from __future__ import annotations

import imaplib
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 64 * 1024
"""Bytes requested from the socket at once."""
MAX_LINE = 8 * 1024 * 1024
"""Bytes of one line: a SEARCH answer for a very full folder still fits."""
MAX_EARLY_LINE = 64 * 1024
"""Bytes of one line before the login and while the server idles: nothing long is expected then."""
MAX_LITERAL = 32 * 1024 * 1024
"""Bytes of one literal. Large mail is fetched in parts."""


class AnswerTooLargeError(imaplib.IMAP4.abort):
    """The server sent more than was asked for, or more than is accepted. Discard the connection."""


class DeadlineError(TimeoutError):
    """The command's deadline passed, though bytes may still arrive. Discard the connection."""


class DeadlineSocket:
    """A socket with its read buffer."""

    __slots__ = ("_buffer", "_searched", "deadline", "max_line", "read_timeout", "received", "sent", "sock")

    def __init__(self, sock: socket.socket, *, read_timeout: float) -> None:
        """Take over a connected socket; ``read_timeout`` (seconds) bounds one silent wait."""
        self.sock = sock
        self.read_timeout = read_timeout
        self.deadline: float | None = None
        """When every read and write starts to fail, on ``time.monotonic``'s clock; None for never."""
        self.received = 0
        self.sent = 0
        """Octets so far, without those of TLS itself."""
        self.max_line = MAX_EARLY_LINE
        """Bytes of one line that are accepted."""
        self._buffer = bytearray()
        self._searched = 0
        """Bytes at the start of the buffer that contain no line end."""

    def replace(self, sock: socket.socket) -> None:
        """Continue on the TLS layer over the same connection. Drop what was buffered in plain text: it may be forged (RFC 9051 6.2.1)."""
        self.sock = sock
        self._buffer, self._searched = bytearray(), 0

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
        while (end := self._buffer.find(b"\n", self._searched)) < 0:
            self._searched = len(self._buffer)
            if self._searched > self.max_line:
                raise AnswerTooLargeError("the server sent a line without end")
            data = self._receive(CHUNK)
            if not data:
                return self._take(len(self._buffer))
            self._buffer += data
        if end > self.max_line:
            raise AnswerTooLargeError("the server sent a longer line than is accepted")
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, or fewer at the end of the stream."""
        if size > MAX_LITERAL:
            raise AnswerTooLargeError("the server announced a larger literal than is accepted")
        if size <= len(self._buffer):
            return self._take(size)
        # One growing block: a list of pieces would take forty times their size if each is a byte.
        literal, self._buffer = self._buffer, bytearray()
        while len(literal) < size and (data := self._receive(CHUNK)):
            literal += data
        self._buffer += memoryview(literal)[size:]
        return bytes(memoryview(literal)[:size])

    def _take(self, size: int) -> bytes:
        data = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]  # without moving what follows
        self._searched = 0
        return data

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

    @property
    def patience(self) -> float:
        """Return the seconds that the next wait may take. Raises DeadlineError if there are none left."""
        if self.deadline is None:
            return self.read_timeout
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise DeadlineError("the server did not finish its answer in time")
        return min(self.read_timeout, remaining)

    def _arm(self) -> None:
        if self.deadline is not None:
            self.sock.settimeout(self.patience)
