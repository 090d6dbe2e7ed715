"""Signing in at a real identity server, and the mail servers that take its tokens."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from schemas.accounts import ServerAddress, Tls
from services.mailbox.check import check_account
from services.mailbox.connection import Code, ConnectPolicy, MailServerError, OAuth2Credentials
from services.mailbox.connection.policy import Timeouts
from services.mailbox.imap import connect_imap
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.id_tokens import claims_of
from services.mailbox.oauth.refusals import as_mail_error
from services.mailbox.oauth.sign_in_services import GENERIC
from services.settings import CliSettings
from services.wiring import make_policy, make_sign_in_services
from testbed.identity.part import IdentityServer
from tests.conftest import MailUser
from tests.oauth import REDIRECT, app, credentials, sign_in

At = Callable[[Any, Tls], ServerAddress]


@pytest.fixture
def servers_of(imap_at: At, smtp_at: At) -> Callable[[MailUser], tuple[ServerAddress, ServerAddress]]:
    """Return the servers of a user's mailbox."""
    return lambda user: (imap_at(user, "tls"), smtp_at(user, "tls"))


@pytest.fixture
def client(identity: IdentityServer, live: ConnectPolicy) -> OAuthClient:
    """Leadmail as a client of the identity server."""
    return OAuthClient(app(identity), live)


async def test_a_sign_in_names_the_user_and_opens_the_mailbox(
    *,
    client: OAuthClient,
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    live: ConnectPolicy,
    servers_of: Callable[[MailUser], tuple[ServerAddress, ServerAddress]],
) -> None:
    """The tokens log in at both servers, for their own mailbox only."""
    user, other = new_mail_user(), new_mail_user()
    tokens = await sign_in(client, identity, user)
    claims = await claims_of(client, tokens, nonce="once")
    assert (claims["email"], claims["iss"]) == (user.address, identity.issuer)
    found, due = credentials(tokens)
    assert due is not None
    assert (await check_account(*servers_of(user), found, policy=live)).ok
    foreign = await check_account(*servers_of(other), found, policy=live)
    assert foreign.incoming is not None
    assert foreign.outgoing is not None
    assert {foreign.incoming.code, foreign.outgoing.code} == {Code.OAUTH2_EXPIRED}


async def test_a_refresh_token_is_asked_for_as_the_standard_wants(identity: IdentityServer) -> None:
    """A service of one's own may give a refresh token only if the user is asked to consent."""
    for scopes, prompt in (("openid,offline_access", ["consent"]), ("openid", None)):
        settings = CliSettings(
            oauth_client_id="leadmail",
            oauth_issuer=identity.issuer,
            oauth_imap="tls://imap.example.com:993",
            oauth_scopes=scopes,
            allow_plaintext=True,
            allow_networks="127.0.0.0/8",
        )
        client = make_sign_in_services(settings, make_policy(settings)).client(GENERIC)
        url = await client.authorization_url(redirect_uri=REDIRECT, state="s", nonce="n", verifier="v" * 50)
        assert parse_qs(urlsplit(url).query).get("prompt") == prompt


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_dovecot_takes_tokens_by_both_mechanisms(
    *,
    client: OAuthClient,
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    live: ConnectPolicy,
    imap_at: At,
    monkeypatch: pytest.MonkeyPatch,
    mechanism: str,
) -> None:
    """A token that the identity server does not know is refused as what it is."""
    user = new_mail_user()
    monkeypatch.setattr(
        "services.mailbox.imap.connect.bearer_mechanism", lambda offered: mechanism if mechanism in offered else None
    )
    found, _ = credentials(await sign_in(client, identity, user))
    (await asyncio.to_thread(connect_imap, imap_at(user, "tls"), found, policy=live)).shutdown()
    wrong = OAuth2Credentials(access_token=SecretStr("nonsense-of-a-token"))
    with pytest.raises(MailServerError) as refused:
        await asyncio.to_thread(connect_imap, imap_at(user, "tls"), wrong, policy=live)
    assert refused.value.code is Code.OAUTH2_EXPIRED
    assert "nonsense" not in str(refused.value)


async def test_a_device_code(
    client: OAuthClient, identity: IdentityServer, new_mail_user: Callable[..., MailUser]
) -> None:
    """Tokens come once the user has entered the code; a user who declines ends it."""
    user = new_mail_user()
    code = await client.device_code()
    assert code.verification_uri == f"{identity.issuer}/device"
    assert await client.poll(code) == (None, 0.0)
    identity.enter_code(code.user_code, user.address, user.password)
    tokens, _ = await client.poll(code)
    assert tokens is not None
    assert (await claims_of(client, tokens, nonce=None))["email"] == user.address
    other = await client.device_code()
    identity.enter_code(other.user_code, user.address, user.password, deny=True)
    with pytest.raises(IdentityServerError, match="access_denied"):
        await client.poll(other)


async def test_refresh_tokens_rotate_and_are_not_lost(
    client: OAuthClient, identity: IdentityServer, new_mail_user: Callable[..., MailUser]
) -> None:
    """A refresh whose answer is lost can be repeated; once the new token is used, the old one is over; revoking ends all."""
    tokens = await sign_in(client, identity, new_mail_user())
    assert tokens.refresh_token is not None
    lost = await client.refresh(tokens.refresh_token)
    again = await client.refresh(tokens.refresh_token)
    assert again.refresh_token not in {tokens.refresh_token, lost.refresh_token, None}
    assert again.refresh_token is not None
    newest = await client.refresh(again.refresh_token)
    with pytest.raises(IdentityServerError, match="invalid_grant"):
        await client.refresh(tokens.refresh_token)
    assert newest.refresh_token is not None
    assert await client.revoke(newest.refresh_token)
    with pytest.raises(IdentityServerError, match="invalid_grant"):
        await client.refresh(newest.refresh_token)


