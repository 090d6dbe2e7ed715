"""The refresh token of the operator's own submission server: it may rotate, and the settings have only the first one.

What the sign-in server gives is kept sealed, where all processes find it. The key follows from the first token, so that only they can
open it, and another token in the settings is another start.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pydantic import SecretStr

from schemas.accounts import KeptToken
from services.mailbox.connection import OAuth2Credentials, SecretBox
from services.mailbox.oauth.token_refresh import CLAIM, LOOK, finished, persistently, refresh_time

if TYPE_CHECKING:
    from services.mailbox.oauth.client import OAuthClient


class RelayToken(NamedTuple):
    """An access token, and when it is due."""

    credentials: OAuth2Credentials
    due: datetime | None
    new: bool
    """Whether the sign-in server gave it just now: if the relay refuses it, another one would be refused, too."""


class RelayTokenStore(Protocol):
    """Where the token is kept, under a key that tells nothing about it."""

    async def current(self, key: str) -> KeptToken | None:
        """Return what is kept; None before the first refresh."""

    async def claim(self, key: str, held: KeptToken | None, *, lasts: timedelta) -> bool:
        """Claim the refresh of what is kept. False if another process has it, or has refreshed it."""

    async def release(self, key: str, held: KeptToken | None) -> None:
        """Give a claim back: no new token came."""

    async def save(self, key: str, held: KeptToken | None, new: KeptToken) -> bool:
        """Keep a new token instead. False if another process did that before."""


class RelayRefresher:
    """Refreshes the token, in one process at a time, and keeps the result before it is used."""

    def __init__(self, client: OAuthClient, first: SecretStr, store: RelayTokenStore) -> None:
        named = (client.app.endpoints.token, client.app.client_id, first.get_secret_value())
        self._client = client
        self._first = first
        self._store = store
        self._box = SecretBox.from_keys(hashlib.sha256("\0".join(named).encode()).digest())
        self._key = self._box.current

    async def get(self, refused: SecretStr | None) -> RelayToken:
        """Return a token that is neither due nor ``refused``.

        Raises:
            IdentityServerError: the sign-in server gives none.
        """
        while True:
            kept = await self._store.current(self._key)
            held = None if kept is None else self._open(kept)
            if kept and held and held.access_token != refused and not _is_due(kept):
                return RelayToken(held, kept.refresh_at, new=False)
            if await self._store.claim(self._key, kept, lasts=CLAIM):
                return await finished(self._renew(kept, held))
            await asyncio.sleep(LOOK)

    async def _renew(self, kept: KeptToken | None, held: OAuth2Credentials | None) -> RelayToken:
        claimed_until = monotonic() + CLAIM.total_seconds()
        try:
            tokens = await self._client.refresh((held.refresh_token if held else None) or self._first)
        except BaseException:
            await self._store.release(self._key, kept)
            raise
        found = OAuth2Credentials(
            access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_at=tokens.expires_at
        )
        due = refresh_time(tokens.expires_at, datetime.now(UTC))
        new = KeptToken(credentials=self._box.seal(self._key, found), refresh_at=due)
        await persistently(lambda: self._store.save(self._key, kept, new), claimed_until)
        return RelayToken(found, due, new=True)

    def _open(self, kept: KeptToken) -> OAuth2Credentials:
        found = self._box.open(self._key, kept.credentials)
        assert isinstance(found, OAuth2Credentials)
        return found


def _is_due(kept: KeptToken) -> bool:
    return kept.refresh_at is not None and kept.refresh_at <= datetime.now(UTC)
