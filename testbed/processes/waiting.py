"""Waiting for a server with a deadline."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from testbed.processes.parts import LOOPBACK, HostingError, ImapEndpoint, LmtpEndpoint

_PAUSE_S = 0.03
_GREETING_S = 10  # a server that forks for each connection may take long on a busy machine
_MAIL_SERVER_S = 40
Probe = Callable[[], bool]
Wait = Callable[[Probe], None]
"""Returns once a server answers; takes whether it is alive."""


def until(answers: Callable[[], bool], *, what: str, seconds: float, part_alive: Callable[[], bool]) -> None:
    """Call `answers` until it is true.

    Args:
        answers: the probe; an OSError or a ConnectionError from it means "not yet".
        what: for the error message, such as "RabbitMQ".
        seconds: the deadline.
        part_alive: false if the server has exited, so that waiting is pointless.

    Raises:
        HostingError: at the deadline, or when the server has ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        why = "its answer is not the expected one"
        try:
            if answers():
                return
        except OSError as error:
            why = str(error) or type(error).__name__
        if not part_alive():
            raise HostingError(f"{what} ended while it was starting")
        if time.monotonic() > deadline:
            raise HostingError(f"{what} did not answer within {seconds:.0f} s: {why}")
        time.sleep(_PAUSE_S)


def for_mail_server(name: str, imap: ImapEndpoint, lmtp: LmtpEndpoint, part_alive: Probe) -> None:
    """Return once a mail server greets on IMAP and LMTP.

    Raises:
        HostingError: it has ended, or does not greet in time.
    """
    until(
        lambda: (
            greets(imap.port, greeting=b"* OK")
            and greets(lmtp.port, greeting=b"220 ")
            and greets(imap.tls_port, greeting=b"")  # open is enough; some programs open one port after the other
        ),
        what=name,
        seconds=_MAIL_SERVER_S,
        part_alive=part_alive,
    )


def greets(port: int, *, greeting: bytes, say: bytes = b"", host: str = LOOPBACK) -> bool:
    """Return whether the server at `port` answers with `greeting` (after `say`, if given)."""
    with socket.create_connection((host, port), timeout=_GREETING_S) as connection:
        if say:
            connection.sendall(say)
        received = b""
        while len(received) < len(greeting):
            chunk = connection.recv(len(greeting) - len(received))
            if not chunk:
                return False
            received += chunk
        return received == greeting
