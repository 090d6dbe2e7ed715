"""What all hosted servers have in common, in either way of hosting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

#: Everything is bound to, or published on, this address only: the servers are for the machine they run on.
LOOPBACK = "127.0.0.1"
#: The mail servers that can be hosted. The first one is the default.
MAIL_SERVERS = ("dovecot", "cyrus", "courier")


class HostingError(RuntimeError):
    """A server cannot be hosted here; the message says why and what to do."""


class Part(Protocol):
    """One hosted server. Its ports and data stay the same over any sequence of stops, kills and starts."""

    def start(self) -> None:
        """Start, and return once the server answers. Raises HostingError when it does not in time."""

    def stop(self) -> None:
        """End in order, as an operator would; harmless when not running. Data is kept."""

    def kill(self) -> None:
        """End at once, as a power cut would; harmless when not running. Data on disk is kept."""

    def close(self) -> None:
        """End permanently, and release what the part holds outside its folder."""

    def log(self) -> str:
        """Return the last lines that the server wrote, for error messages."""


@dataclass(frozen=True, slots=True)
class ImapEndpoint:
    """Where the IMAP server listens: `port` speaks plain text and STARTTLS, `tls_port` TLS from the first byte."""

    host: str
    port: int
    tls_port: int
    ca_file: Path


@dataclass(frozen=True, slots=True)
class SmtpEndpoint:
    """Where the SMTP sink listens: `port` speaks plain text and STARTTLS, `tls_port` TLS from the first byte."""

    host: str
    port: int
    tls_port: int
    ca_file: Path


@dataclass(frozen=True, slots=True)
class LmtpEndpoint:
    """Where the mail server takes deliveries (RFC 2033)."""

    host: str
    port: int
