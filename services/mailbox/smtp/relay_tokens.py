"""Access tokens for the operator's own submission server, where it takes no password."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from pydantic import SecretStr

from services.mailbox.connection import MailServerError, OAuth2Credentials
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.refusals import as_mail_error
from services.mailbox.oauth.token_refresh import refresh_time

if TYPE_CHECKING:
    from services.mailbox.oauth.client import OAuthClient

_NEW = 60.0
"""Seconds for which a token that the server refuses is not replaced: the next one would be refused, too."""


class RelayTokens:
    """Gets tokens for the operator's application (RFC 6749 section 4.4), or by a refresh token. Keeps one until it is due."""

    def __init__(self, client: OAuthClient, refresh_token: SecretStr | None = None) -> None:
        self._client = client
        self._refresh_token = refresh_token
        self._held: OAuth2Credentials | None = None
        self._due: datetime | None = None
        self._got_at = 0.0
        self._why, self._wait_until = "", 0.0
        self._lock = asyncio.Lock()
        self.refresh_token_replaced = False
        """Whether the sign-in server answered with another refresh token. The one in the settings may end for that."""

    async def get(self, refused: OAuth2Credentials | None = None) -> OAuth2Credentials:
        """Return a token; another than the ``refused`` one, unless that one is new.

        While the sign-in server fails, a token that is due but still valid is returned.

        Raises:
            MailServerError: the sign-in server gives none.
        """
        async with self._lock:
            held = self._held
            if held is not None and held == refused:
                if monotonic() - self._got_at < _NEW:
                    return held
                held = self._held = None
            if held is not None and (self._due is None or self._due > datetime.now(UTC)):
                return held
            try:
                return await self._new()
            except MailServerError as error:
                if held is None or not error.transient or held.expires_at is None:
                    raise
                if held.expires_at <= datetime.now(UTC):
                    raise
                return held

    async def _new(self) -> OAuth2Credentials:
        if monotonic() < self._wait_until:
            raise as_mail_error(IdentityServerError(self._why, "it asked to wait"))
        try:
            if self._refresh_token is None:
                tokens = await self._client.client_credentials()
            else:
                tokens = await self._client.refresh(self._refresh_token)
                self.refresh_token_replaced = tokens.refresh_token != self._refresh_token
        except IdentityServerError as error:
            self._why, self._wait_until = error.error, monotonic() + error.pause
            raise as_mail_error(error) from error
        self._held = OAuth2Credentials(access_token=tokens.access_token, expires_at=tokens.expires_at)
        self._due = refresh_time(tokens.expires_at, datetime.now(UTC))
        self._got_at = monotonic()
        return self._held
