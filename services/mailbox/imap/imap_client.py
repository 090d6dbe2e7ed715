"""The IMAPClient that the rest of the project uses."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import IMAPClientAbortError
from imapclient.imapclient import _is8bit, _parse_untagged_response

from services.mailbox.connection.line_breaks import refuse_line_breaks
from services.mailbox.imap.deadline_socket import DeadlineSocket
from services.mailbox.imap.imap4 import CheckedIMAP4


class MailClient(IMAPClient):  # type: ignore[misc]  # imapclient has no types
    """IMAPClient over a checked socket: quiet, bounded in time, closed to command injection.

    On any error but a plain NO or BAD discard it with ``shutdown()``; ``logout()`` would wait for an answer that never comes.
    """

    _imap: CheckedIMAP4

    def __init__(self, imap: CheckedIMAP4, *, tls: bool, read_timeout: float) -> None:
        """Wrap a connected protocol object; ``read_timeout`` (seconds) bounds one silent wait."""
        self._given = imap
        self._early: list[Any] = []
        super().__init__(imap.host, imap.port, ssl=tls, timeout=SocketTimeout(read_timeout, read_timeout))
        # IMAPClient has just turned imaplib's debug wrapper to its highest level: four fifths of the time of a FETCH.
        self._imap.debug = 0

    def _create_IMAP4(self) -> CheckedIMAP4:  # noqa: N802  IMAPClient's name
        return self._given

    @property
    def wire(self) -> DeadlineSocket:
        """What the octets go through."""
        return self._imap.wire

    @property
    def pending(self) -> bool:
        """Whether input is buffered already: check it before waiting in ``select`` on ``socket()``."""
        return self._imap.wire.pending or bool(self._early)

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Bound everything within to ``seconds`` in all, so that a server that drips bytes cannot hold a worker.

        Raises ``wire.DeadlineError`` (a TimeoutError), or IMAPClient's AbortError when it strikes while sending. Nests: the
        earlier end holds.
        """
        wire = self._imap.wire
        outer = wire.deadline
        end = time.monotonic() + seconds
        wire.deadline = end if outer is None else min(end, outer)
        try:
            yield
        finally:
            wire.deadline = outer
            self._set_read_timeout()

    def _set_read_timeout(self) -> None:
        # A socket that was closed meanwhile takes no time-out, and needs none.
        if self.socket().fileno() >= 0:
            self.socket().settimeout(self._imap.wire.read_timeout)

    def _raw_command(self, command: bytes, args: Any, uid: bool = True) -> Any:
        for argument in args if isinstance(args, (list, tuple)) else [args]:
            if not _is8bit(argument):  # what is 8-bit travels as a literal, counted, and may hold line breaks
                refuse_line_breaks(argument)
        return super()._raw_command(command, args, uid=uid)

    # IDLE (RFC 2177): IMAPClient fails on an untagged line before the "+", and waits in poll() on input it already holds.

    def idle(self) -> None:
        """Enter IDLE. What the server says before its ``+`` is kept for ``idle_check``."""
        tag = self._imap._command("IDLE")  # noqa: SLF001  IMAPClient works on imaplib's insides, as its own idle() does
        self._idle_tag = tag
        while not (line := self._imap._get_line()).startswith(b"+"):  # noqa: SLF001  see above
            if line.startswith(tag):
                self._imap.tagged_commands.pop(tag, None)
                raise IMAPClientAbortError(f"IDLE was refused: {line[len(tag) :].decode('ascii', 'replace').strip()}")
            self._early.append(_parse_untagged_response(line))

    def idle_check(self, timeout: float | None = None) -> list[Any]:
        """Return what the server said since, waiting at most ``timeout`` seconds for the first of it.

        Raises IMAPClient's AbortError when the server has closed the connection.
        """
        early, self._early = self._early, []
        return early + list(super().idle_check(0 if early else timeout))

    def _poll_socket(self, sock: socket.socket, timeout: float | None = None) -> list[tuple[int, int]]:
        if self._imap.wire.pending:
            return [(sock.fileno(), select.POLLIN)]
        return list(super()._poll_socket(sock, timeout))
