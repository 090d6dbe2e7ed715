"""The services at which users can sign in to their mailboxes: those of the directory that the operator set up, and the operator's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from schemas.accounts import ServerAddress
from schemas.addresses import claimed_address
from services.mailbox.connection import ConnectPolicy
from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.providers import Provider, SignIn, directory

if TYPE_CHECKING:
    from services.mailbox.oauth.client import OAuthClient

GENERIC = "generic"
"""The key of the operator's own service."""
_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""The tenant of Microsoft's personal accounts."""


@dataclass(frozen=True, slots=True)
class SignInService:
    """A service at which users sign in, and the servers that then hold their mailboxes."""

    key: str
    name: str
    app: OAuthApp
    address_claims: tuple[str, ...] = ("email",)
    provider: str = ""
    """The provider whose servers are used where the address's domain belongs to none of the service's providers."""
    imap: str = ""
    """``tls://host:port`` of the operator's own service."""
    smtp: str = ""

    @classmethod
    def listed(cls, sign_in: SignIn, client_id: str, client_secret: SecretStr, tenant: str) -> Self:
        """Return a service of the directory, with what the operator registered there."""
        names = ("issuer", "authorization", "token", "device", "revocation", "userinfo", "keys")
        return cls(
            key=sign_in.key,
            name=sign_in.name,
            app=OAuthApp(
                endpoints=Endpoints(**{name: getattr(sign_in, name).replace("{tenant}", tenant) for name in names}),
                client_id=client_id,
                client_secret=client_secret,
                scopes=sign_in.scopes,
                parameters=sign_in.parameters,
            ),
            address_claims=sign_in.address_claims,
            provider=sign_in.provider,
        )

    def address(self, claims: dict[str, Any]) -> str:
        """Return the mailbox's address as the service names it.

        Raises:
            IdentityServerError: it names none, says that the address is not verified, or does not hold its mailbox.
        """
        found = (claimed_address(str(claims.get(name, ""))) for name in self.address_claims)
        address = next(filter(None, found), None)
        if address is None:
            raise IdentityServerError("no-identity", f"{self.name} does not say which address the mailbox has")
        if str(claims.get("email_verified", True)).lower() != "true":
            raise IdentityServerError("no-identity", f"{self.name} says that {address} is not verified")
        # Anyone who once read mail at an address can have a personal account of that name. Its mailbox has another address.
        if str(claims.get("tid")) == _PERSONAL and self._provider(address) is None:
            raise IdentityServerError("no-identity", f"{self.name} holds no mailbox of {address}")
        return address

    def mailbox(self, address: str) -> MailServers:
        """Return where the mailbox of an address is."""
        if not self.provider:
            return MailServers(None, _server(self.imap, address), _server(self.smtp, address) if self.smtp else None)
        provider = self._provider(address) or directory().by_key[self.provider]
        login = provider.login_name(address)
        return MailServers(provider, provider.imap.address(login), provider.smtp.address(login))

    def _provider(self, address: str) -> Provider | None:
        """Return the service's provider to which an address's domain belongs; None if it is another's or a company's own."""
        found = directory().for_address(address)
        return found if found is not None and found.sign_in == self.key else None


@dataclass(frozen=True, slots=True)
class MailServers:
    """The servers of a mailbox whose owner signed in."""

    provider: Provider | None
    incoming: ServerAddress
    outgoing: ServerAddress | None


def _server(url: str, address: str) -> ServerAddress:
    parts = urlsplit(url)
    return ServerAddress.model_validate(
        {
            "host": parts.hostname,
            "port": parts.port,
            "tls": parts.scheme,
            "username": address,
        }
    )


class SignInServices:
    """The services that the operator set up. One per process: its clients keep what issuers publish."""

    def __init__(
        self, services: Iterable[SignInService], policy: ConnectPolicy, app_only: Iterable[SignInService] = ()
    ) -> None:
        """``app_only`` are those whose mailboxes Leadmail opens in its own name (see ``app_only``)."""
        self.by_key = {service.key: service for service in services}
        self.app_only = {service.key: service for service in app_only}
        self._policy = policy
        self._clients: dict[tuple[str, bool], OAuthClient] = {}

    def of(self, provider: Provider | None) -> SignInService | None:
        """Return the service by which the users of a mail service sign in; None if it has none or the operator set none up."""
        return self.by_key.get(provider.sign_in) if provider is not None else None

    def client(self, key: str, *, app_only: bool = False) -> OAuthClient:
        """Return the client of a service: for users' sign-ins, or for tokens in Leadmail's own name."""
        # Imported here because most commands ask no identity server, and its libraries are slow to load.
        from services.mailbox.oauth.client import OAuthClient  # noqa: PLC0415

        if (key, app_only) not in self._clients:
            service = (self.app_only if app_only else self.by_key)[key]
            self._clients[key, app_only] = OAuthClient(service.app, self._policy)
        return self._clients[key, app_only]


def what_is_missing(provider: Provider | None) -> str:
    """Return what the operator has to set so that a mail service's own sign-in is offered; empty if it has none that we know."""
    if provider is None or not provider.sign_in:
        return ""
    name = provider.sign_in.upper()
    return (
        f"The operator of Leadmail can offer it: set LEADMAIL_{name}_CLIENT_ID and LEADMAIL_{name}_CLIENT_SECRET "
        "(docs/oauth.md says how)."
    )
