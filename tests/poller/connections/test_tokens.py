"""Accounts whose owners signed in: tokens are refreshed in time, by one process, and never lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo.errors import AutoReconnect

from schemas.accounts import APP_ONLY, Account, AccountState
from schemas.messages import AccountAttention
from services.mailbox.connection import OAuth2Credentials, SealError, password
from services.mailbox.oauth import token_refresh
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.oauth.token_refresh import TokenRefresher
from services.store import NotFoundError, new_account_id
from testbed.identity.part import IdentityServer
from tests import oauth
from tests.conftest import MailUser
from tests.poller.conftest import POLICY
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until

Steps = list[tuple[str, str]]


@pytest.fixture
def signed_in(world: PollerEnvironment, identity: IdentityServer, mailbox: Mailbox) -> Callable[[], Awaitable[Account]]:
    """Return a function that connects the mailbox by a sign-in."""
    world.environment |= {**oauth.settings(world.servers), "LEADMAIL_CA_FILE": str(world.servers.imap.ca_file)}

    async def connect() -> Account:
        await world.know(CLIENT)
        account = await world.connect(mailbox.user)
        await sign_in_again(world, account, identity, mailbox.user)
        return await world.store.accounts.get(account.id)

    return connect


async def sign_in_again(world: PollerEnvironment, account: Account, identity: IdentityServer, user: MailUser) -> None:
    """Save the tokens of a new sign-in."""
    client = OAuthClient(oauth.app(identity), POLICY)
    found, refresh_at = oauth.credentials(await oauth.sign_in(client, identity, user, nonce=account.id))
    sealed = world.box.seal(account.id, found)
    grant = datetime.now(UTC).isoformat()
    await world.store.accounts.save_credentials(account.id, sealed, by="test", grant=grant, refresh_at=refresh_at)


async def test_a_connection_outlives_its_token(
    *, world: PollerEnvironment, identity: IdentityServer, mailbox: Mailbox, signed_in: Callable[[], Awaitable[Account]]
) -> None:
    """Tokens are refreshed before they expire, without a new login: mail goes on to arrive over the old connection."""
    identity.set(lifetime=2)
    account = await signed_in()
    poller = world.start_poller(idle_seconds="300", account_connections="1")
    await world.complete(account)
    logins = identity.asked().count("introspect")
    for number in (1, 2):
        before = identity.asked().count("refresh")
        await until(lambda now=before: identity.asked().count("refresh") >= now + 3, "three refreshes", world)
        mailbox.append(mail())
        await until(lambda wanted=number: len(world.fetched) == wanted, "the new mail", world)
    assert identity.asked().count("introspect") == logins
    poller.stop()
    assert poller.log.read_text().count('"account leased"') == 1
    assert "Bearer" not in poller.log.read_text()


async def test_a_revoked_consent_blocks_and_a_new_sign_in_goes_on(
    *, world: PollerEnvironment, identity: IdentityServer, mailbox: Mailbox, signed_in: Callable[[], Awaitable[Account]]
) -> None:
    """The owner is notified once, with what to do; nothing is lost meanwhile."""
    identity.set(lifetime=4)
    account = await signed_in()
    world.start_poller()
    await world.complete(account)
    identity.set(revoke=[mailbox.user.address])

    async def state() -> AccountState:
        return (await world.store.accounts.get(account.id)).state

    async def blocked() -> bool:
        return await state() is AccountState.BLOCKED

    await until(blocked, "blocked", world)
    assert (await world.store.accounts.get(account.id)).reason == "oauth2-expired"
    await until(lambda: world.said(AccountAttention), "the announcement", world)
    mailbox.append(mail())
    await sign_in_again(world, account, identity, mailbox.user)
    await until(lambda: len(world.fetched) == 1, "the mail that came meanwhile", world)
    assert await state() is AccountState.ACTIVE
    assert len(world.said(AccountAttention)) == 1


async def test_a_mailbox_in_our_own_name(world: PollerEnvironment, identity: IdentityServer, mailbox: Mailbox) -> None:
    """New tokens are asked for in time; nobody is blocked while an administrator has to act, and it goes on by itself."""
    identity.set(lifetime=4)
    key, address = identity.service_account(), mailbox.user.address
    world.environment |= {**oauth.settings(world.servers), "LEADMAIL_CA_FILE": str(world.servers.imap.ca_file)}
    world.environment["LEADMAIL_OAUTH_SERVICE_ACCOUNT"] = key
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    mine = OAuth2Credentials(access_token=SecretStr("none-yet"), provider="generic", mailbox=address)
    sealed = world.box.seal(account.id, mine)
    grant, due = f"{APP_ONLY}0123456789abcdef", datetime.now(UTC)
    await world.store.accounts.save_credentials(account.id, sealed, by="test", grant=grant, refresh_at=due)
    poller = world.start_poller(account_connections="1")
    await world.complete(account)
    before = identity.asked().count("token")
    await until(lambda: identity.asked().count("token") >= before + 3, "three tokens", world)

    async def trouble() -> str | None:
        found = await world.store.accounts.get(account.id)
        assert found.state is AccountState.ACTIVE
        return found.trouble.code if found.trouble else None

    async def over() -> bool:
        return await trouble() is None

    with identity.fault("token", error="unauthorized_client", status=401):
        await until(trouble, "trouble", world)
        assert await trouble() == "delegation-missing"
    await until(over, "the end of the trouble", world)
    mailbox.append(mail())
    await until(lambda: len(world.fetched) == 1, "the new mail", world)
    assert not world.said(AccountAttention)
    poller.stop()
    assert "PRIVATE KEY" not in poller.log.read_text()


async def test_a_token_server_that_is_down_blocks_nobody(
    *, world: PollerEnvironment, identity: IdentityServer, mailbox: Mailbox, signed_in: Callable[[], Awaitable[Account]]
) -> None:
    """The trouble is shown while it lasts, and ends by itself."""
    identity.set(lifetime=4)
    account = await signed_in()

    async def trouble() -> str | None:
        found = await world.store.accounts.get(account.id)
        assert found.state is AccountState.ACTIVE
        return found.trouble.code if found.trouble else None

    async def over() -> bool:
        return await trouble() is None

    world.start_poller()
    await world.complete(account)
    with identity.fault("refresh", status=503):
        await until(trouble, "trouble", world)
        assert await trouble() == "unavailable"
    await until(over, "the end of the trouble", world)
    assert not world.said(AccountAttention)


async def test_a_refused_token_is_refreshed_once_first(
    *, world: PollerEnvironment, identity: IdentityServer, mailbox: Mailbox, signed_in: Callable[[], Awaitable[Account]]
) -> None:
    """A server may end a token before its time. That is no trouble."""
    account = await signed_in()
    identity.set(expire=[mailbox.user.address])
    before = identity.asked().count("refresh")
    world.start_poller()
    await world.complete(account)
    assert identity.asked().count("refresh") == before + 1
    assert (await world.store.accounts.get(account.id)).trouble is None


async def test_one_process_at_a_time_refreshes(
    *, world: PollerEnvironment, identity: IdentityServer, signed_in: Callable[[], Awaitable[Account]]
) -> None:
    """Of many that find a token due, one asks the server; all get its result."""
    account = await due(world, await signed_in())
    before = identity.asked().count("refresh")
    found = await asyncio.gather(*(refresher(world).open(account) for _ in range(5)))
    assert identity.asked().count("refresh") == before + 1
    assert len({credentials.access_token.get_secret_value() for _, credentials in found}) == 1  # type: ignore[union-attr]
    assert len({one.credentials.ciphertext for one, _ in found}) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["claim", "ask", "save"])
async def test_a_death_at_any_step_loses_no_token(
    *,
    world: PollerEnvironment,
    identity: IdentityServer,
    signed_in: Callable[[], Awaitable[Account]],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    moment: str,
) -> None:
    """Whoever comes next has tokens that work, and goes on to have them."""
    monkeypatch.setattr(token_refresh, "CLAIM", timedelta(seconds=1))
    account = await due(world, await signed_in())
    dying = refresher(world)
    target: Any = {"ask": dying, "claim": world.store.account_tokens, "save": world.store.account_tokens}[step]
    name = {"ask": "_ask"}.get(step, step)

    async def dead(_: Account) -> None:
        """Do nothing: a dead process gives no claim back."""

    with monkeypatch.context() as patch:
        patch.setattr(target, name, oauth.dying_step(getattr(target, name), moment))
        patch.setattr(world.store.account_tokens, "release", dead)
        with pytest.raises(oauth.Death):
            await dying.open(account)
    current = await world.store.accounts.get(account.id)
    for _ in range(2):
        current, credentials = await refresher(world).open(await due(world, current))
        assert isinstance(credentials, OAuth2Credentials)
        assert await works(identity, credentials)


async def test_the_owners_new_sign_in_counts(
    *,
    world: PollerEnvironment,
    identity: IdentityServer,
    mailbox: Mailbox,
    signed_in: Callable[[], Awaitable[Account]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tokens that are refreshed while the owner signs in again do not replace the new ones. A lease that was lost loses no tokens."""
    account = await due(world, await signed_in())
    slow = refresher(world)
    ask = slow._ask

    async def meanwhile(before: OAuth2Credentials) -> Any:
        tokens = await ask(before)
        await sign_in_again(world, account, identity, mailbox.user)
        return tokens

    monkeypatch.setattr(slow, "_ask", meanwhile)
    current, _ = await slow.open(account)
    stored = await world.store.accounts.get(account.id)
    assert current.credentials == stored.credentials
    assert stored.grant != account.grant


