"""Bytes from a socket, by line and by count, bounded in size and in time.

Stands where imaplib has ``socket.makefile``, which waits for ever on a server that sends a byte now and then, allocates
whatever size a literal claims, and loses half a line when a non-blocking read runs dry in the middle of it.
"""

from __future__ import annotations

import socket
import ssl
import time

CHUNK = 64 * 1024
"""Bytes asked of the socket at once."""
MAX_LINE = 8 * 1024 * 1024
"""Bytes of one line: a SEARCH answer over a very full folder still fits."""
MAX_LITERAL = 128 * 1024 * 1024
"""Bytes of one literal: twice what any provider delivers. What is larger is fetched in parts."""


class WireError(OSError):
    """The server sent something out of all bounds, or the deadline passed. The connection is of no further use."""


class DeadlineError(WireError, TimeoutError):
    """The command's deadline passed, though bytes may still drip."""


class DeadlineSocket:
    """A socket and what was read from it ahead of need."""

    __slots__ = ("_buffer", "_position", "deadline", "read_timeout", "received", "sent", "sock")

    def __init__(self, sock: socket.socket, *, read_timeout: float) -> None:
        """Take over a connected socket; ``read_timeout`` (seconds) bounds one silent wait."""
        self.sock = sock
        self.read_timeout = read_timeout
        self.deadline: float | None = None
        """Moment on ``time.monotonic``'s clock after which every read and write fails; None for no such moment."""
        self.received = 0
        self.sent = 0
        """Octets so far, of what TLS carries and not of TLS itself."""
        self._buffer = b""
        self._position = 0

    def replace(self, sock: socket.socket) -> None:
        """Go on with the TLS layer over the same connection. What was read ahead in plain text is forged: drop it (RFC 9051 6.2.1)."""
        self.sock = sock
        self._buffer, self._position = b"", 0

    @property
    def pending(self) -> bool:
        """Whether bytes are at hand that ``select`` on the socket does not know of."""
        return self._position < len(self._buffer) or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0)

    def readline(self) -> bytes:
        """Return one line with its end, or what is left at the end of the stream (b"" when nothing is).

        A socket error in the middle of a line keeps what was read: the call can be repeated.
        """
        search = self._position
        while (end := self._buffer.find(b"\n", search)) < 0:
            held = len(self._buffer) - self._position
            if held > MAX_LINE:
                raise WireError("the server sent a line without end")
            data = self._receive(CHUNK)
            self._buffer = self._buffer[self._position :] + data
            self._position, search = 0, held
            if not data:
                end = len(self._buffer) - 1
                break
        line = self._buffer[self._position : end + 1]
        self._position = end + 1
        return line

    def read(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, or fewer at the end of the stream."""
        if size > MAX_LITERAL:
            raise WireError("the server announced a larger piece than is accepted")
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
