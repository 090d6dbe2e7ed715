"""The client of an identity server: authorization code with PKCE, device code, client credentials, refresh, revocation."""

from __future__ import annotations

import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from pydantic import SecretStr

from services.mailbox.connection import ConnectPolicy
from services.mailbox.oauth.answers import (
    DeviceCode,
    Tokens,
    asked,
    json_object,
    read_device_code,
    read_tokens,
    refused,
)
from services.mailbox.oauth.endpoints import WELL_KNOWN, Endpoints, OAuthApp
from services.mailbox.oauth.errors import UNREADABLE, IdentityServerError
from services.mailbox.oauth.guarded_http import GuardedTransport

with warnings.catch_warnings(record=True):  # it says that it prefers another library to httpx
    from authlib.integrations.httpx_client import AsyncOAuth2Client

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_KEEPS = 3600.0
"""Seconds for which a configuration document is kept."""
_OK = 200
_SLOW_DOWN = 5.0


class OAuthClient:
    """Asks one identity server as one application. Keeps no connection open and no token."""

    def __init__(self, app: OAuthApp, policy: ConnectPolicy) -> None:
        self.app = app
        self.policy = policy
        self._published: Endpoints | None = None
        self._published_at = 0.0

    async def endpoints(self) -> Endpoints:
        """Return the endpoints, as configured or as the issuer publishes them.

        Raises:
            IdentityServerError: the issuer does not answer as it has to.
        """
        configured = self.app.endpoints
        if configured.keys or not configured.issuer:
            return configured
        if self._published is None or time.monotonic() - self._published_at > _KEEPS:
            document = await self.get_json(configured.issuer.rstrip("/") + WELL_KNOWN)
            self._published = Endpoints.published(document, configured.issuer)
            self._published_at = time.monotonic()
        return configured.over(self._published)

    async def authorization_url(
        self, *, redirect_uri: str, state: str, nonce: str, verifier: str, login_hint: str = ""
    ) -> str:
        """Return where to send the user's browser. PKCE uses S256 (RFC 7636)."""
        endpoints = await self.endpoints()
        hint = {"login_hint": login_hint} if login_hint else {}
        async with self._session(code_challenge_method="S256", redirect_uri=redirect_uri) as session:
            url, _ = session.create_authorization_url(
                endpoints.authorization,
                state=state,
                code_verifier=verifier,
                nonce=nonce,
                **{**self.app.parameters, **hint},
            )
        return str(url)

    async def exchange(self, code: str, *, redirect_uri: str, verifier: str) -> Tokens:
        """Return the tokens for an authorization code.

        Raises:
            IdentityServerError: the server refuses, or cannot be asked.
        """
        return await self._tokens(
            code,
            verifier,
            grant_type="authorization_code",
            code=code,
            redirect_uri=redirect_uri,
            code_verifier=verifier,
        )

    async def client_credentials(self) -> Tokens:
        """Return a token for the application itself (RFC 6749 section 4.4).

        Raises:
            IdentityServerError: the server refuses, or cannot be asked.
        """
        return await self._tokens(grant_type="client_credentials")

    async def device_code(self) -> DeviceCode:
        """Return a code for a user whose browser is on another device.

        Raises:
            IdentityServerError: the server refuses, has no such sign-in, or cannot be asked.
        """
        endpoints = await self.endpoints()
        if not endpoints.device:
            raise IdentityServerError("unsupported", "the service has no sign-in by device code")
        fields = {"client_id": self.app.client_id, "scope": " ".join(self.app.scopes)}
        async with self._session() as session:
            auth = session.client_auth(session.token_endpoint_auth_method)
            answer = await asked(session.post(endpoints.device, data=fields, auth=auth), *self._secrets)
        document = json_object(answer)
        if answer.status_code != _OK or "error" in document:
            raise refused(document)
        return read_device_code(document)

    async def poll(self, code: DeviceCode) -> tuple[Tokens | None, float]:
        """Return the tokens, or None and by how many seconds to wait longer, while the user has not entered the code.

        Raises:
            IdentityServerError: the user declined, the code expired, or the server cannot be asked.
        """
        secret = code.device_code.get_secret_value()
        try:
            return await self._tokens(secret, grant_type=DEVICE_GRANT, device_code=secret), 0.0
        except IdentityServerError as error:
            if error.error == "authorization_pending":
                return None, 0.0
            if error.error == "slow_down":
                return None, _SLOW_DOWN
            raise

    async def refresh(self, refresh_token: SecretStr) -> Tokens:
        """Return new tokens. The refresh token is the old one if the server does not rotate it.

        Raises:
            IdentityServerError: the server refuses, or cannot be asked.
        """
        secret = refresh_token.get_secret_value()
        url = (await self.endpoints()).token
        async with self._session() as session:
            session.token = {"refresh_token": secret}
            found = await asked(session.refresh_token(url, refresh_token=secret), secret, *self._secrets)
        tokens = read_tokens(found)
        return tokens if tokens.refresh_token else tokens.model_copy(update={"refresh_token": refresh_token})

    async def revoke(self, token: SecretStr) -> bool:
        """Revoke a token and all that belongs to its sign-in. Returns whether the service offers that.

        Raises:
            IdentityServerError: the server refuses, or cannot be asked.
        """
        url = (await self.endpoints()).revocation
        if not url:
            return False
        secret = token.get_secret_value()
        async with self._session() as session:
            answer = await asked(session.revoke_token(url, token=secret), secret, *self._secrets)
        if answer.status_code != _OK:
            raise refused(json_object(answer))
        return True

    async def get_json(self, url: str, *, bearer: SecretStr | None = None) -> dict[str, Any]:
        """Return a JSON object that the identity server publishes, or shows to the bearer of a token.

        Raises:
            IdentityServerError: it cannot be fetched or understood.
        """
        headers = {"Authorization": f"Bearer {bearer.get_secret_value()}"} if bearer else {}
        async with httpx.AsyncClient(transport=GuardedTransport(self.policy), trust_env=False) as session:
            answer = await asked(session.get(url, headers=headers))
        if answer.status_code != _OK:
            raise IdentityServerError(UNREADABLE, f"{answer.url.host} answers {answer.status_code}")
        return json_object(answer)

    async def _tokens(self, *secrets: str, **fields: str) -> Tokens:
        url = (await self.endpoints()).token
        async with self._session() as session:
            found = await asked(session.fetch_token(url, **fields), *secrets, *self._secrets)
        return read_tokens(found)

    @property
    def _secrets(self) -> tuple[str, ...]:
        secret = self.app.client_secret
        return (secret.get_secret_value(),) if secret else ()

    @asynccontextmanager
    async def _session(self, **more: str) -> AsyncIterator[Any]:
        """Yield a session of authlib through the network guard."""
        app = self.app
        async with AsyncOAuth2Client(
            client_id=app.client_id,
            client_secret=app.client_secret.get_secret_value() if app.client_secret else None,
            scope=" ".join(app.scopes),
            transport=GuardedTransport(self.policy),
            trust_env=False,
            **more,
        ) as session:
            yield session
