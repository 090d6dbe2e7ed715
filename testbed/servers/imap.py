"""A mailbox as another program sees it: the standard library's client, no code of the services."""

from __future__ import annotations

import imaplib
import socket

_TIMEOUT_S = 60


def log_in(host: str, port: int, username: str, password: str) -> imaplib.IMAP4:
    """Return a client that is logged in, in plain text; use it as a context manager to log out.

    APPEND ends with a separate small write. Without TCP_NODELAY it waits for the answer to the one before, which a server
    behind another machine's (or a container's) network gives after 40 ms.

    Raises:
        OSError: no server answers.
        imaplib.IMAP4.error: the login is refused.
    """
    client = imaplib.IMAP4(host, port, timeout=_TIMEOUT_S)
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.login(username, password)
    return client
