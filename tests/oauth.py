"""Signing in at the tests' identity server, as a user's browser does."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import SecretStr

from services.mailbox.connection import ConnectPolicy, OAuth2Credentials
from services.mailbox.oauth.answers import Tokens
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
from services.mailbox.oauth.sign_in_services import GENERIC, SignInService, SignInServices
from services.mailbox.oauth.token_refresh import refresh_time
from testbed.identity.part import CLIENT_ID, CLIENT_SECRET, IdentityServer
from testbed.local import LocalServers
from tests.conftest import MailUser

REDIRECT = "http://localhost:8457/"


class Death(BaseException):
    """A process dies."""


def dying_step(works: Callable[..., Awaitable[Any]], moment: str) -> Callable[..., Awaitable[Any]]:
    """Return a step at which the process dies, before or after it works."""

    async def step_of_death(*arguments: Any, **named: Any) -> Any:
        if moment == "after":
            await works(*arguments, **named)
        raise Death

    return step_of_death


def settings(servers: LocalServers) -> dict[str, str]:
    """Return the settings of the operator's own sign-in service, which is the identity server."""
    return {
        "LEADMAIL_OAUTH_NAME": "Example",
        "LEADMAIL_OAUTH_ISSUER": servers.identity.issuer,
        "LEADMAIL_OAUTH_CLIENT_ID": CLIENT_ID,
        "LEADMAIL_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "LEADMAIL_OAUTH_IMAP": f"tls://{servers.imap.host}:{servers.imap.tls_port}",
        "LEADMAIL_OAUTH_SMTP": f"tls://{servers.smtp.host}:{servers.smtp.tls_port}",
    }


def app(identity: IdentityServer) -> OAuthApp:
    """Return Leadmail as it is registered at the identity server."""
    return OAuthApp(
        endpoints=Endpoints(issuer=identity.issuer),
        client_id=CLIENT_ID,
        client_secret=SecretStr(CLIENT_SECRET),
        scopes=("openid", "email", "offline_access"),
    )


def services(servers: LocalServers, policy: ConnectPolicy) -> SignInServices:
    """Return the identity server as the only service at which users sign in."""
    imap, smtp = servers.imap, servers.smtp
    service = SignInService(
        key=GENERIC,
        name="Example",
        app=app(servers.identity),
        imap=f"tls://{imap.host}:{imap.tls_port}",
        smtp=f"tls://{smtp.host}:{smtp.tls_port}",
    )
    return SignInServices([service], policy)


async def sign_in(client: OAuthClient, identity: IdentityServer, user: MailUser, *, nonce: str = "once") -> Tokens:
    """Sign in with an authorization code."""
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(8)
    url = await client.authorization_url(redirect_uri=REDIRECT, state=state, nonce=nonce, verifier=verifier)
    back = parse_qs(urlsplit(identity.sign_in(url, user.address, user.password)).query)
    assert back["state"] == [state]
    return await client.exchange(back["code"][0], redirect_uri=REDIRECT, verifier=verifier)


def credentials(tokens: Tokens) -> tuple[OAuth2Credentials, datetime | None]:
    """Return tokens as an account keeps them, and when they have to be refreshed."""
    found = OAuth2Credentials(
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_at=tokens.expires_at,
        provider=GENERIC,
    )
    return found, refresh_time(tokens.expires_at, datetime.now(UTC))
