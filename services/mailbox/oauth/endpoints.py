"""An application at an identity server: the endpoints, and how the server knows the application."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator

from schemas.base import Contract
from services.mailbox.oauth.errors import UNREADABLE, IdentityServerError

WELL_KNOWN = "/.well-known/openid-configuration"


class Endpoints(Contract):
    """Where an identity server is asked (RFC 8414). An empty URL means that it does not offer this."""

    issuer: str = ""
    """As it stands in the server's id_tokens. Microsoft's has ``{tenantid}`` in it."""
    authorization: str = ""
    token: str = ""
    device: str = ""
    revocation: str = ""
    userinfo: str = ""
    keys: str = ""
    end_session: str = ""
    names_issuer: bool = False
    """Whether it says in the browser's address which issuer answers (RFC 9207)."""

    @classmethod
    def published(cls, document: object, issuer: str) -> Self:
        """Return what an issuer's configuration document says (OpenID Connect Discovery 1.0).

        Raises:
            IdentityServerError: it is not the document of this issuer.
        """
        fields = {
            "authorization": "authorization_endpoint",
            "token": "token_endpoint",
            "device": "device_authorization_endpoint",
            "revocation": "revocation_endpoint",
            "userinfo": "userinfo_endpoint",
            "keys": "jwks_uri",
            "end_session": "end_session_endpoint",
        }
        known = document if isinstance(document, dict) else {}
        named = known.get("issuer")
        if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
            raise IdentityServerError(UNREADABLE, f"{issuer}{WELL_KNOWN} does not describe this issuer")
        try:
            urls = {name: known.get(key, "") for name, key in fields.items()}
            names = known.get("authorization_response_iss_parameter_supported") is True
            return cls.model_validate({"issuer": named, "names_issuer": names, **urls})
        except ValidationError as error:
            raise IdentityServerError(UNREADABLE, f"{issuer}{WELL_KNOWN} cannot be understood") from error

    def is_answered_by(self, issuer: str) -> bool:
        """Whether an answer in a browser's address is from this server, by the issuer that it names (RFC 9207 section 2.4)."""
        if not issuer:
            return not self.names_issuer
        return "{" in self.issuer or issuer.rstrip("/") == self.issuer.rstrip("/")

    def over(self, other: Endpoints) -> Endpoints:
        """Return these endpoints, and the other's where these have none."""
        return other.model_copy(update={name: value for name, value in self if value})


class OAuthApp(Contract):
    """An application as it is registered at an identity server."""

    endpoints: Endpoints
    """With an issuer and no keys, the rest is read from the issuer's configuration document."""
    client_id: str
    client_secret: SecretStr | None = None
    scopes: tuple[str, ...] = ("openid", "email")
    parameters: dict[str, str] = Field(default_factory=dict)
    """Further parameters of the authorization request, such as ``access_type=offline``."""
    signing_key: SecretStr | None = None
    """The private key (PEM) of a service account, which may ask for tokens of any mailbox (RFC 7523)."""
    key_id: str = ""

    @field_validator("client_secret")
    @classmethod
    def _none_if_empty(cls, secret: SecretStr | None) -> SecretStr | None:
        """An application of which no secret is configured has none: it is a public client."""
        return secret if secret and secret.get_secret_value() else None

    @property
    def host(self) -> str:
        """The identity server's name, for messages."""
        endpoints = self.endpoints
        return urlsplit(endpoints.authorization or endpoints.issuer or endpoints.token).hostname or ""
