"""Free TCP ports that stay reserved while a server is stopped and started again."""

from __future__ import annotations

import random
import socket
from pathlib import Path

from testbed.processes.parts import LOOPBACK, HostingError, ImapEndpoint, LmtpEndpoint

# Below the range from which the kernel takes ports for outgoing connections (32768 and up): a port of a server that
# is down for a moment is then never taken by a client connection.
_LOWEST, _HIGHEST = 20_000, 32_000
_ATTEMPTS = 500
_reserved: list[socket.socket] = []
"""What tells other processes that this one has a port, also while nothing listens there. Ends with the process."""


def free_ports(count: int) -> list[int]:
    """Return `count` different loopback ports on which nothing listens, and which no other call returns, in any process.

    Raises:
        HostingError: when no free port was found.
    """
    found: list[int] = []
    for _ in range(_ATTEMPTS):
        if len(found) == count:
            return found
        port = random.randint(_LOWEST, _HIGHEST)  # noqa: S311 - a port number, not a secret
        if _is_free(port) and _reserve(port):
            found.append(port)
    raise HostingError(f"no {count} free ports between {_LOWEST} and {_HIGHEST} on {LOOPBACK}: stop what holds them")


def free_port() -> int:
    """Return a loopback port on which nothing listens."""
    return free_ports(1)[0]


def mail_endpoints(ca_file: Path) -> tuple[ImapEndpoint, LmtpEndpoint]:
    """Return free ports for a mail server, as what clients need to know of it."""
    imap, imaps, lmtp = free_ports(3)
    return ImapEndpoint(LOOPBACK, imap, imaps, ca_file), LmtpEndpoint(LOOPBACK, lmtp)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0leadmail-port-{port}")  # a name without a file: the kernel drops it with the socket
    except OSError:
        holder.close()
        return False
    _reserved.append(holder)
    return True
