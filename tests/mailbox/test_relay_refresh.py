"""The relay's refresh token rotates: it is kept for all processes, and none is lost, wherever one of them dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from services.cli.operations import diagnosis, doctor_servers
from services.mailbox.connection import Code, ConnectPolicy, MailServerError
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.outgoing_mail import build_mail
from services.mailbox.smtp import RelayTokens, relay_refresher
from services.settings import CliSettings
from services.store import Store
from services.wiring import make_policy, make_post, make_relay
from testbed.identity.part import IdentityServer
from tests.conftest import MailUser
from tests.mailbox.conftest import Settings
from tests.oauth import Death, app, dying_step, sign_in

TO = "owner@crm.example"


@pytest.fixture
async def kept(settings: Settings, user: MailUser, identity: IdentityServer, live: ConnectPolicy) -> CliSettings:
    """Settings with the refresh token of the mailbox that sends."""
    tokens = await sign_in(OAuthClient(app(identity), live), identity, user)
    return settings(smtp_oauth_refresh_token=tokens.refresh_token, smtp_oauth_scopes=())


def process(settings: CliSettings, store: Store) -> RelayTokens:
    """Return the tokens of a process that starts."""
    tokens = make_relay(settings, make_policy(settings), store.relay_refresh).tokens
    assert tokens is not None
    return tokens


async def send(settings: CliSettings, store: Store, user: MailUser) -> None:
    """Send a mail as a process that starts does."""
    mail = build_mail(sender=user.address, to=(), subject="hello", text="hello\n")
    await make_post(settings, make_policy(settings), store.relay_refresh)(mail, TO)


async def test_a_refresh_token_sends(
    kept: CliSettings, store: Store, user: MailUser, identity: IdentityServer, sent: Callable[[], int]
) -> None:
    """Processes use the same token until the relay refuses it; doctor, too. Nothing that is stored shows it."""
    before = identity.asked().count("refresh")
    await send(kept, store, user)
    await send(kept, store, user)
    checks = await doctor_servers.relay(kept, store)
    assert {check.state for check in checks} == {diagnosis.State.FINE}
    assert (sent(), identity.asked().count("refresh")) == (2, before + 1)
    for _ in range(3):
        identity.set(expire=[user.address])
        await send(kept, store, user)
    assert (sent(), identity.asked().count("refresh")) == (5, before + 4)
    secrets = [(await process(kept, store).get()).access_token, kept.smtp_oauth_refresh_token]
    async for document in store._collections.settings.find({}):
        assert not [one for one in secrets if one.get_secret_value() in repr(document)]


async def test_another_token_in_the_settings_counts(
    *,
    kept: CliSettings,
    store: Store,
    settings: Settings,
    user: MailUser,
    identity: IdentityServer,
    live: ConnectPolicy,
) -> None:
    """When the old one has ended, the operator signs in again: what was kept of the old one is not used."""
    await process(kept, store).get()
    identity.set(revoke=[user.address])
    await store._collections.settings.update_many({}, {"$set": {"token.refresh_at": None}})
    with pytest.raises(MailServerError) as refused:
        await send(kept, store, user)
    assert refused.value.code is Code.OAUTH2_EXPIRED
    tokens = await sign_in(OAuthClient(app(identity), live), identity, user)
    await send(settings(smtp_oauth_refresh_token=tokens.refresh_token, smtp_oauth_scopes=()), store, user)


async def test_one_process_at_a_time_refreshes(kept: CliSettings, store: Store, identity: IdentityServer) -> None:
    """Of many that start at once, one asks the server; all get its result."""
    before = identity.asked().count("refresh")
    found = await asyncio.gather(*(process(kept, store).get() for _ in range(5)))
    assert len({one.access_token.get_secret_value() for one in found}) == 1
    assert identity.asked().count("refresh") == before + 1


@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["claim", "ask", "save"])
async def test_a_death_at_any_step_loses_no_token(
    *,
    kept: CliSettings,
    store: Store,
    user: MailUser,
    identity: IdentityServer,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    moment: str,
    first: bool,
) -> None:
    """Whoever comes next can send, and goes on to be able to."""
    monkeypatch.setattr(relay_refresher, "CLAIM", timedelta(seconds=1))
    if not first:
        await process(kept, store).get()
        await due(store)
    target: Any = OAuthClient if step == "ask" else store.relay_refresh
    name = {"ask": "refresh"}.get(step, step)

    async def dead(*_: Any) -> None:
        """Do nothing: a dead process gives no claim back."""

    with monkeypatch.context() as patch:
        patch.setattr(target, name, dying_step(getattr(target, name), moment))
        patch.setattr(store.relay_refresh, "release", dead)
        with pytest.raises(Death):
            await process(kept, store).get()
    for _ in range(2):
        await send(kept, store, user)
        await due(store)


async def due(store: Store) -> None:
    """Have the kept token be due."""
    await store._collections.settings.update_many(
        {"token": {"$ne": None}}, [{"$set": {"token.refresh_at": {"$subtract": ["$$NOW", 1000]}}}]
    )


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_database_that_fails_loses_no_token(
    *, kept: CliSettings, store: Store, user: MailUser, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """The sign-in server knows only the new token: it is kept as soon as the database answers."""
    save, failures = store.relay_refresh.save, 2

    async def fails(*arguments: Any) -> bool:
        nonlocal failures
        failures -= 1
        if failures < 0:
            return await save(*arguments)
        if lost == "answer":
            await save(*arguments)
        raise AutoReconnect

    monkeypatch.setattr(store.relay_refresh, "save", fails)
    await send(kept, store, user)
    await due(store)
    await send(kept, store, user)


async def test_a_sign_in_server_that_refuses_keeps_no_one_waiting(
    kept: CliSettings, store: Store, user: MailUser, identity: IdentityServer
) -> None:
    """The claim is given back, so that the next process asks at once."""
    with identity.fault("refresh", status=503), pytest.raises(MailServerError):
        await send(kept, store, user)
    async with asyncio.timeout(30):
        await send(kept, store, user)
