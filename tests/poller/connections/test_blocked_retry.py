"""A blocked account continues by itself when its login works again."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

from schemas.accounts import AccountState
from schemas.messages import AccountAttention
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until


async def test_a_blocked_account_continues_when_its_password_is_right_again(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """The password that is stored becomes right at the server: no one has to act, and no one is notified again."""
    await world.know(CLIENT)
    mailbox.append(mail(CLIENT))
    future = replace(mailbox.user, password=secrets.token_hex(8))
    account = await world.connect(future)
    world.start_poller(blocked_retry_hours=str(2 / 3600))

    async def blocked() -> bool:
        found = await world.store.accounts.get(account.id)
        return found.state is AccountState.BLOCKED and found.retry_at is not None

    await until(blocked, "blocked", world)
    await asyncio.to_thread(world.servers.add_user, future.address, future.password)
    await world.complete(account)
    found = await world.store.accounts.get(account.id)
    assert (found.state, found.incident) == (AccountState.ACTIVE, 1)
    await until(lambda: len(world.fetched) == 1, "its mail", world)
    assert len(world.said(AccountAttention)) <= 1
