"""Mailboxes that Leadmail opens in its own name: a service account's assertions, and an application's client credentials."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from authlib.oauth2.rfc7523 import assertion
from pydantic import SecretStr

from schemas.accounts import ServerAddress, Tls
from services.mailbox.check import check_account
from services.mailbox.connection import APP_ONLY, Code, ConnectPolicy, MailServerError, OAuth2Credentials
from services.mailbox.imap import connect_imap
from services.mailbox.oauth.answers import Tokens
from services.mailbox.oauth.app_only import ServiceAccountKey, own
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.own_tokens import own_tokens
from services.mailbox.oauth.refusals import as_mail_error
from testbed.identity.part import CLIENT_ID, CLIENT_SECRET, IdentityServer
from tests.conftest import MailUser

At = Callable[[Any, Tls], ServerAddress]
DEFAULT = "https://outlook.office365.com/.default"


def service_account(
    identity: IdentityServer, policy: ConnectPolicy, *, asks: str = "email", **other: Any
) -> OAuthClient:
    """Return the client of a service account that may act as any user."""
    key = json.loads(identity.service_account()) | other
    (found,) = own("Example", SecretStr(json.dumps(key)), "tls://imap.example.com:993", (asks,))
    return OAuthClient(found.app, policy)


def application(identity: IdentityServer, policy: ConnectPolicy, *, secret: str = CLIENT_SECRET) -> OAuthClient:
    """Return the client of an application with a secret."""
    app = OAuthApp(
        endpoints=Endpoints(token=f"{identity.issuer}/token"),
        client_id=CLIENT_ID,
        client_secret=SecretStr(secret),
        scopes=(DEFAULT,),
    )
    return OAuthClient(app, policy)


def log_in(server: ServerAddress, tokens: Tokens, mailbox: str, policy: ConnectPolicy) -> None:
    """Log in at a mail server with tokens of a mailbox."""
    credentials = OAuth2Credentials(access_token=tokens.access_token, mailbox=mailbox)
    connect_imap(server, credentials, policy=policy).shutdown()


@pytest.mark.parametrize("kind", ["assertion", "client credentials"])
async def test_a_token_opens_its_mailbox_only(
    *, identity: IdentityServer, new_mail_user: Callable[..., MailUser], live: ConnectPolicy, imap_at: At, kind: str
) -> None:
    """Dovecot takes it by XOAUTH2 with the mailbox as the name, and not for another. There is no refresh token."""
    user, other = new_mail_user(), new_mail_user()
    identity.set(app_user=user.address)
    client = service_account(identity, live) if kind == "assertion" else application(identity, live)
    tokens = await own_tokens(client, user.address)
    assert tokens.refresh_token is None
    assert tokens.expires_at is not None
    await asyncio.to_thread(log_in, imap_at(user, "tls"), tokens, user.address, live)
    with pytest.raises(MailServerError) as refused:
        await asyncio.to_thread(log_in, imap_at(other, "tls"), tokens, other.address, live)
    assert refused.value.code is Code.MAILBOX_NOT_GRANTED
    assert refused.value.transient


async def test_another_login_name_opens_no_other_mailbox(
    identity: IdentityServer, new_mail_user: Callable[..., MailUser], live: ConnectPolicy, imap_at: At, smtp_at: At
) -> None:
    """A token of an application may open many mailboxes: who changes the login name of theirs must not get into another."""
    mine, other = new_mail_user(), new_mail_user()
    identity.set(app_user=other.address)
    tokens = await own_tokens(application(identity, live), mine.address)
    await asyncio.to_thread(log_in, imap_at(other, "tls"), tokens, other.address, live)
    asked = identity.asked().count("introspect")
    credentials = OAuth2Credentials(access_token=tokens.access_token, mailbox=mine.address)
    result = await check_account(imap_at(other, "tls"), smtp_at(other, "tls"), credentials, policy=live)
    assert result.incoming is not None
    assert result.outgoing is not None
    assert {result.incoming.code, result.outgoing.code} == {Code.MAILBOX_NOT_GRANTED}
    assert identity.asked().count("introspect") == asked


@pytest.mark.parametrize(
    ("other", "mailbox", "code"),
    [
        ({"asks": "https://mail.google.com/"}, None, Code.DELEGATION_MISSING),
        ({}, "nobody@example.test", Code.MAILBOX_NOT_GRANTED),
        ({"client_email": "another@project.example"}, None, Code.APP_REFUSED),
        ({"private_key": None}, None, Code.APP_REFUSED),
        ({"token_uri": "?audience"}, None, Code.APP_REFUSED),
    ],
    ids=["scope", "sub", "iss", "signature", "aud"],
)
async def test_the_identity_server_checks_assertions(
    *,
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    live: ConnectPolicy,
    other: dict[str, Any],
    mailbox: str | None,
    code: Code,
) -> None:
    """Each refusal tells an administrator what to repair; it blocks nobody."""
    if "private_key" in other:
        other = {"private_key": json.loads(identity.service_account("older@project.example"))["private_key"]}
    if "token_uri" in other:
        other = {"token_uri": f"{identity.issuer}/token{other['token_uri']}"}
    client = service_account(identity, live, **other)
    with pytest.raises(IdentityServerError) as refused:
        await own_tokens(client, mailbox or new_mail_user().address)
    found = as_mail_error(refused.value, app_only=True)
    assert (found.code, found.transient) == (code, True)


async def test_an_assertion_expires(
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    live: ConnectPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where this machine's clock is wrong by more than an hour, the server takes none."""
    client, user = service_account(identity, live), new_mail_user()
    assert await own_tokens(client, user.address)
    now = time.time()
    monkeypatch.setattr(assertion.time, "time", lambda: now - 4000)
    with pytest.raises(IdentityServerError, match="invalid_grant"):
        await own_tokens(client, user.address)


