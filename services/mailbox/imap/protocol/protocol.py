"""imaplib's protocol object over a socket that is already connected and checked."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

from services.mailbox.connection import refuse_line_breaks
from services.mailbox.imap.protocol.notices import Notices
from services.mailbox.imap.protocol.reading import OVERHEAD, AnswerReader

IDLE_LINE = 1024 * 1024
"""Bytes of one line while the server idles: the uids of many deleted mails."""
TURN, TURN_LINES = 64 * 1024, 200
"""Bytes and lines of what a server says by itself that are read at once, in the event loop."""


class ImapProtocol(AnswerReader):
    """imaplib over a checked socket: bounded in time, closed to command injection, without imaplib's log.

    imaplib formats every line it reads for a debug log that no one reads, and IMAPClient turns that log up to its highest level.
    The two take four fifths of the time of a large FETCH. The log also keeps the last ten lines, the password among them.
    """

    _idle_tag = b""

    # The methods that imaplib documents as overridable: all socket access.

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Keep the given socket."""
        del timeout
        self.host, self.port = host, port

    def read(self, size: int) -> bytes:
        """Return ``size`` bytes of a literal."""
        return self.stream.read(size)

    def readline(self) -> bytes:
        """Return one line."""
        return self.stream.readline()

    def send(self, data: Any) -> None:
        """Send bytes."""
        self.stream.send(data)

    def shutdown(self) -> None:
        """Close the connection, whatever state it is in."""
        with contextlib.suppress(OSError):
            self.stream.sock.shutdown(socket.SHUT_RDWR)
        self.stream.sock.close()

    # Public commands that imaplib gets wrong for us.

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> Any:
        """Upgrade to TLS, verified by name, and forget everything that came before.

        imaplib's own starttls reads through ``socket.makefile``, and keeps what was injected before the handshake.
        """
        if ssl_context is None:
            raise ValueError("an SSL context is required")
        typ, data = self._simple_command("STARTTLS")  # private: imaplib has no public way to send a bare command
        if typ != "OK":
            raise self.error("the server refused STARTTLS")
        self.stream.sock.settimeout(self.stream.patience)  # it bounds the whole handshake
        self.sock = ssl_context.wrap_socket(self.stream.sock, server_hostname=self.host)
        self.stream.replace(self.sock)
        self.untagged_responses.clear()
        self._get_capabilities()  # private: it refreshes ``capabilities``, as imaplib's own starttls does
        return typ, data

    def login(self, user: str, password: str) -> Any:
        """Log in with a quoted name: imaplib quotes only the password."""
        return super().login(self._quote(user), password)  # private: the same quoting as the password's

    # IDLE (RFC 2177). IMAPClient's own fails on a line before the "+", and on every line that its parser does not understand.

    def enter_idle(self) -> list[bytes]:
        """Send IDLE and read up to the server's ``+``; returns the events before it."""
        self._idle_tag = self._command("IDLE")  # private: the public commands wait for a tagged answer
        notices = Notices()
        while not (line := self._idle_line()).startswith(b"+"):
            if (words := self._idle_ended(line)) is not None:
                raise self.error(f"IDLE: {words}")
            notices.add(line)
        self.stream.max_line = IDLE_LINE
        return notices.lines()

    def leave_idle(self) -> list[bytes]:
        """Send DONE and read up to the tagged answer; returns the events before it."""
        self._allow()
        self.send(b"DONE\r\n")
        notices = Notices()
        while self._idle_ended(line := self._idle_line()) is None:
            notices.add(line)
        return notices.lines()

    def _idle_line(self) -> bytes:
        line = self._get_line()
        self._spend(len(line) + OVERHEAD)
        return line.lstrip(b" \t")

    def _idle_ended(self, line: bytes) -> str | None:
        """Return the server's words if a line is the tagged answer to IDLE."""
        tag, words = line[: len(self._idle_tag)], line[len(self._idle_tag) :]
        if tag.upper() != self._idle_tag or words[:1] != b" ":
            return None
        self.tagged_commands.pop(self._idle_tag, None)
        return words.decode("ascii", "replace").strip()

    def waiting_lines(self) -> tuple[list[bytes], bool]:
        """Return complete lines that have arrived, without waiting, and whether there may be more; half a line stays for later."""
        lines: list[bytes] = []
        room = TURN
        self.sock.setblocking(False)
        try:
            while room > 0:
                lines.append(self._get_line())
                room -= len(lines[-1]) + TURN // TURN_LINES
        except (BlockingIOError, ssl.SSLWantReadError):
            return lines, False
        finally:
            self.sock.settimeout(self.stream.read_timeout)
        return lines, True

    # Private members that are overridden.

    def _command(self, name: str, *args: Any) -> bytes:
        """Refuse line breaks in whatever imaplib sends: it checks no argument."""
        refuse_line_breaks(name, *args)
        tag: bytes = super()._command(name, *args)  # type: ignore[misc]  # not in the stubs
        return tag
