"""The grant by which a service account acts as any user."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidGrantError, UnauthorizedClientError
from authlib.oauth2.rfc7523 import JWTBearerGrant

from testbed.identity.state import RegisteredApp

_HOUR = 3600


class Assertions(JWTBearerGrant):
    """Assertions of service accounts (RFC 7523), as Google takes them: the scope is in the claims, and delegated to the account."""

    LEEWAY = 0
    CLAIMS_OPTIONS = {  # noqa: RUF012 - as authlib has it
        **JWTBearerGrant.CLAIMS_OPTIONS,
        "iat": {"essential": True},
        "sub": {"essential": True},
        "scope": {"essential": True},
    }

    def resolve_issuer_client(self, issuer: str) -> RegisteredApp | None:
        """Return the service account that signs."""
        found: RegisteredApp | None = self.server.state.clients.get(issuer)
        return found if found is not None and found.key is not None else None

    def resolve_client_public_key(self, client: RegisteredApp) -> Any:
        """Return its key."""
        return client.key

    def get_audiences(self) -> list[str]:
        """Return the token endpoint, the only audience; it may be reached by other URLs, too."""
        return [f"{self.server.state.issuer}/token", *self.server.state.audiences]

    def verify_claims(self, claims: Any) -> None:
        """Refuse assertions that last longer than an hour, and scopes that nobody delegated to the account."""
        super().verify_claims(claims)
        if claims["exp"] - claims["iat"] > _HOUR:
            raise InvalidGrantError(description="Invalid JWT: Token must be a short-lived token (60 minutes)")
        client = self.resolve_issuer_client(claims["iss"])
        if client is None or not set(str(claims["scope"]).split()) <= set(client.delegated):
            raise UnauthorizedClientError(
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of"
                " the scopes requested."
            )

    def authenticate_user(self, subject: str) -> str | None:
        """Return the user whose mailbox it is about."""
        if not self.server.state.is_user(subject):
            raise InvalidGrantError(description="Invalid email or User ID")
        return subject

    def has_granted_permission(self, _client: RegisteredApp, _user: str) -> bool:
        """Whether the account may act as a user: the scopes decide."""
        return True
