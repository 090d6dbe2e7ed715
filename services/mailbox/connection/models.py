"""What opens a mailbox, and how long we wait for it.

Credentials hide their secrets in ``repr`` and ``str``, so that neither a log line nor a traceback shows one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, SecretStr

from schemas.base import Contract


class PasswordCredentials(Contract):
    """A password or an app-specific password."""

    kind: Literal["password"] = "password"
    password: SecretStr


class OAuth2Credentials(Contract):
    """Tokens of an OAuth2 sign-in (RFC 6749); the sign-in itself happens elsewhere."""

    kind: Literal["oauth2"] = "oauth2"
    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_at: AwareDatetime | None = None
    """When the access token ends; None when the provider did not say."""
    token_endpoint: str | None = None
    client_id: str | None = None


Credentials = Annotated[PasswordCredentials | OAuth2Credentials, Field(discriminator="kind")]
"""What opens a mailbox: a password or OAuth2 tokens."""


def password(secret: str) -> PasswordCredentials:
    """Return credentials of a plain or app-specific password."""
    return PasswordCredentials(password=SecretStr(secret))


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds on a connection, in seconds."""

    connect: float = 15.0
    """TCP connection, over all addresses of the name."""
    read: float = 60.0
    """One silent wait for the server, once logged in."""
    login: float = 45.0
    """Everything from the first packet to the login's answer, so that a slow drip cannot stretch it."""
