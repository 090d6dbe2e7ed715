"""The adapter to imaplib and imapclient: the only module that touches their private members, each with its reason.

``ImapProtocol`` is imaplib's protocol object over a socket that is already connected and checked. ``MailClient`` is the IMAPClient
around it. The rest of the package uses the public members of these two.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
from typing import Any, TypeAlias

from imapclient import IMAPClient, SocketTimeout

from services.mailbox.connection import refuse_line_breaks
from services.mailbox.imap.deadline_socket import DeadlineSocket

CLOSED = "the server closed the connection"
Answers: TypeAlias = dict[str, list[Any]]
"""Untagged responses by kind, each in imaplib's form (see ``tokens.Item``)."""
_EVENTS = ("EXISTS", "EXPUNGE", "VANISHED", "FETCH", "STATUS", "LIST")
"""Responses that a server also sends unasked, and sends only once."""


class ImapProtocol(imaplib.IMAP4):
    """imaplib over a checked socket: bounded in time, closed to command injection, without imaplib's log.

    imaplib formats every line it reads for a debug log that no one reads, and IMAPClient turns that log up to its highest level.
    The two take four fifths of the time of a large FETCH. The log also keeps the last ten lines, the password among them.
    """

    # imaplib's own members, which its stubs do not declare.
    untagged_responses: Answers
    tagged_commands: dict[bytes, Any]
    mo: re.Match[bytes] | None

    def __init__(
        self, sock: socket.socket, host: str, port: int, *, read_timeout: float, deadline: float | None = None
    ) -> None:
        """Read the greeting and the capabilities. ``host`` is the name that a certificate must carry.

        ``sock`` is closed when that fails.
        """
        self.stream = DeadlineSocket(sock, read_timeout=read_timeout)
        self.stream.deadline = deadline
        self.sock = sock
        self._idle_tag = b""
        try:
            super().__init__(host, port)
        except BaseException:
            self.shutdown()
            raise

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
        self.stream.sock.settimeout(self.stream.read_timeout)
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
        """Send IDLE and read up to the server's ``+``; returns the lines before it."""
        self._idle_tag = self._command("IDLE")  # private: the public commands wait for a tagged answer
        lines = []
        while not (line := self._get_line()).startswith(b"+"):
            if line.startswith(self._idle_tag + b" "):
                self.tagged_commands.pop(self._idle_tag, None)
                words = line[len(self._idle_tag) :].decode("ascii", "replace").strip()
                raise self.error(f"IDLE: {words}")
            lines.append(line)
        return lines

    def leave_idle(self) -> list[bytes]:
        """Send DONE and read up to the tagged answer; returns the lines before it."""
        self.send(b"DONE\r\n")
        lines = []
        while not (line := self._get_line()).startswith(self._idle_tag + b" "):
            lines.append(line)
        self.tagged_commands.pop(self._idle_tag, None)
        return lines

    def waiting_lines(self) -> list[bytes]:
        """Return the complete lines that have arrived, without waiting; half a line stays for the next call."""
        lines: list[bytes] = []
        self.sock.setblocking(False)
        try:
            while True:
                lines.append(self._get_line())
        except (BlockingIOError, ssl.SSLWantReadError):
            return lines
        finally:
            self.sock.settimeout(self.stream.read_timeout)

    # Private members that are overridden.

    def _log(self, line: object) -> None:
        """Keep no log: imaplib's holds the last ten lines, credentials among them."""

    def print_log(self) -> None:
        """Print nothing."""

    def _match(self, cre: re.Pattern[bytes], s: bytes) -> bool:
        """Match without imaplib's debug formatting, once per line and pattern."""
        self.mo = cre.match(s)
        return self.mo is not None

    def _get_line(self) -> bytes:
        """Read a line; let time-outs through, and do not quote in an error what may be mail."""
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
        """Collect an untagged response without imaplib's debug formatting."""
        self.untagged_responses.setdefault(typ, []).append(b"" if dat is None else dat)

    def _command(self, name: str, *args: Any) -> bytes:
        """Refuse line breaks in whatever imaplib sends: it checks no argument."""
        refuse_line_breaks(name, *args)
        tag: bytes = super()._command(name, *args)  # type: ignore[misc]  # not in the stubs
        return tag


class MailClient(IMAPClient):  # type: ignore[misc]  # imapclient has no types
    """IMAPClient over an ``ImapProtocol``. Blocking.

    After any error but a plain NO or BAD discard it with ``shutdown()``; ``logout()`` would wait for an answer that never comes.
    """

    def __init__(self, protocol: ImapProtocol, *, read_timeout: float) -> None:
        """Wrap a connected protocol object; ``read_timeout`` (seconds) bounds one silent wait."""
        self.protocol = protocol
        super().__init__(protocol.host, protocol.port, ssl=False, timeout=SocketTimeout(read_timeout, read_timeout))
        # IMAPClient has just set imaplib's debug level to its highest.
        protocol.debug = 0

    def command(self, name: str, *arguments: bytes, own: tuple[str, ...] = ()) -> Answers:
        """Run a command that takes no uids and return the untagged responses. 8-bit arguments travel as literals.

        ``own`` names the kinds of response that answer this command.
        """
        self._forget_answers(own)
        # private: imaplib sends one literal at most, and only at a command's end; folder names may need one in the middle
        typ, data = self._raw_command(name.encode("ascii"), list(arguments), uid=False)
        _require_ok(name, typ, data)
        return self.protocol.untagged_responses

    def uid_command(self, name: str, *arguments: str) -> list[Any]:
        """Run UID SEARCH or UID FETCH and return its responses; the others stay in ``protocol.untagged_responses``."""
        self._forget_answers((name,))
        typ, data = self.protocol.uid(name, *arguments)
        _require_ok(name, typ, data)
        return data

    def noop(self) -> None:
        """NOOP. What the server reports stays in ``protocol.untagged_responses``: IMAPClient's own fails on lines that it cannot parse."""
        typ, data = self.protocol.noop()
        _require_ok("NOOP", typ, data)

    def _forget_answers(self, own: tuple[str, ...]) -> None:
        """Drop earlier answers, but keep events: the server will not repeat them."""
        kept = self.protocol.untagged_responses
        for kind in [kind for kind in kept if kind in own or kind not in _EVENTS]:
            del kept[kind]

    # Private members that are overridden.

    def _create_IMAP4(self) -> ImapProtocol:  # noqa: N802 - IMAPClient's name
        """Return the given protocol object: IMAPClient would resolve the name and connect by itself."""
        return self.protocol

    def _raw_command(self, command: bytes, args: Any, uid: bool = True) -> Any:
        """Refuse line breaks in SEARCH, FETCH and the like, which IMAPClient sends past ``ImapProtocol._command``."""
        for argument in args if isinstance(args, (list, tuple)) else [args]:
            if argument.isascii():  # 8-bit arguments travel as counted literals, which may contain line breaks
                refuse_line_breaks(argument)
        return super()._raw_command(command, args, uid=uid)


def _require_ok(command: str, typ: str, data: list[Any]) -> None:
    """Raise imaplib's error for a NO."""
    if typ != "OK":
        words = data[0].decode("utf-8", "replace") if data and isinstance(data[0], bytes) else ""
        raise imaplib.IMAP4.error(f"{command}: {typ} {words}")
