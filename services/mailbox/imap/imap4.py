"""imaplib over a socket that is already connected and checked, without imaplib's log.

imaplib formats every line it reads for a debug log nobody reads, IMAPClient turns that log up to its highest level, and the two
take four fifths of the time of a large FETCH; the log also keeps the last ten lines, the password among them.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
from typing import Any

from services.mailbox.connection.line_breaks import refuse_line_breaks
from services.mailbox.imap.deadline_socket import DeadlineSocket

CLOSED = "the server closed the connection"
"""Not an OSError, and not imaplib's "socket error: EOF": IMAPClient.idle_check takes those two for "nothing new" and spins."""


class CheckedIMAP4(imaplib.IMAP4):
    """An IMAP4 protocol object that takes its socket from the guard. ``host`` is the name that certificates must carry."""

    # imaplib's own members, which its stubs do not show.
    untagged_responses: dict[str, list[Any]]
    tagged_commands: dict[bytes, Any]
    mo: re.Match[bytes] | None

    def __init__(
        self, sock: socket.socket, host: str, port: int, *, read_timeout: float, deadline: float | None = None
    ) -> None:
        """Read the greeting and the capabilities. ``sock`` is closed when that fails."""
        self.wire = DeadlineSocket(sock, read_timeout=read_timeout)
        self.wire.deadline = deadline
        self.sock = sock
        try:
            super().__init__(host, port)
        except BaseException:
            self.shutdown()
            raise

    # What imaplib calls "overridable methods": everything that touches the socket.

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Keep the given socket."""
        del timeout
        self.host, self.port = host, port

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes of a literal."""
        return self.wire.read(size)

    def readline(self) -> bytes:
        """Return one line."""
        return self.wire.readline()

    def send(self, data: Any) -> None:
        """Send bytes."""
        self.wire.send(data)

    def shutdown(self) -> None:
        """Close the connection, whatever state it is in."""
        with contextlib.suppress(OSError):
            self.wire.sock.shutdown(socket.SHUT_RDWR)
        self.wire.sock.close()

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Upgrade to TLS, verified by name; whatever came before it is forgotten."""
        if ssl_context is None:
            raise ValueError("an SSL context is required")
        typ, data = self._simple_command("STARTTLS")
        if typ != "OK":
            raise self.error("the server refused STARTTLS")
        self.wire.sock.settimeout(self.wire.read_timeout)
        self.sock = ssl_context.wrap_socket(self.wire.sock, server_hostname=self.host)
        self.wire.replace(self.sock)
        self.untagged_responses.clear()
        self._get_capabilities()
        return typ, data

    # imaplib's machinery without its log.

    def _log(self, line: object) -> None:
        """Keep no log: imaplib's holds the last ten lines, credentials among them."""

    def print_log(self) -> None:
        """Print nothing."""

    def _match(self, cre: re.Pattern[bytes], s: bytes) -> bool:
        self.mo = cre.match(s)
        return self.mo is not None

    def _get_line(self) -> bytes:
        try:
            line = self.readline()
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            raise self.abort(CLOSED) from error
        if line.endswith(b"\r\n"):
            return line[:-2]
        raise self.abort(CLOSED)

    def _append_untagged(self, typ: str, dat: Any) -> None:
        self.untagged_responses.setdefault(typ, []).append(b"" if dat is None else dat)

    def _command(self, name: str, *args: Any) -> bytes:
        refuse_line_breaks(name, *args)
        tag: bytes = super()._command(name, *args)  # type: ignore[misc]  # not in the stubs
        return tag
