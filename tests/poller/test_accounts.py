"""Which poller works on which account, and what owners and mail servers do to that."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas.accounts import AccountState, Lease
from schemas.messages import AccountAttention
from services.mailbox.connection.credentials import password
from services.store import FolderPatch, LeaseLostError
from tests.conftest import MailUser
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy


async def test_accounts_are_spread_over_the_pollers(
    world: PollerEnvironment, mailbox: Mailbox, new_mail_user: Callable[..., MailUser]
) -> None:
    """A new poller takes its share of the accounts; when one stops, the other has all of them at once."""
    accounts = [await world.connect(mailbox.user)]
    accounts += [await world.connect(new_mail_user()) for _ in range(3)]
    first = world.start_poller("first", lease_seconds="3")
    for account in accounts:
        await world.complete(account)

    async def held(name: str) -> int:
        return len(await world.store.accounts.of_holder(name, [account.id for account in accounts]))

    assert await held("first") == 4
    world.start_poller("second", lease_seconds="3")

    async def shared() -> bool:
        return (await held("first"), await held("second")) == (2, 2)

    await until(shared, "two each", world)
    assert first.stop() == 0

    async def taken_over() -> bool:
        return await held("second") == 4

    await until(taken_over, "all with the second", world, seconds=30)


async def test_a_poller_that_dies_is_replaced_and_its_token_is_worthless(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """After kill -9 another poller has the account within the lease time; writes of the dead one would be refused."""
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller("first", lease_seconds="2")
    await world.complete(account)
    stale = Lease(account=account.id, holder="first", token=1)
    folder = (await world.store.folders.of(account.id))[0]
    await world.store.folders.patch(stale, FolderPatch(folder.id))
    world.pollers[0].kill()
    world.start_poller("second", lease_seconds="2")
    mailbox.append(mail(CLIENT))
    await until(lambda: len(world.fetched) == 1, "new mail by way of the second", world)
    with pytest.raises(LeaseLostError):
        await world.store.folders.patch(stale, FolderPatch(folder.id, live_next=1))
    assert len(world.fetched) == 1


async def test_a_wrong_password_blocks_the_account_once(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A refused login blocks the account, never completes it, and notifies the owner once; a new password unblocks it."""
    right = mailbox.user
    account = await world.connect(replace(right, password="wrong"))
    world.start_poller()
    await until(lambda: world.said(AccountAttention), "account.attention", world)
    blocked = await world.store.accounts.get(account.id)
    assert blocked.state is AccountState.BLOCKED
    assert blocked.reason == "wrong-password"
    assert blocked.epoch == 0
    assert [(m.account, m.reason, m.incident) for m in world.said(AccountAttention)] == [
        (account.id, "wrong-password", 1)
    ]

    sealed = world.box.seal(account.id, password(right.password))
    await world.store.accounts.save_credentials(account.id, sealed, by="test")
    await world.complete(account)
    assert len(world.said(AccountAttention)) == 1


async def test_an_outage_blocks_no_account(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A server that is down is tried again; its users are not asked to change their password."""
    await world.know(CLIENT)
    async with proxy("127.0.0.1", 1) as wire:  # no server listens behind it
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await until(lambda: wire.connections >= 3, "three tries", world)
        assert (await world.store.accounts.get(account.id)).state is AccountState.ACTIVE
        wire.target = (world.servers.imap.host, world.servers.imap.port)
        await world.complete(account)
    assert not world.said(AccountAttention)


async def test_a_paused_account_has_no_connection(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Pausing closes the connections within two seconds; resuming fetches the mail that arrived meanwhile."""
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        await world.store.accounts.set_state(account.id, AccountState.PAUSED, by="test")
        await until(lambda: wire.open == 0, "connections closed", world, seconds=30)
        mailbox.append(mail(CLIENT))
        await world.store.accounts.set_state(account.id, AccountState.ACTIVE, by="test")
        await until(lambda: len(world.fetched) == 1, "mail that came meanwhile", world)


async def test_one_connection_is_enough(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """If a mailbox allows only one connection, backfill, new mail and a late contact take turns on it."""
    mailbox.append(mail(CLIENT))
    mailbox.append(mail("late@else.test"))
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller(account_connections="1")
        await world.complete(account)
        mailbox.append(mail(CLIENT))
        await until(lambda: len(world.fetched) == 2, "new mail", world)
        await world.know("late@else.test", sweep=True)
        await until(lambda: len(world.fetched) == 3, "late contact", world)
        mailbox.append(mail(CLIENT))
        await until(lambda: len(world.fetched) == 4, "new mail again", world)
        await until(lambda: wire.open == 1, "one connection", world, seconds=30)


async def test_a_server_that_allows_one_connection(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """When the server refuses a second connection, the poller works with one; no account is blocked for that."""
    mailbox.append(mail(CLIENT))
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        wire.limit = 1
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        mailbox.append(mail(CLIENT))
        await until(lambda: len(world.fetched) == 2, "new mail", world)
    assert not world.said(AccountAttention)


async def test_rows_without_final_state_are_fetched_again(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A row that was published and never finished is published again, as a new event, after the reaper's delay."""
    await world.know(CLIENT)
    world.finishing = False
    mailbox.append(mail(CLIENT))
    account = await world.connect(mailbox.user)
    world.start_poller(reaper_seconds="5")
    await until(lambda: len(world.fetched) == 1, "fetched", world)
    world.finishing = True
    await until(lambda: len(world.fetched) == 2, "fetched again", world)
    await world.complete(account)
    first, second = (message for message, _ in world.fetched)
    assert first.source == second.source
    assert (first.id[-2:], second.id[-2:]) == ("/1", "/2")


async def test_idle_accounts_share_a_few_threads(
    world: PollerEnvironment, new_mail_user: Callable[..., MailUser]
) -> None:
    """Sixty accounts watched by IDLE need no thread each; mail to any of them is noticed at once."""
    await world.know(CLIENT)
    users = [new_mail_user() for _ in range(60)]
    accounts = [await world.connect(user) for user in users]
    poller = world.start_poller()
    for account in accounts:
        await world.complete(account)
    assert len(os.listdir(f"/proc/{poller.process.pid}/task")) < 60  # noqa: PTH208 - pathlib would block just as well
    for user in (users[0], users[30], users[59]):
        count = len(world.fetched)
        await asyncio.to_thread(world.servers.deliver, user.address, mail(CLIENT))
        await until(lambda count=count: len(world.fetched) > count, "new mail", world, seconds=30)
