"""Connect to servers whose names users type. There is no other way to them.

A name is resolved once. It is refused if any of its addresses is not public, unless the operator allows that network. The
connection goes to the address that was checked, so that a second DNS answer (rebinding) changes nothing. Users get the same
error for a name that does not exist and for one that leads to a private network, so that it reveals nothing of the network.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from itertools import chain, zip_longest
from typing import Self

from services.mailbox.connection.errors import Code, MailServerError
from services.mailbox.connection.hostname import HostNameError, host_name
from services.mailbox.connection.ip_ranges import IpNetwork, in_networks, is_public

Resolve = Callable[[str], Sequence[str]]
"""All addresses (A and AAAA) of a host name, as text. Raises OSError when there are none."""

SILENCE, PROBE_EVERY, PROBES = 60, 15, 4
"""Seconds of silence before the kernel asks whether the other end is there, seconds between questions, and questions without
an answer that end the connection: two minutes in all.

Mailboxes that are idled on are silent for minutes. Address translators forget a silent connection after 4 (Azure) to 6 minutes (AWS)
and tell nobody. Questions keep it known to them, and where it is lost they say so before IDLE is renewed. Unsent or unanswered
data needs no bound of its own (TCP_USER_TIMEOUT): every command has a deadline.
"""

log = logging.getLogger(__name__)


def system_resolve(name: str) -> list[str]:
    """Return all addresses of ``name`` by the system's resolver (which also knows the hosts file and Docker's names)."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def keep_alive(sock: socket.socket) -> None:
    """Have the kernel notice that the other end of a silent connection is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_EVERY)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)


@dataclass(frozen=True, slots=True)
class NetGuard:
    """Resolves, checks and connects. ``allow`` lists the operator's own networks that users may also reach."""

    allow: tuple[IpNetwork, ...] = ()
    resolve: Resolve = system_resolve

    @classmethod
    def unrestricted(cls) -> Self:
        """Return a guard for servers that the operator names, such as the relay for notifications."""
        return cls(allow=(IPv4Network("0.0.0.0/0"), IPv6Network("::/0")))

    def addresses(self, host: str) -> tuple[str, ...]:
        """Return the checked addresses of a typed host, IPv6 and IPv4 alternating.

        Raises:
            MailServerError: ``not-public`` (also if the name does not exist), or ``wrong-server`` if it is no host name.
        """
        try:
            name = host_name(host)
        except HostNameError as error:
            raise MailServerError(Code.WRONG_SERVER, str(error)) from error
        try:
            found = list(dict.fromkeys(self.resolve(name)))
        except OSError as error:
            log.info("mail server name not resolved", extra={"error": type(error).__name__})
            found = []
        refused = [address for address in found if not (is_public(address) or in_networks(address, self.allow))]
        if refused or not found:
            if refused:
                log.warning(
                    "mail server name refused: not public and not in LEADMAIL_ALLOW_NETWORKS", extra={"host": name}
                )
            raise MailServerError(Code.NOT_PUBLIC, "no public mail server was found under this name")
        six = [address for address in found if ":" in address]
        four = [address for address in found if ":" not in address]
        return tuple(address for address in chain.from_iterable(zip_longest(six, four)) if address is not None)

    def connect(self, host: str, port: int, *, timeout: float) -> socket.socket:
        """Return a TCP socket that is connected to a checked address of ``host``; ``timeout`` (seconds) covers all addresses together.

        The socket keeps ``timeout`` as its own. Raises:
            MailServerError: see ``addresses``; ``timeout``; ``wrong-server`` (nothing listens); ``unavailable``.
        """
        addresses = self.addresses(host)
        end = time.monotonic() + timeout
        failure: OSError = TimeoutError()
        for tried, address in enumerate(addresses):
            remaining = end - time.monotonic()
            if remaining <= 0:
                break
            try:
                # Divide the time evenly: an address that swallows packets must not use up the time of the others.
                sock = socket.create_connection((address, port), timeout=remaining / (len(addresses) - tried))
            except OSError as error:
                failure = error
                continue
            sock.settimeout(timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(sock)
            return sock
        if isinstance(failure, TimeoutError):
            raise MailServerError(Code.TIMEOUT, "the server did not answer in time") from failure
        if isinstance(failure, ConnectionRefusedError):
            raise MailServerError(Code.WRONG_SERVER, "no mail server listens at this name and port") from failure
        raise MailServerError(Code.UNAVAILABLE, "the server cannot be reached") from failure
