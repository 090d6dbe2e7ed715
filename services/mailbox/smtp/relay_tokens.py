"""Access tokens for the operator's own submission server, where it takes no password."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from services.mailbox.connection import MailServerError, OAuth2Credentials
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.refusals import as_mail_error
from services.mailbox.oauth.token_refresh import refresh_time

if TYPE_CHECKING:
    from services.mailbox.oauth.client import OAuthClient
    from services.mailbox.smtp.relay_refresher import RelayRefresher

_NEW = 60.0
"""Seconds for which a token that the server refuses is not replaced: the next one would be refused, too."""


class RelayTokens:
    """Gets tokens for the operator's application (RFC 6749 section 4.4), or by a refresh token. Holds one until it is due."""

    def __init__(self, client: OAuthClient, refresher: RelayRefresher | None = None) -> None:
        self._client = client
        self._refresher = refresher
        self._held: OAuth2Credentials | None = None
        self._due: datetime | None = None
        self._got_at = -math.inf
        self._why, self._wait_until = "", 0.0
        self._lock = asyncio.Lock()

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
                return await self._new(refused)
            except MailServerError as error:
                if held is None or not error.transient or held.expires_at is None:
                    raise
                if held.expires_at <= datetime.now(UTC):
                    raise
                return held

    async def _new(self, refused: OAuth2Credentials | None) -> OAuth2Credentials:
        if monotonic() < self._wait_until:
            raise as_mail_error(IdentityServerError(self._why, "it asked to wait"))
        try:
            if self._refresher is None:
                tokens = await self._client.client_credentials()
                found = OAuth2Credentials(access_token=tokens.access_token, expires_at=tokens.expires_at)
                due, new = refresh_time(tokens.expires_at, datetime.now(UTC)), True
            else:
                found, due, new = await self._refresher.get(refused.access_token if refused else None)
        except IdentityServerError as error:
            self._why, self._wait_until = error.error, monotonic() + error.pause
            raise as_mail_error(error) from error
        self._held, self._due, self._got_at = found, due, monotonic() if new else -math.inf
        return found
