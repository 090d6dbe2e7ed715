"""The mail servers of an address: what the user typed takes precedence over what discovery finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from schemas.accounts import ServerAddress, Tls
from schemas.addresses import excludable_domain
from services.mailbox.connection import ConnectPolicy, Protocol
from services.mailbox.popular import PopularService
from services.mailbox.providers import Provider, directory

if TYPE_CHECKING:
    from services.mailbox.discovery import Discovered

PORTS: dict[Protocol, dict[str, int]] = {
    "imap": {"tls": 993, "starttls": 143, "none": 143},
    "smtp": {"tls": 465, "starttls": 587, "none": 25},
}


_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """What the user typed about one server. Discovery and defaults fill in the empty parts."""

    host: str | None
    port: int | None
    tls: Tls | None

    def over(self, found: ServerAddress | None, protocol: Protocol, username: str) -> ServerAddress | None:
        """Return the server from what was typed and what was found; None if neither names one."""
        if self.host is None and found is None:
            return None
        base = found if found is not None and self.host is None else None
        tls: Tls = self.tls or (base.tls if base else "tls")
        port = self.port or (base.port if base and base.tls == tls else PORTS[protocol][tls])
        host = self.host or (base.host if base else "")
        return ServerAddress(host=host, port=port, tls=tls, username=username)

    def instead_of(self, server: ServerAddress, protocol: Protocol, username: str | None) -> ServerAddress:
        """Return a server with what was typed in place of its own. Another encryption has its usual port."""
        usual = server.port if self.tls in {None, server.tls} else PORTS[protocol][self.tls or server.tls]
        return ServerAddress(
            host=self.host or server.host,
            port=self.port or usual,
            tls=self.tls or server.tls,
            username=username or server.username,
        )


def read_host(typed: str) -> str:
    """Return the name of a server if what was typed is one.

    Raises:
        ValueError: it is not valid; the text says what to enter.
    """
    if not typed or any(char.isspace() or char in "/:@" for char in typed):
        raise ValueError("enter the name of a server, such as imap.example.com")
    return typed


def read_server(typed: str) -> ServerChoice:
    """Return the server that was typed: a name, ``name:port``, or ``tls://name:port`` with the encryption.

    Raises:
        ValueError: it is not valid; the text says what to enter.
    """
    scheme, found, rest = typed.partition("://")
    encryption = next((tls for tls in get_args(Tls) if tls == scheme.lower()), None) if found else None
    if found and encryption is None:
        raise ValueError(f"begin with {', '.join(f'{tls}://' for tls in get_args(Tls))} or with the name")
    name, colon, port = (rest if found else typed).partition(":")
    return ServerChoice(read_host(name), read_port(port) if colon else None, encryption)


def read_port(typed: str) -> int:
    """Return the port that was typed.

    Raises:
        ValueError: it is not valid; the text says what to enter.
    """
    if typed.isdecimal() and 0 < int(typed) <= _MAX_PORT:
        return int(typed)
    raise ValueError(f"enter a port number from 1 to {_MAX_PORT}")


def read_domains(typed: str) -> tuple[str, ...]:
    """Return the domains to exclude from a list separated by spaces or commas.

    Raises:
        InvalidDomainError: one of them is not a domain that can be excluded.
    """
    return tuple(excludable_domain(domain) for domain in typed.replace(",", " ").split())


async def is_declared(address: str, server: ServerAddress, *, policy: ConnectPolicy) -> bool:
    """Whether the domain of an address says itself that a server serves its mail (see ``Discovery.declares``)."""
    from services.mailbox.discovery import Discovery, Dns, HttpsGet  # noqa: PLC0415 - as in ``find``

    return await Discovery(Dns(), HttpsGet(policy), policy).declares(address, server)


async def find(
    address: str,
    provider: Provider | None,
    *,
    policy: ConnectPolicy,
    look: bool,
    chosen: PopularService | None = None,
) -> Discovered:
    """Return what is known about the servers of an address.

    Args:
        address: the mailbox's address.
        provider: its service if it is known for sure: nothing else counts then.
        policy: for connections.
        look: whether to ask the network if the directory does not know the address.
        chosen: the service that the user chose: what the address's own domain declares takes precedence.
    """
    # Imported here because no other account command asks the DNS, whose library is slow to load.
    from services.mailbox.discovery import (  # noqa: PLC0415
        Discovered,
        Discovery,
        Dns,
        HttpsGet,
        of_provider,
    )

    known = provider or directory().for_address(address)
    if known is not None:
        return of_provider(address, known, "directory")
    if look:
        found = await Discovery(Dns(), HttpsGet(policy), policy).discover(address)
        if chosen is None or found.source not in ("guess", "none"):
            return found
    if chosen is not None:
        return of_provider(address, chosen.for_company, "directory")
    return Discovered(address=address, provider=None, incoming=None, outgoing=None, auth=("password",), source="none")
