"""What the operator allows and how long we wait: one value that governs every connection."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from services.mailbox.connection.ip_ranges import IpNetwork
from services.mailbox.connection.netguard import NetGuard
from services.mailbox.connection.tls import client_context


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds on a connection, in seconds."""

    connect: float = 15.0
    """For the TCP connection, over all addresses of the name together."""
    read: float = 60.0
    """For one silent wait for the server, once logged in."""
    login: float = 45.0
    """From the first packet to the answer to the login, so that a server that drips bytes cannot stretch it."""


@dataclass(frozen=True, slots=True)
class ConnectPolicy:
    """Built once in ``__main__`` and shared by all connections of the process, because a TLS context is expensive."""

    guard: NetGuard
    tls: ssl.SSLContext = field(repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)
    allow_plaintext: bool = False
    """``LEADMAIL_ALLOW_PLAINTEXT``: whether connections without encryption are possible. For tests and the demo."""

    @classmethod
    def build(
        cls,
        *,
        allow_networks: tuple[IpNetwork, ...] = (),
        ca_file: str | Path | None = None,
        allow_plaintext: bool = False,
        timeouts: Timeouts | None = None,
    ) -> Self:
        """Return the policy of the settings (``LEADMAIL_ALLOW_NETWORKS``, ``LEADMAIL_CA_FILE`` …).

        Raises:
            ValueError: the CA file is invalid; the message says why.
        """
        return cls(
            guard=NetGuard(allow=allow_networks),
            tls=client_context(ca_file),
            timeouts=timeouts or Timeouts(),
            allow_plaintext=allow_plaintext,
        )