@pytest.mark.parametrize("lost", ["request", "answer"])
async def test_a_database_that_fails_loses_no_token(
    *,
    world: PollerEnvironment,
    identity: IdentityServer,
    signed_in: Callable[[], Awaitable[Account]],
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    """The server knows only the new refresh token: it is saved as soon as the database answers, before others may refresh."""
    account = await due(world, await signed_in())
    tokens, failures = world.store.account_tokens, 2
    save = tokens.save

    async def fails(*arguments: Any, **named: Any) -> Account | None:
        nonlocal failures
        failures -= 1
        if failures < 0:
            return await save(*arguments, **named)
        assert not await tokens.claim(account, lasts=timedelta(0))
        if lost == "answer":
            await save(*arguments, **named)
        raise AutoReconnect

    monkeypatch.setattr(tokens, "save", fails)
    before = identity.asked().count("refresh")
    current, credentials = await refresher(world).open(account)
    assert isinstance(credentials, OAuth2Credentials)
    assert await works(identity, credentials)
    assert current.credentials == (await world.store.accounts.get(account.id)).credentials != account.credentials
    assert identity.asked().count("refresh") == before + 1


async def test_a_database_that_fails_for_longer_than_the_claim_is_an_error(
    *, world: PollerEnvironment, signed_in: Callable[[], Awaitable[Account]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then another process may refresh."""
    monkeypatch.setattr(token_refresh, "CLAIM", timedelta(seconds=1))
    account = await due(world, await signed_in())
    attempts: list[None] = []

    async def fails(*_: Any, **__: Any) -> None:
        attempts.append(None)
        raise AutoReconnect

    monkeypatch.setattr(world.store.account_tokens, "save", fails)
    with pytest.raises(AutoReconnect):
        await refresher(world).open(account)
    assert len(attempts) > 1


@pytest.mark.parametrize(
    ("end", "left"),
    [("disconnect", False), ("purge", False), ("password", False), ("displaced", True), ("service is down", True)],
)
async def test_new_tokens_of_a_mailbox_that_ended_are_revoked(
    *,
    world: PollerEnvironment,
    identity: IdentityServer,
    mailbox: Mailbox,
    signed_in: Callable[[], Awaitable[Account]],
    monkeypatch: pytest.MonkeyPatch,
    end: str,
    left: bool,
) -> None:
    """Unless the mailbox is connected again by another sign-in, which the service might end with them."""
    account = await due(world, await signed_in())
    slow, store = refresher(world), world.store
    ask = slow._ask

    async def meanwhile(before: OAuth2Credentials) -> Any:
        tokens = await ask(before)
        if end == "purge":
            await store.removal.purge(account.id, by="test")
        elif end == "password":
            sealed = world.box.seal(account.id, password("secret"))
            await store.accounts.save_credentials(account.id, sealed, by="test")
        else:
            await store.removal.disconnect(account.id, by="test")
        if end == "displaced":
            other = account.model_copy(update={"id": new_account_id()})
            await store.accounts.add(other, by="test")
        return tokens

    monkeypatch.setattr(slow, "_ask", meanwhile)
    down = identity.fault("revoke", status=503) if end == "service is down" else contextlib.nullcontext()
    with down, contextlib.suppress(NotFoundError, SealError):
        await slow.open(account)
    assert (mailbox.user.address in identity.signed_in()) is left


async def test_what_cannot_be_refreshed(
    world: PollerEnvironment, identity: IdentityServer, signed_in: Callable[[], Awaitable[Account]]
) -> None:
    """An account that was removed meanwhile, and a token that is due while the server is down but still valid."""
    account = await due(world, await signed_in())
    with identity.fault("refresh", status=500):
        _, credentials = await refresher(world).open(account)
    assert isinstance(credentials, OAuth2Credentials)
    assert await works(identity, credentials)
    await world.store.removal.purge(account.id, by="test")
    with pytest.raises(NotFoundError):
        await refresher(world).open(account)


def refresher(world: PollerEnvironment) -> TokenRefresher:
    """Return a process's refresher."""
    return TokenRefresher(oauth.services(world.servers, POLICY), world.box, world.store.account_tokens)


async def due(world: PollerEnvironment, account: Account) -> Account:
    """Let an account's tokens be due."""
    await world.store._collections.accounts.update_one(
        {"_id": account.id}, {"$set": {"refresh_at": datetime.now(UTC) - timedelta(seconds=1)}}
    )
    return await world.store.accounts.get(account.id)


async def works(identity: IdentityServer, credentials: OAuth2Credentials) -> bool:
    """Whether an access token is valid."""
    client = OAuthClient(oauth.app(identity), POLICY)
    return bool(await client.get_json(f"{identity.issuer}/userinfo", bearer=credentials.access_token))
