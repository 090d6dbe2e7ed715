"""The directory of mail services: their servers, the log-ins they accept, and the steps that their users have to take."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from schemas.accounts import ServerAddress
from schemas.addresses import domain_of, normal_address
from schemas.base import Contract
from services.mailbox.connection import Credentials, PasswordCredentials, password

AuthKind = Literal["password", "app-password", "oauth2"]
Quirk = Literal["no_qresync", "poll", "local"]
OUR_CONNECTIONS = 2
"""Connections per account that Leadmail opens at most, whatever the service allows."""


class Endpoint(Contract):
    """A server of a mail service, without a user name."""

    host: str
    port: int
    tls: Literal["tls", "starttls"]

    def address(self, username: str) -> ServerAddress:
        """Return the server as an account keeps it."""
        return ServerAddress(host=self.host, port=self.port, tls=self.tls, username=username)


def _endpoint(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    return {"tls": parts.scheme, "host": parts.hostname, "port": parts.port}


class Provider(Contract):
    """One mail service; ``providers.toml`` explains each field."""

    key: str
    name: str
    domains: tuple[str, ...]
    mx: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    imap: Annotated[Endpoint, BeforeValidator(_endpoint)]
    smtp: Annotated[Endpoint, BeforeValidator(_endpoint)]
    username: Literal["address", "local"] = "address"
    auth: tuple[AuthKind, ...] = ("password",)
    app_password: tuple[str, ...] = ()
    app_password_url: str = ""
    app_password_format: str = ""
    imap_steps: tuple[str, ...] = ()
    imap_url: str = ""
    connections: int = Field(default=OUR_CONNECTIONS, ge=1)
    mailbox_bytes: int = Field(default=0, ge=0)
    quirks: frozenset[Quirk] = frozenset()
    note: str = ""
    sign_in: str = ""

    def login_name(self, address: str) -> str:
        """Return the login name for an address."""
        return address.partition("@")[0] if self.username == "local" else address

    @property
    def takes_account_password(self) -> bool:
        """Whether the account's own password can log in."""
        return "password" in self.auth

    @property
    def password_advice(self) -> str:
        """Say which password logs in, before the steps of ``app_password``; empty if there are none."""
        if not self.app_password:
            return ""
        if self.takes_account_password:
            return (
                f"If {self.name} refuses your account password (with two-factor login it does), create an app password:"
            )
        return f"{self.name} needs an app password here, not your account password:"

    def clean_password(self, typed: str) -> str:
        """Return an app password without the spaces it is displayed with (``abcd efgh ijkl mnop``); any other password as typed."""
        bare = "".join(typed.split())
        return bare if self.app_password_format and re.fullmatch(self.app_password_format, bare) else typed

    def is_app_password(self, typed: str) -> bool | None:
        """Whether this looks like one of the service's app passwords; None where their format is unknown."""
        return (
            bool(re.fullmatch(self.app_password_format, "".join(typed.split()))) if self.app_password_format else None
        )


class SignIn(Contract):
    """How to sign in to a service by OAuth2; ``providers.toml`` explains each field."""

    key: str
    name: str
    provider: str
    issuer: str
    authorization: str
    token: str
    device: str = ""
    revocation: str = ""
    userinfo: str = ""
    keys: str
    scopes: tuple[str, ...]
    app_only_scopes: tuple[str, ...] = ()
    parameters: dict[str, str] = Field(default_factory=dict)
    address_claims: tuple[str, ...] = ("email",)


class Directory:
    """All services, by key, domain, mail exchanger or server name."""

    def __init__(self, providers: Iterable[Provider], sign_ins: Iterable[SignIn] = ()) -> None:
        """Index the services. Raises ValueError when two claim one domain or exchanger."""
        self.sign_ins = {one.key: one for one in sign_ins}
        self.by_key = {provider.key: provider for provider in providers}
        self._domains: dict[str, Provider] = {}
        self._exchangers: dict[str, Provider] = {}
        for provider in self.by_key.values():
            _claim(self._domains, provider.domains, provider)
            _claim(self._exchangers, provider.mx, provider)
        self._hints: dict[str, Provider] = {}
        for provider in self.by_key.values():
            _claim(self._hints, provider.hints, provider)
        self._hosts: dict[str, Provider] = {}
        for provider in self.by_key.values():
            if "local" not in provider.quirks:  # many services run at 127.0.0.1
                self._hosts.setdefault(provider.imap.host, provider)

    @property
    def public_domains(self) -> frozenset[str]:
        """Domains at which anyone can have an address of one of the services."""
        return frozenset(self._domains)

    def for_address(self, address: str) -> Provider | None:
        """Return the service that owns the address's domain."""
        return self._domains.get(domain_of(normal_address(address)))

    def for_exchangers(self, exchangers: Iterable[str]) -> Provider | None:
        """Return the service of one of these mail exchangers (best first), by the longest match."""
        for exchanger in exchangers:
            labels = exchanger.rstrip(".").lower().split(".")
            for start in range(len(labels)):
                if provider := self._exchangers.get(".".join(labels[start:])):
                    return provider
        return None

    def for_hints(self, hints: Iterable[str]) -> Provider | None:
        """Return the service that these names (``Dns.hints``) point to, if they point to exactly one."""
        found = {provider.key: provider for hint in hints if (provider := self._hints.get(hint))}
        return next(iter(found.values())) if len(found) == 1 else None

    def for_server(self, host: str) -> Provider | None:
        """Return the first service with this IMAP server, for accounts whose servers were typed in."""
        return self._hosts.get(host.lower())


def _claim(index: dict[str, Provider], names: Iterable[str], provider: Provider) -> None:
    for name in names:
        if index.setdefault(name, provider) is not provider:
            raise ValueError(f"{name} belongs to {index[name].key} and to {provider.key}")


@cache
def directory() -> Directory:
    """Return the directory; it is read at the first call."""
    text = (files("services.mailbox") / "providers.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    sign_ins = tables.pop("sign-in").items()
    return Directory(
        (Provider.model_validate({"key": key, **fields}) for key, fields in tables.items()),
        (SignIn.model_validate({"key": key, **fields}) for key, fields in sign_ins),
    )


def clean_credentials(credentials: Credentials, provider: Provider | None) -> Credentials:
    """Return credentials in the form to save: an app password without the spaces that it is displayed with."""
    if provider is None or not isinstance(credentials, PasswordCredentials):
        return credentials
    return password(provider.clean_password(credentials.password.get_secret_value()))
