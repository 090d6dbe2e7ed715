"""Tokens that no mailbox uses any more are revoked at the services that gave them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from pydantic import SecretStr

from schemas.accounts import Account, AccountState
from services.mailbox.connection import OAuth2Credentials, SealError, SecretBox
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.sign_in_services import SignInServices

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TokenRevoker:
    """Revokes tokens that no mailbox uses any more: what opens the tokens, and the services that gave them."""

    box: SecretBox
    services: SignInServices

    def tokens(self, accounts: Iterable[Account], *, but: str | None = None) -> list[tuple[str, SecretStr]]:
        """Return the services and refresh tokens of accounts that are about to lose them, to revoke afterwards.

        Those of the service ``but`` are left out.
        """
        found = []
        for account in accounts:
            if not account.grant or account.app_only or account.state is AccountState.DISCONNECTED:
                continue
            try:
                credentials = self.box.open(account.id, account.credentials)
            except SealError:
                continue
            if isinstance(credentials, OAuth2Credentials) and credentials.provider and credentials.provider != but:
                found.append((credentials.provider, credentials.refresh_token or credentials.access_token))
        return found

    async def revoke(self, tokens: Iterable[tuple[str, SecretStr]]) -> None:
        """Revoke tokens at their services. One that does not answer is logged: we keep no token to try again with."""
        for key, token in tokens:
            if key not in self.services.by_key:
                continue
            try:
                await self.services.client(key).revoke(token)
            except IdentityServerError as error:
                log.warning("tokens that no mailbox uses are not revoked", service=key, error=str(error))
