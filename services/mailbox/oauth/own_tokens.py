"""Tokens that Leadmail gets in its own name, for a mailbox to which nobody signs in. There is no refresh token."""

from __future__ import annotations

import warnings

from joserfc.jwk import RSAKey

from services.mailbox.oauth.answers import Tokens, asked, read_tokens
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.oauth.guarded_http import GuardedTransport

with warnings.catch_warnings(record=True):  # it says that it prefers another library to httpx
    from authlib.integrations.httpx_client import AsyncAssertionClient


async def own_tokens(client: OAuthClient, mailbox: str) -> Tokens:
    """Return tokens for a mailbox.

    With a service account's key, the mailbox is the subject of a signed assertion (RFC 7523). With a client secret
    (RFC 6749 section 4.4), the token opens every mailbox to which the mail service gives access.

    Raises:
        IdentityServerError: the server refuses, or cannot be asked.
    """
    app = client.app
    if app.signing_key is None:
        return await client.client_credentials()
    async with AsyncAssertionClient(
        token_endpoint=(await client.endpoints()).token,
        issuer=app.client_id,
        subject=mailbox,
        claims={"scope": " ".join(app.scopes)},
        header={"alg": "RS256", "kid": app.key_id},
        key=RSAKey.import_key(app.signing_key.get_secret_value()),
        transport=GuardedTransport(client.policy),
        trust_env=False,
    ) as session:
        return read_tokens(await asked(session.refresh_token()))
