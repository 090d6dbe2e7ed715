"""The operator's relay by OAuth2: a real identity server gives the tokens, and a real server takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import pytest

from services.cli.operations import diagnosis, doctor_servers
from services.mailbox.connection import Code, MailServerError
from services.mailbox.outgoing_mail import build_mail
from services.runtime.environment import SettingsError
from services.settings import CliSettings
from services.store import Store
from services.wiring import make_policy, make_post, make_relay
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from tests.conftest import MailUser
from tests.mailbox.conftest import Settings

TO = "owner@crm.example"


def mail(user: MailUser) -> EmailMessage:
    """Return a mail to send."""
    return build_mail(sender=user.address, to=(), subject="hello", text="hello\n")


async def post(settings: CliSettings, store: Store, user: MailUser, times: int = 1) -> None:
    """Send mails as one process does."""
    send = make_post(settings, make_policy(settings), store.relay_refresh)
    for _ in range(times):
        await send(mail(user), TO)


def minted(identity: IdentityServer) -> int:
    """Return how many tokens were asked for."""
    return sum(name in {"token", "refresh"} for name in identity.asked())


async def test_a_token_of_the_application_sends(
    *, store: Store, settings: Settings, user: MailUser, identity: IdentityServer, sent: Callable[[], int]
) -> None:
    """Client credentials get one token for all mails, and no password exists."""
    before = minted(identity)
    await post(settings(), store, user, times=3)
    assert (sent(), minted(identity)) == (3, before + 1)


async def test_mails_at_once_ask_for_one_token(
    *, store: Store, settings: Settings, user: MailUser, identity: IdentityServer, sent: Callable[[], int]
) -> None:
    """Mails that are sent at the same time wait for the same token."""
    before, chosen = minted(identity), settings()
    send = make_post(chosen, make_policy(chosen), store.relay_refresh)
    await asyncio.gather(*(send(mail(user), TO) for _ in range(4)))
    assert (sent(), minted(identity)) == (4, before + 1)


@pytest.mark.parametrize("ends", ["due", "refused"])
async def test_a_token_that_ends_is_replaced(
    *,
    store: Store,
    settings: Settings,
    user: MailUser,
    identity: IdentityServer,
    sent: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    ends: str,
) -> None:
    """A token that is due, or that the relay refuses (535), is replaced, and the mail is sent once."""
    chosen, before = settings(), minted(identity)
    send = make_post(chosen, make_policy(chosen), store.relay_refresh)
    if ends == "due":
        identity.set(lifetime=1)
    await send(mail(user), TO)
    if ends == "due":
        await asyncio.sleep(1)  # its whole life
    else:
        identity.set(expire=[user.address])
        monkeypatch.setattr("services.mailbox.smtp.relay_tokens._NEW", 0.0)
    await send(mail(user), TO)
    assert (sent(), minted(identity)) == (2, before + 2)


async def test_a_new_token_that_is_refused_is_not_replaced(
    *, store: Store, settings: Settings, user: MailUser, identity: IdentityServer, sent: Callable[[], int]
) -> None:
    """An application that may not send as the mailbox is refused as that, without a token for each try."""
    identity.set(app_user="another@crm.example")
    before = minted(identity)
    chosen = settings()
    send = make_post(chosen, make_policy(chosen), store.relay_refresh)
    for _ in range(3):
        with pytest.raises(MailServerError) as refused:
            await send(mail(user), TO)
        assert refused.value.code is Code.OAUTH2_EXPIRED
    assert (sent(), minted(identity)) == (0, before + 1)
    [check] = await doctor_servers.relay(chosen, store)
    assert check.state is diagnosis.State.WRONG
    assert "LEADMAIL_SMTP_OAUTH_CLIENT_ID" in check.advice


async def test_a_token_server_that_fails_stops_nothing_early(
    *, store: Store, settings: Settings, user: MailUser, identity: IdentityServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that is due but valid is still used. The pause that the sign-in server asks for is kept."""
    monkeypatch.setattr("services.mailbox.smtp.relay_tokens.refresh_time", lambda _expires, now: now)
    chosen = settings()
    held, none = (make_relay(chosen, make_policy(chosen), store.relay_refresh).tokens for _ in range(2))
    assert held is not None
    assert none is not None
    token = await held.get()
    before = minted(identity)
    with identity.fault("token", status=429, retry_after=600):
        for _ in range(3):
            assert await held.get() == token
            with pytest.raises(MailServerError) as refused:
                await none.get()
            assert refused.value.code is Code.THROTTLED
    assert minted(identity) == before + 2