async def test_a_wrong_secret(identity: IdentityServer, live: ConnectPolicy) -> None:
    """The refusal does not show it."""
    with pytest.raises(IdentityServerError) as refused:
        await own_tokens(application(identity, live, secret="another-secret"), "anyone@example.test")
    assert as_mail_error(refused.value, app_only=True).code is Code.APP_REFUSED
    assert "another-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"error": "unauthorized_client", "status": 401}, Code.DELEGATION_MISSING),
        ({"error": "unauthorized_client", "description": "AADSTS700016: no such app"}, Code.APP_NOT_IN_TENANT),
        ({"error": "invalid_client", "description": "AADSTS7000215: wrong", "status": 401}, Code.APP_SECRET_WRONG),
        ({"error": "invalid_client", "description": "AADSTS7000222: old", "status": 401}, Code.APP_SECRET_EXPIRED),
        ({"error": "unauthorized_client", "description": "AADSTS700027: bad"}, Code.APP_REFUSED),
        ({"error": "invalid_grant", "description": "Invalid email or User ID"}, Code.MAILBOX_NOT_GRANTED),
        ({"error": "invalid_grant", "description": "Invalid JWT Signature."}, Code.APP_REFUSED),
        ({"status": 429, "retry_after": 7}, Code.THROTTLED),
        ({"status": 503}, Code.UNAVAILABLE),
    ],
    ids=lambda each: str(each.get("description", each)) if isinstance(each, dict) else None,
)
async def test_refusals(
    identity: IdentityServer,
    live: ConnectPolicy,
    new_mail_user: Callable[..., MailUser],
    fault: dict[str, Any],
    code: Code,
) -> None:
    """None of them is the owner's: each passes when an administrator or the service has acted."""
    client, user = service_account(identity, live), new_mail_user()
    with identity.fault("token", **fault), pytest.raises(IdentityServerError) as refused:
        await own_tokens(client, user.address)
    found = as_mail_error(refused.value, app_only=True)
    assert (found.code, found.transient) == (code, True)
    assert await own_tokens(client, user.address)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"client_email": "a", "private_key": "-----BEGIN of a secret"}'])
def test_a_key_file_that_is_none(text: str) -> None:
    """The message shows nothing of it."""
    with pytest.raises(ValueError, match=r"^it is not the JSON key file of a service account$"):
        ServiceAccountKey.read(SecretStr(text))


def test_a_key_is_hidden(identity: IdentityServer, live: ConnectPolicy) -> None:
    """Nothing that is logged shows it."""
    assert "PRIVATE KEY" not in repr(service_account(identity, live).app)
    assert Code.MAILBOX_NOT_GRANTED in APP_ONLY
