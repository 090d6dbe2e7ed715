"""What the identity server knows: clients, codes, tokens, and how it misbehaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oidc.core import AuthorizationCodeMixin
from joserfc.jwk import RSAKey

GRANTS = (
    *("authorization_code", "refresh_token", "client_credentials"),
    "urn:ietf:params:oauth:grant-type:device_code",
)
ASSERTIONS = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOCAL = ("http://127.0.0.1:", "http://localhost:", "https://127.0.0.1:", "https://localhost:")


@dataclass
class RegisteredApp(ClientMixin):
    """An application. Redirects lead to this machine only; the token request has to name the same one."""

    client_id: str
    secret: str
    key: RSAKey | None = None
    """The public key of a service account."""
    delegated: tuple[str, ...] = ()
    """The scopes with which a service account may act as any user."""

    def get_client_id(self) -> str:
        """Return its id."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """Return nothing: the request has to name it."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Allow every scope."""
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether the browser may be sent there."""
        return redirect_uri.startswith(_LOCAL)

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether it is this application."""
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, _endpoint: str) -> bool:
        """Whether it may authenticate so: public clients have no secret."""
        return method != "none" or not self.secret

    def check_response_type(self, response_type: str) -> bool:
        """Whether it may ask so."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may get tokens so."""
        return grant_type == ASSERTIONS if self.key else grant_type in GRANTS


@dataclass
class Code(AuthorizationCodeMixin):
    """An authorization code: used once."""

    code: str
    client_id: str
    user: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None

    def get_redirect_uri(self) -> str:
        """Return where the browser was sent."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return what was asked for."""
        return self.scope

    def get_nonce(self) -> str | None:
        """Return the nonce of the request."""
        return self.nonce

    def get_auth_time(self) -> int:
        """Return when the user signed in."""
        return int(time.time())


@dataclass
class Token(TokenMixin):
    """An access token and its refresh token."""

    access_token: str
    refresh_token: str
    client_id: str
    user: str
    scope: str
    expires_at: float
    sign_in: str
    """The same for all tokens that descend from one sign-in."""
    revoked: bool = False
    spent: str = ""
    """The refresh token that it had, if that was used once where this may happen only once."""
    replaces: Token | None = None
    """The token that ends once this one is used: a client that died before it saved this one still has that one."""

    def check_client(self, client: RegisteredApp) -> bool:
        """Whether it was given to this application."""
        return self.client_id == client.client_id

    def get_scope(self) -> str:
        """Return what it is for."""
        return self.scope

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        """Whether it was revoked."""
        return self.revoked

    def use(self) -> None:
        """Note that the client has it."""
        if self.replaces is not None:
            self.replaces.refresh_token = ""
            self.replaces = None


@dataclass
class EndpointFault:
    """How an endpoint misbehaves."""

    times: int = -1
    """How often it still does; -1 for as long as it is set."""
    status: int = 400
    error: str = ""
    description: str = ""
    retry_after: int = 0
    seconds: float = 0.0
    """How long it is silent first."""
    late: float = 0.0
    """How long the answer is held back once everything is done."""


@dataclass
class State:
    """Everything, in memory: it is gone when the process ends."""

    issuer: str
    clients: dict[str, RegisteredApp]
    key: RSAKey = field(
        default_factory=lambda: RSAKey.generate_key(2048, parameters={"use": "sig", "alg": "RS256"}, auto_kid=True)
    )
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: list[Token] = field(default_factory=list)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    approved: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """By user code, who entered it, and whether they agreed."""
    faults: dict[str, EndpointFault] = field(default_factory=dict)
    """By endpoint: ``token``, ``refresh``, ``device``, ``revoke``, ``introspect``, ``userinfo``, ``keys``, ``authorize``."""
    lifetime: int = 3600
    """Seconds for which an access token is valid."""
    rotates: bool = True
    strict: bool = False
    """Whether a refresh token ends with its first use, and another use of it is taken for theft, which ends the sign-in."""
    skew: int = 0
    """By how many seconds its clock is wrong in id_tokens."""
    is_user: Callable[[str], bool] = lambda _: False
    """Whether there is a user with an address."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims to put in the place of the right ones."""
    audiences: tuple[str, ...] = ()
    """Further URLs of its token endpoint, which service accounts may name."""
    app_user: str = ""
    opens: dict[str, str] = field(default_factory=dict)
    """The mailboxes of others that users' tokens open at the mail server, by user: it takes them for no other one."""
    """Whose mailbox the tokens of an application itself open."""
    asked: list[str] = field(default_factory=list)
    """Which endpoints were asked, in order."""

    def token(self, text: str) -> Token | None:
        """Return the token that a text is, as access or refresh token."""
        return next((one for one in self.tokens if text and text in {one.access_token, one.refresh_token}), None)

    def stolen(self, refresh_token: str) -> bool:
        """Whether a refresh token was used before. Then all tokens of its sign-in end: two use it, and one of them is a thief."""
        sign_in = next((one.sign_in for one in self.tokens if refresh_token and one.spent == refresh_token), None)
        for one in self.tokens:
            if one.sign_in == sign_in:
                one.revoked, one.refresh_token = True, ""
        return sign_in is not None

    def revoke(self, user: str) -> None:
        """Withdraw a user's consent: every token of theirs ends."""
        for one in self.tokens:
            if one.user == user:
                one.revoked, one.refresh_token = True, ""

    def expire(self, user: str) -> None:
        """End the time of a user's access tokens."""
        for one in self.tokens:
            if one.user == user:
                one.expires_at = 0.0
