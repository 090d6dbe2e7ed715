"""Passwords and tokens. They hide their secrets in ``repr`` and ``str``, so that no log line or traceback shows one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, SecretStr

from schemas.base import Contract


class PasswordCredentials(Contract):
    """A password or an app-specific password."""

    kind: Literal["password"] = "password"
    password: SecretStr


class OAuth2Credentials(Contract):
    """Tokens of an OAuth2 sign-in (RFC 6749)."""

    kind: Literal["oauth2"] = "oauth2"
    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: AwareDatetime | None = None
    """When the access token expires; None when the provider does not say."""
    token_endpoint: str | None = None
    client_id: str | None = None
    provider: str | None = None
    """The key of the sign-in service that gave the tokens, and that refreshes them."""
    mailbox: str | None = None
    """The mailbox that Leadmail opens in its own name: there is no refresh token, new tokens are asked for. None after a sign-in."""


Credentials = Annotated[PasswordCredentials | OAuth2Credentials, Field(discriminator="kind")]
"""What opens a mailbox: a password or OAuth2 tokens."""


def password(secret: str) -> PasswordCredentials:
    """Return credentials of a plain or app-specific password."""
    return PasswordCredentials(password=SecretStr(secret))