async def test_a_refresh_token_that_does_not_rotate_stays(
    client: OAuthClient, identity: IdentityServer, new_mail_user: Callable[..., MailUser]
) -> None:
    """Google answers without a refresh token: the old one remains."""
    tokens = await sign_in(client, identity, new_mail_user())
    identity.set(rotates=False)
    assert tokens.refresh_token is not None
    again = await client.refresh(tokens.refresh_token)
    assert again.refresh_token == tokens.refresh_token
    assert again.access_token != tokens.access_token


@pytest.mark.parametrize(
    ("wanted", "nonce", "good"),
    [
        ({"skew": 110}, "once", True),
        ({"skew": -110 - 300}, "once", True),
        ({"skew": 240}, "once", False),
        ({"skew": -240 - 300}, "once", False),
        ({}, "another", False),
        ({"claims": {"iss": "https://evil.example"}}, "once", False),
        ({"claims": {"aud": "another-app"}}, "once", False),
        ({"claims": {"azp": "another-app"}}, "once", False),
        ({"claims": {"sub": None}}, "once", False),
    ],
    ids=str,
)
async def test_an_id_token_is_verified(
    *,
    client: OAuthClient,
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    wanted: dict[str, Any],
    nonce: str,
    good: bool,
) -> None:
    """Clocks may differ by two minutes. Another issuer, application or sign-in is refused."""
    identity.set(**wanted)
    tokens = await sign_in(client, identity, new_mail_user())
    if good:
        assert (await claims_of(client, tokens, nonce=nonce))["email"]
        return
    with pytest.raises(IdentityServerError, match="wrong-identity"):
        await claims_of(client, tokens, nonce=nonce)


async def test_a_code_works_once_for_its_own_request(
    client: OAuthClient, identity: IdentityServer, new_mail_user: Callable[..., MailUser]
) -> None:
    """Another verifier or redirect gets no tokens, nor does the same code again."""
    user = new_mail_user()
    verifier = "v" * 50
    for use, redirect in (("w" * 50, REDIRECT), (verifier, REDIRECT + "other"), (verifier, REDIRECT)):
        nonce = f"{use[0]}{len(redirect)}"
        url = await client.authorization_url(redirect_uri=REDIRECT, state="s", nonce=nonce, verifier=verifier)
        assert "code_challenge_method=S256" in url
        assert verifier not in url
        code = identity.sign_in(url, user.address, user.password).partition("code=")[2].partition("&")[0]
        if (use, redirect) == (verifier, REDIRECT):
            await client.exchange(code, redirect_uri=redirect, verifier=use)
        with pytest.raises(IdentityServerError, match=r"invalid_grant|invalid_request"):
            await client.exchange(code, redirect_uri=redirect, verifier=use)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"error": "invalid_grant"}, Code.OAUTH2_EXPIRED),
        ({"error": "invalid_grant", "description": "Token has been expired or revoked."}, Code.CONSENT_REVOKED),
        ({"error": "invalid_grant", "description": "AADSTS65001: The user has not consented"}, Code.CONSENT_NEEDED),
        ({"error": "interaction_required", "description": "AADSTS50076: use multi-factor"}, Code.SECOND_FACTOR_NEEDED),
        ({"error": "unauthorized_client", "description": "AADSTS700016: Application not found"}, Code.UNKNOWN_APP),
        ({"error": "invalid_grant", "description": "AADSTS90094: needs an admin"}, Code.ADMIN_CONSENT_NEEDED),
        ({"error": "invalid_client", "description": "AADSTS7000222: expired keys", "status": 401}, Code.APP_REFUSED),
        ({"status": 429, "retry_after": 77}, Code.THROTTLED),
        ({"status": 503}, Code.UNAVAILABLE),
        ({"status": 500, "error": "server_error"}, Code.UNAVAILABLE),
        ({"seconds": 3.0}, Code.TIMEOUT),
    ],
    ids=lambda each: (
        each if isinstance(each, str) else str(each.get("description", each)) if isinstance(each, dict) else None
    ),
)
async def test_every_refusal_has_its_code(
    identity: IdentityServer,
    new_mail_user: Callable[..., MailUser],
    live: ConnectPolicy,
    fault: dict[str, Any],
    code: Code,
) -> None:
    """What only the owner can fix is told from an outage and from what the operator has to repair."""
    client = OAuthClient(app(identity), dataclasses.replace(live, timeouts=Timeouts(connect=1.0)))
    slow = OAuthClient(app(identity), live)
    tokens = await sign_in(slow, identity, new_mail_user())
    assert tokens.refresh_token is not None
    with identity.fault("refresh", **fault), pytest.raises(IdentityServerError) as refused:
        await client.refresh(tokens.refresh_token)
    found = as_mail_error(refused.value)
    assert found.code is code
    assert found.transient == (code in {Code.THROTTLED, Code.UNAVAILABLE, Code.TIMEOUT, Code.APP_REFUSED})
    assert refused.value.pause == fault.get("retry_after", 0)


async def test_what_a_server_echoes_is_not_shown(
    client: OAuthClient, identity: IdentityServer, new_mail_user: Callable[..., MailUser]
) -> None:
    """A refusal that repeats the token is cleaned."""
    tokens = await sign_in(client, identity, new_mail_user())
    assert tokens.refresh_token is not None
    secret = tokens.refresh_token.get_secret_value()
    with (
        identity.fault("refresh", error="invalid_grant", description=f"no such token {secret}"),
        pytest.raises(IdentityServerError) as refused,
    ):
        await client.refresh(tokens.refresh_token)
    assert secret not in str(refused.value)
    assert secret not in str(as_mail_error(refused.value))
    assert secret not in repr(tokens)
