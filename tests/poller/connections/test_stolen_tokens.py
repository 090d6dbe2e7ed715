"""A service that takes the second use of a refresh token for theft, and a process that died before it saved the new one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from schemas.accounts import Account, AccountState
from schemas.messages import AccountAttention
from services.mailbox.oauth import token_refresh
from services.notifier.attention import attention
from testbed.identity.part import IdentityServer
from tests import oauth
from tests.poller.connections.test_tokens import due, refresher, sign_in_again, signed_in
from tests.poller.fixtures import Mailbox, PollerEnvironment, mail, until

__all__ = ["signed_in"]


async def test_a_token_that_died_with_its_process(
    *,
    world: PollerEnvironment,
    identity: IdentityServer,
    mailbox: Mailbox,
    signed_in: Callable[[], Awaitable[Account]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing can bring it back: the service ends the sign-in. The owner is told once, by a mail that leads to a new sign-in.

    Mail that comes meanwhile is fetched as soon as they have signed in.
    """
    monkeypatch.setattr(token_refresh, "CLAIM", timedelta(seconds=1))
    account = await signed_in()
    identity.set(strict=True)
    dying = refresher(world)

    async def dead(_: Account) -> None:
        """Do nothing: a dead process gives no claim back."""

    with monkeypatch.context() as patch:
        patch.setattr(dying, "_ask", oauth.dying_step(dying._ask, "after"))
        patch.setattr(world.store.account_tokens, "release", dead)
        with pytest.raises(oauth.Death):
            await dying.open(await due(world, account))
    world.start_poller()

    async def blocked() -> bool:
        return (await world.store.accounts.get(account.id)).state is AccountState.BLOCKED

    await until(blocked, "blocked", world)
    await until(lambda: world.said(AccountAttention), "the announcement", world)
    found = await world.store.accounts.get(account.id)
    assert found.reason == "oauth2-expired"
    owner = await world.store.users.add(account.owner)
    told = attention(
        sender="l@crm.example", to=[owner], account=found, now=datetime.now(UTC), console="https://crm.example"
    )
    text = told.get_body(("plain",))
    assert text is not None
    assert f"To sign in again: https://crm.example/mailboxes/{account.id}/sign-in" in text.get_content()
    mailbox.append(mail())
    await sign_in_again(world, account, identity, mailbox.user)
    await until(lambda: len(world.fetched) == 1, "the mail that came meanwhile", world)
    assert (await world.store.accounts.get(account.id)).state is AccountState.ACTIVE
    assert len(world.said(AccountAttention)) == 1
