"""Tokens that are due are refreshed, by one process at a time, and saved before they are used: refresh tokens may rotate.

Where Leadmail opens a mailbox in its own name, it asks for new tokens instead, by the same rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog
from pydantic import SecretStr

from schemas.accounts import Account, Lease, SealedCredentials
from schemas.errors import LeadmailError
from services.mailbox.connection import Code, Credentials, MailServerError, OAuth2Credentials, SecretBox
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.refusals import as_mail_error
from services.mailbox.oauth.sign_in_services import SignInServices

if TYPE_CHECKING:
    from services.mailbox.oauth.answers import Tokens

T = TypeVar("T")
EARLY = timedelta(minutes=5)
CLAIM = timedelta(minutes=1)
"""How long a process that died keeps others from refreshing. One that lives gives up before."""
LOOK = 0.2
"""How many seconds to wait until looking again for what another process saves."""
_LONGEST_PAUSE = 5.0
log = structlog.get_logger(__name__)


class TokenStore(Protocol):
    """Where tokens are kept."""

    async def claim(self, account: Account, *, lasts: timedelta) -> bool:
        """Claim the refresh of the account's tokens. False if another process has it, or the credentials were replaced."""

    async def release(self, account: Account) -> None:
        """Give a claim back without new tokens."""

    async def save(
        self, account: Account, credentials: SealedCredentials, *, refresh_at: datetime | None, lease: Lease | None
    ) -> Account | None:
        """Replace the account's credentials by compare-and-set; under a lease, only while it holds. None if they were replaced."""

    async def current(self, account: str) -> Account:
        """Return the account as it is stored."""

    async def is_signed_in(self, account: Account) -> bool:
        """Whether the account, or another one under its address, is still connected by a sign-in."""


def refresh_time(expires_at: datetime | None, now: datetime) -> datetime | None:
    """Return when tokens have to be refreshed: five minutes early, or at half of a short life."""
    return None if expires_at is None else max(expires_at - EARLY, now + (expires_at - now) / 2)


class TokenRefresher:
    """Opens credentials, with fresh tokens where they are tokens."""

    def __init__(self, services: SignInServices, box: SecretBox, store: TokenStore) -> None:
        self._services = services
        self._box = box
        self._store = store

    async def open(
        self, account: Account, *, lease: Lease | None = None, refused: SecretStr | None = None
    ) -> tuple[Account, Credentials]:
        """Return the account as it is stored now, and what opens its mailbox.

        While the token server fails, a token that is due but still valid is returned. ``refused`` is an access token that the
        mail server did not accept: it is never returned.

        Raises:
            MailServerError: the tokens cannot be refreshed.
            SealError: the credentials cannot be decrypted.
        """
        credentials = self._box.open(account.id, account.credentials)
        if not isinstance(credentials, OAuth2Credentials) or not (_due(account) or _is(credentials, refused)):
            return account, credentials
        try:
            return await self.refresh(account, lease=lease, refused=refused)
        except MailServerError as error:
            expires = credentials.expires_at
            if not error.transient or refused is not None or expires is None or expires <= datetime.now(UTC):
                raise
            return account, credentials

    async def refresh(
        self, account: Account, *, lease: Lease | None = None, refused: SecretStr | None = None
    ) -> tuple[Account, Credentials]:
        """Refresh tokens that are due or ``refused``; if another process does, wait for what it saves. See ``open``."""
        while not await self._store.claim(account, lasts=CLAIM):
            await asyncio.sleep(LOOK)
            account = await self._store.current(account.id)
            credentials = self._box.open(account.id, account.credentials)
            if not isinstance(credentials, OAuth2Credentials) or not (_due(account) or _is(credentials, refused)):
                return account, credentials
        return await finished(self._renew(account, lease))

    async def _renew(self, account: Account, lease: Lease | None) -> tuple[Account, Credentials]:
        claimed_until = monotonic() + CLAIM.total_seconds()
        before = self._box.open(account.id, account.credentials)
        assert isinstance(before, OAuth2Credentials)
        try:
            tokens = await self._ask(before)
        except BaseException:
            await self._store.release(account)
            raise
        after = before.model_copy(
            update={
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "expires_at": tokens.expires_at,
            }
        )
        refresh_at = refresh_time(tokens.expires_at, datetime.now(UTC))
        sealed = self._box.seal(account.id, after)
        saved = await persistently(
            lambda: self._store.save(account, sealed, refresh_at=refresh_at, lease=lease), claimed_until
        )
        if saved is None:  # the owner signed in again meanwhile, entered a password, or disconnected the mailbox
            if after.mailbox is None and not await self._store.is_signed_in(account):
                await self._revoke(after)
            account = await self._store.current(account.id)
            return account, self._box.open(account.id, account.credentials)
        return saved, after

    async def _revoke(self, tokens: OAuth2Credentials) -> None:
        """Revoke tokens that no mailbox uses. A service that does not answer is logged: nothing keeps the tokens."""
        key = tokens.provider or ""
        try:
            await self._services.client(key).revoke(tokens.refresh_token or tokens.access_token)
        except IdentityServerError as error:
            log.warning("tokens that no mailbox uses are not revoked", service=key, error=str(error))

    async def _ask(self, before: OAuth2Credentials) -> Tokens:
        key, app_only = before.provider or "", before.mailbox is not None
        if key not in (self._services.app_only if app_only else self._services.by_key):
            raise MailServerError(Code.APP_REFUSED, f"the sign-in service {key} is not set up in this process")
        client = self._services.client(key, app_only=app_only)
        try:
            if before.mailbox is not None:
                # Imported here because most processes have no such mailbox, and its libraries are slow to load.
                from services.mailbox.oauth.own_tokens import own_tokens  # noqa: PLC0415

                return await own_tokens(client, before.mailbox)
            if before.refresh_token is None:
                raise MailServerError(Code.OAUTH2_EXPIRED, "the service gave no refresh token")
            return await client.refresh(before.refresh_token)
        except IdentityServerError as error:
            raise as_mail_error(error, app_only=app_only) from error


async def finished(renewal: Coroutine[Any, Any, T]) -> T:
    """Return the result of a renewal. A caller who is cancelled stops after it: the server may have rotated the refresh token already."""
    task = asyncio.create_task(renewal)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def persistently(save: Callable[[], Awaitable[T]], claimed_until: float) -> T:
    """Save new tokens. While the claim lasts, a failing database is tried again: the server may know no other token."""
    pause = LOOK
    while True:
        try:
            return await save()
        except LeadmailError:
            raise
        except Exception:  # errors of the database, which this package does not know
            if monotonic() + pause >= claimed_until:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def _due(account: Account) -> bool:
    return account.refresh_at is not None and account.refresh_at <= datetime.now(UTC)


def _is(credentials: OAuth2Credentials, refused: SecretStr | None) -> bool:
    return refused is not None and credentials.access_token == refused
