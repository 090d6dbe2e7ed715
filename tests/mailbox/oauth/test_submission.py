"""Sending by tokens through Dovecot's own submission service, which asks the identity server about each of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.accounts import ServerAddress
from services.mailbox.connection import Code, ConnectPolicy, MailServerError, OAuth2Credentials
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.smtp import close_smtp, connect_smtp
from services.mailbox.smtp.connect import send
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from tests.conftest import MailUser
from tests.oauth import app, credentials, sign_in


@pytest.mark.parametrize("tls", ["tls", "starttls"])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_tokens_send(
    *,
    servers: LocalServers,
    identity: IdentityServer,
    live: ConnectPolicy,
    new_mail_user: Callable[..., MailUser],
    monkeypatch: pytest.MonkeyPatch,
    mechanism: str,
    tls: str,
) -> None:
    """By both mechanisms. A token that ends between two mails, and another user's, are refused as what they are."""
    monkeypatch.setattr(
        "services.mailbox.smtp.connect.bearer_mechanism", lambda offered: mechanism if mechanism in offered else None
    )
    user, other, to = new_mail_user(), new_mail_user(), new_mail_user().address
    found, _ = credentials(await sign_in(OAuthClient(app(identity), live), identity, user))

    async def post(credentials: OAuth2Credentials, login: str) -> None:
        at = servers.submission
        port = at.tls_port if tls == "tls" else at.port
        server = ServerAddress.model_validate({"host": at.host, "port": port, "tls": tls, "username": login})
        client = await connect_smtp(server, credentials, policy=live)
        try:
            await send(client, b"Subject: hello\r\n\r\nhello\r\n", sender=user.address, recipients=[to])
        finally:
            await close_smtp(client)

    await post(found, user.address)
    with pytest.raises(MailServerError) as refused:
        await post(found, other.address)
    assert refused.value.code is Code.OAUTH2_EXPIRED
    identity.set(expire=[user.address])
    with pytest.raises(MailServerError) as refused:
        await post(found, user.address)
    assert refused.value.code is Code.OAUTH2_EXPIRED
    assert sum(mail.recipients == (to,) for mail in servers.sink.sent()) == 1
