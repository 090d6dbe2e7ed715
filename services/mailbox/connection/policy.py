"""What the operator allows, and how long we wait: one value that every connection is made under."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from services.mailbox.connection.ip_ranges import parse_networks
from services.mailbox.connection.models import Timeouts
from services.mailbox.connection.netguard import NetGuard
from services.mailbox.connection.tls import client_context


@dataclass(frozen=True, slots=True)
class ConnectPolicy:
    """Built once in ``__main__``, shared by all connections of the process (the TLS context is what makes sharing pay)."""

    guard: NetGuard
    tls: ssl.SSLContext = field(repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)
    allow_plaintext: bool = False
    """``LEADMAIL_ALLOW_PLAINTEXT``: whether ``none`` may be chosen at all. For tests and the demo."""

    @classmethod
    def build(
        cls,
        *,
        allow_networks: str = "",
        ca_file: str | Path | None = None,
        allow_plaintext: bool = False,
        timeouts: Timeouts | None = None,
    ) -> Self:
        """Return the policy that the settings describe (``LEADMAIL_ALLOW_NETWORKS``, ``LEADMAIL_CA_FILE``, ...).

        Raises:
            ValueError: a network or the CA file is wrong; the message says which.
        """
        return cls(
            guard=NetGuard(allow=parse_networks(allow_networks)),
            tls=client_context(ca_file),
            timeouts=timeouts or Timeouts(),
            allow_plaintext=allow_plaintext,
        )
