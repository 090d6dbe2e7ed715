"""Signing in at the company's identity provider: authorization code, PKCE, and a state that is bound to one browser.

Nothing is stored meanwhile. A cookie names the attempt, and only who has it and this deployment's key can make its secrets.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, unquote, urlencode

from services.console.web.forms import local_path, new_secret
from services.mailbox.connection import ConnectPolicy
from services.runtime.environment import missing
from services.settings import ConsoleSettings
from services.usecases.signing import Signer

if TYPE_CHECKING:
    from services.mailbox.oauth.client import OAuthClient

CALLBACK = "/sign-in/callback"
LASTS_S = 600
"""How many seconds a sign-in may take."""
_SCOPES = ("openid", "email", "profile")


class SignInFlow(NamedTuple):
    """One attempt to sign in."""

    cookie: str
    page: str
    """The page that the user wanted to open."""

    @classmethod
    def new(cls, page: str) -> Self:
        """Return a new attempt."""
        return cls(f"{int(time.time())}.{new_secret()}.{quote(page, safe='')}", page)

    @classmethod
    def of(cls, cookie: str) -> Self | None:
        """Return the attempt that a browser's cookie names; None if it is over."""
        started, _, rest = cookie.partition(".")
        age = time.time() - int(started) if started.isascii() and started.isdecimal() and len(started) < 12 else -1  # noqa: PLR2004
        return cls(cookie, local_path(unquote(rest.partition(".")[2]))) if 0 <= age < LASTS_S else None


class CompanySignIn:
    """Sends browsers to the identity provider, and learns from it who signed in."""

    def __init__(self, settings: ConsoleSettings, signer: Signer, policy: ConnectPolicy) -> None:
        """Build the client. Raises ``SettingsError`` if the console is not registered at the identity provider."""
        if not settings.oidc_client_id:
            raise missing(type(settings).model_fields, "oidc_client_id")
        # Imported here because few installations need it, and its libraries are slow to load.
        from services.mailbox.oauth.client import OAuthClient  # noqa: PLC0415
        from services.mailbox.oauth.endpoints import Endpoints, OAuthApp  # noqa: PLC0415

        self.name = settings.oidc_name
        self._signer = signer
        self._console = settings.console_url
        self._redirect = f"{settings.console_url}{CALLBACK}"
        self._client: OAuthClient = OAuthClient(
            OAuthApp(
                endpoints=Endpoints(issuer=settings.oidc_issuer),
                client_id=settings.oidc_client_id,
                client_secret=settings.oidc_client_secret,
                scopes=_SCOPES,
            ),
            policy,
        )

    async def url(self, flow: SignInFlow) -> str:
        """Return where to send the browser.

        Raises:
            IdentityServerError: the identity provider cannot be asked.
        """
        state, nonce, verifier = self._secrets(flow)
        return await self._client.authorization_url(
            redirect_uri=self._redirect, state=state, nonce=nonce, verifier=verifier
        )

    async def sign_out_url(self) -> str:
        """Return where to send a browser to end its session at the provider, too; empty if the provider offers that nowhere.

        Raises:
            IdentityServerError: the identity provider cannot be asked.
        """
        url = (await self._client.endpoints()).end_session
        if not url:
            return ""
        # OpenID Connect RP-Initiated Logout 1.0, without id_token_hint: no token of the provider is kept.
        back = {"client_id": self._client.app.client_id, "post_logout_redirect_uri": f"{self._console}/sign-in"}
        return f"{url}{'&' if '?' in url else '?'}{urlencode(back)}"

    def is_answer_to(self, flow: SignInFlow, state: str) -> bool:
        """Whether the identity provider answers this browser's attempt."""
        return hmac.compare_digest(self._secrets(flow)[0].encode(), state.encode())

    async def is_answered_by(self, issuer: str) -> bool:
        """Whether an answer that names an issuer, or none, is the identity provider's.

        Raises:
            IdentityServerError: it cannot be asked what it names.
        """
        return (await self._client.endpoints()).is_answered_by(issuer)

    async def claims(self, flow: SignInFlow, code: str) -> Mapping[str, Any]:
        """Return what the identity provider's id_token says about the user, with what it lacks from userinfo.

        Raises:
            IdentityServerError: it refuses, cannot be asked, or the id_token is not valid for this attempt.
        """
        from services.mailbox.oauth.errors import IdentityServerError  # noqa: PLC0415
        from services.mailbox.oauth.id_tokens import claims_of  # noqa: PLC0415

        _, nonce, verifier = self._secrets(flow)
        tokens = await self._client.exchange(code, redirect_uri=self._redirect, verifier=verifier)
        if tokens.id_token is None or not (await self._client.endpoints()).keys:
            raise IdentityServerError("no-identity", "the identity provider gives no signed id_token")
        return await claims_of(self._client, tokens, nonce=nonce)

    def _secrets(self, flow: SignInFlow) -> tuple[str, str, str]:
        state, nonce, verifier = (
            self._signer.flow_secret(purpose, flow.cookie) for purpose in ("state", "nonce", "verifier")
        )
        return state, nonce, verifier