@pytest.mark.parametrize(
    ("changed", "code", "fault"),
    [
        ({"smtp_oauth_client_secret": "wrong-s3cret"}, Code.APP_REFUSED, None),
        ({"smtp_oauth_client_id": "stranger"}, Code.APP_REFUSED, None),
        ({"smtp_oauth_refresh_token": "wrong-s3cret", "smtp_oauth_scopes": ()}, Code.OAUTH2_EXPIRED, None),
        ({}, Code.UNKNOWN_APP, {"error": "unauthorized_client"}),
        ({}, Code.UNAVAILABLE, {"status": 503}),
        ({"smtp_oauth_token_url": "http://127.0.0.1:1/token"}, Code.UNAVAILABLE, None),
    ],
    ids=str,
)
async def test_every_refusal_is_said_as_what_it_is(
    *,
    store: Store,
    settings: Settings,
    user: MailUser,
    identity: IdentityServer,
    changed: dict[str, str],
    code: Code,
    fault: dict[str, Any] | None,
) -> None:
    """The application's refusal, a refresh token that ended and an outage differ; doctor says what to check, without secrets."""
    identity.set(faults={"token": fault} if fault else {})
    chosen = settings(**changed)
    with pytest.raises(MailServerError) as refused:
        await post(chosen, store, user)
    assert refused.value.code is code
    [check] = await doctor_servers.relay(chosen, store)
    assert (check.name, check.state) == ("SMTP", diagnosis.State.WRONG)
    assert ("docs/oauth.md" in check.advice) == (code is not Code.UNAVAILABLE)
    assert "s3cret" not in repr(check) + str(refused.value)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"smtp_oauth_token_url": ""}, "LEADMAIL_SMTP_OAUTH_TOKEN_URL"),
        ({"smtp_oauth_client_secret": ""}, "LEADMAIL_SMTP_OAUTH_REFRESH_TOKEN"),
        ({"smtp_url": "smtp://ann:s3cret@mail.example.com"}, "LEADMAIL_SMTP_URL"),
        ({"smtp_url": "smtp://mail.example.com"}, "LEADMAIL_SMTP_URL"),
    ],
    ids=str,
)
async def test_a_sign_in_that_is_set_up_in_part_is_named(store: Store, changed: dict[str, str], named: str) -> None:
    """The process does not start, and says which setting is missing or wrong."""
    usual: dict[str, Any] = {
        "smtp_url": "smtp://leadmail%40example.com@mail.example.com",
        "smtp_oauth_client_id": "leadmail",
        "smtp_oauth_client_secret": "s3cret",
        "smtp_oauth_token_url": "https://id.example.com/token",
    }
    right = CliSettings(**usual)
    assert make_relay(right, make_policy(right), store.relay_refresh).tokens is not None
    wrong = CliSettings(**{name: value for name, value in {**usual, **changed}.items() if value})
    with pytest.raises(SettingsError, match=named) as error:
        make_relay(wrong, make_policy(wrong), store.relay_refresh)
    assert "s3cret" not in str(error.value)


async def test_tokens_never_travel_in_plain_text(
    *, store: Store, settings: Settings, user: MailUser, servers: LocalServers
) -> None:
    """A relay without TLS gets no token, and an endpoint without TLS no secret."""
    plain = f"smtp://{quote(user.address, safe='')}@{servers.smtp.host}:{servers.smtp.port}?tls=none"
    policy = make_policy(settings(allow_plaintext=False, smtp_oauth_token_url="https://id.example.com/token"))
    send = make_post(settings(smtp_url=plain), policy, store.relay_refresh)
    with pytest.raises(MailServerError) as refused:
        await send(mail(user), TO)
    assert refused.value.code is Code.PLAINTEXT_REFUSED
    with pytest.raises(ValueError, match="https:// only"):
        settings(allow_plaintext=False)
