"""The servers of an address: what was typed, over what is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from schemas.accounts import ServerAddress, Tls
from schemas.sharing import excludable_domain
from services.mailbox.connection import ConnectPolicy
from services.mailbox.providers import Provider, directory

if TYPE_CHECKING:
    from services.mailbox.discovery import Discovered

Protocol = Literal["imap", "smtp"]
PORTS: dict[Protocol, dict[str, int]] = {
    "imap": {"tls": 993, "starttls": 143, "none": 143},
    "smtp": {"tls": 465, "starttls": 587, "none": 25},
}


_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """What was typed about one server; empty parts are filled in."""

    host: str | None
    port: int | None
    tls: Tls | None

    def over(self, found: ServerAddress | None, protocol: Protocol, username: str) -> ServerAddress | None:
        """Return the server: what was typed, over what was found. None when nothing is known of it."""
        if self.host is None and found is None:
            return None
        base = found if found is not None and self.host is None else None
        tls: Tls = self.tls or (base.tls if base else "tls")
        port = self.port or (base.port if base and base.tls == tls else PORTS[protocol][tls])
        host = self.host or (base.host if base else "")
        return ServerAddress(host=host, port=port, tls=tls, username=username)


def read_host(typed: str) -> str:
    """Return a server's name as it was typed.

    Raises:
        ValueError: it is none; the text says what to give.
    """
    if not typed or any(char.isspace() or char in "/:@" for char in typed):
        raise ValueError("give a server's name, such as imap.example.com")
    return typed


def read_port(typed: str) -> int:
    """Return a port as it was typed.

    Raises:
        ValueError: it is none; the text says what to give.
    """
    if typed.isdecimal() and 0 < int(typed) <= _MAX_PORT:
        return int(typed)
    raise ValueError(f"a port is a number from 1 to {_MAX_PORT}")


def read_domains(typed: str) -> tuple[str, ...]:
    """Return the domains that are to be excluded as they were typed, separated by blanks or commas.

    Raises:
        InvalidDomainError: one is no domain that can be excluded.
    """
    return tuple(excludable_domain(domain) for domain in typed.replace(",", " ").split())


async def find(address: str, provider: Provider | None, *, policy: ConnectPolicy, look: bool) -> Discovered:
    """Return what is known of an address's servers.

    Args:
        address: normal form.
        provider: the one that was named, if one was.
        policy: for the connections that the search makes.
        look: ask the network when the directory does not know the address.
    """
    # Only here: of all account commands only this one asks the DNS, whose library is not quick to load.
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
        return await Discovery(Dns(), HttpsGet(policy), policy).discover(address)
    return Discovered(address=address, provider=None, incoming=None, outgoing=None, auth=("password",), source="none")
