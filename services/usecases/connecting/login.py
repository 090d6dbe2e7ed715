"""Trying a login: a new one, that of an existing account, and the saved one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schemas.accounts import Account, ServerAddress
from services.mailbox.connection import TOKEN_REFUSED, ConnectPolicy, Credentials, OAuth2Credentials
from services.mailbox.oauth.token_refresh import TokenRefresher
from services.mailbox.providers import Provider, directory

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult


class Login(NamedTuple):
    """How a mailbox is reached."""

    incoming: ServerAddress
    outgoing: ServerAddress | None
    credentials: Credentials | None
    """None for those that are saved."""


def provider_of(account: Account) -> Provider | None:
    """Return the mail service of an account if the directory knows it."""
    return directory().by_key.get(account.provider or "")


async def check_login(
    incoming: ServerAddress,
    outgoing: ServerAddress | None,
    credentials: Credentials,
    policy: ConnectPolicy,
    provider: Provider | None,
) -> CheckResult:
    """Check the login at both servers. This fetches, changes and sends nothing."""
    # Imported here because most account commands do not need the clients of both protocols, which are slow to load.
    from services.mailbox.check import check_account  # noqa: PLC0415

    return await check_account(incoming, outgoing, credentials, policy=policy, provider=provider)


async def try_account(account: Account, credentials: Credentials, policy: ConnectPolicy) -> CheckResult:
    """Try a login at the servers of an existing account."""
    return await check_login(account.incoming, account.outgoing, credentials, policy, provider_of(account))


async def try_saved(account: Account, tokens: TokenRefresher, policy: ConnectPolicy) -> CheckResult:
    """Try the saved login of an account. A refused token is refreshed once.

    Raises:
        MailServerError: its tokens cannot be refreshed.
        SealError: the credentials cannot be decrypted.
    """
    account, credentials = await tokens.open(account)
    result = await try_account(account, credentials, policy)
    refused = result.incoming is not None and result.incoming.code in TOKEN_REFUSED
    if refused and isinstance(credentials, OAuth2Credentials):
        account, credentials = await tokens.open(account, refused=credentials.access_token)
        result = await try_account(account, credentials, policy)
    return result
