"""Mails about a shared mailbox: to each active member, and to nobody else."""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import suppress
from datetime import timedelta

import pytest

from schemas.accounts import Account, Trouble
from schemas.identity import team_of
from services.notifier import notification
from services.notifier.handler import Notifier
from services.notifier.notification import STALE, OwnerMail
from services.store.core.documents import now, plain
from tests import factories
from tests.notifier.fixtures import LOG, SENDER, NotifierEnvironment, blocked, completed, new_address


async def shared(world: NotifierEnvironment, *members: str) -> Account:
    """Connect a shared mailbox of new users, who have a name."""
    for member in members:
        await world.store.users.add(member, name="Anna Lind")
    mailbox = factories.account(new_address())
    account = mailbox.model_copy(update={"owner": team_of(mailbox.id), "members": members})
    await world.store.accounts.add(account)
    return account


async def test_each_active_member_gets_the_confirmation(world: NotifierEnvironment) -> None:
    """One mail with one Message-ID, addressed to all of them; neither a disabled member, nor one who left, nor the address itself."""
    ann, bob, disabled, left = (new_address() for _ in range(4))
    account = await shared(world, ann, bob, disabled, left)
    epoch = await world.backfilled(account)
    await world.store.user_lifecycle.disable(disabled, by="operator")
    await world.store.membership.change(account.id, remove=[left], by=ann)
    for _ in range(2):
        await world.notifier().completed(completed(epoch))
        await world.notifier().sweep()
    mails = [world.received(address) for address in (ann, bob, disabled, left, account.address)]
    assert [len(several) for several in mails] == [1, 1, 0, 0, 0]
    (first,), (second,) = mails[:2]
    assert first["Message-ID"] == second["Message-ID"]
    assert {one.addr_spec for one in first["To"].addresses} == {ann, bob}
    body = first.get_body(("plain",))
    assert body is not None
    assert body.get_content().startswith("Hello,"), "no member's name stands for all"


async def test_a_crash_after_sending_repeats_the_same_mail(
    world: NotifierEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each member's mail program sees the Message-ID twice."""
    monkeypatch.setattr(notification, "SHUTDOWN_SECONDS", 0.1)
    ann, bob = new_address(), new_address()
    epoch = await world.backfilled(await shared(world, ann, bob))
    handed_over = asyncio.Event()

    async def send_and_hang(mail: OwnerMail) -> None:
        await world.send(mail)
        handed_over.set()
        await asyncio.Event().wait()

    dying = asyncio.create_task(Notifier(world.store, send_and_hang, SENDER, LOG).completed(completed(epoch)))
    await handed_over.wait()
    dying.cancel()
    with suppress(asyncio.CancelledError):
        await dying
    await world.wait_out(epoch.account, STALE)
    await world.notifier().sweep()
    for member in (ann, bob):
        mails = world.received(member)
        assert (len(mails), len({mail["Message-ID"] for mail in mails})) == (2, 1)


async def test_each_active_member_is_told_that_it_needs_attention(world: NotifierEnvironment) -> None:
    """Once per incident."""
    ann, bob = new_address(), new_address()
    account = await shared(world, ann, bob)
    incident = await world.block(account, "wrong-password")
    for _ in range(2):
        await world.notifier().attention(blocked(account, incident, "wrong-password"))
    for member in (ann, bob):
        (mail,) = world.received(member)
        body = mail.get_body(("plain",))
        assert body is not None
        assert "your mailbox" in body.get_content()


@pytest.mark.parametrize("lasting", [False, True])
async def test_administrators_are_told_of_a_mailbox_without_members(
    world: NotifierEnvironment, monkeypatch: pytest.MonkeyPatch, *, lasting: bool
) -> None:
    """The last member is removed just after the mail about it was claimed. The mail says to add a member; it is sent once."""
    member, boss, former = (new_address() for _ in range(3))
    account = await shared(world, member)
    for user in (boss, former):
        await world.store.users.add(user, admin=True)
    await world.store.user_lifecycle.disable(former, by="operator")
    if lasting:
        since = now() - timedelta(hours=2)
        trouble = plain(Trouble(code="unavailable", phase="live", since=since))
        await world.database["accounts"].update_one({"_id": account.id}, {"$set": {"trouble": trouble}})
    else:
        await world.block(account, "wrong-password")
    claims = world.store.trouble_mails if lasting else world.store.attention
    claim = claims.claim

    async def meanwhile(of: str, number: int, *, stale: timedelta) -> Account | None:
        found = await claim(of, number, stale=stale)
        await world.database["accounts"].update_one({"_id": account.id}, {"$set": {"members": []}})
        return found and found.model_copy(update={"members": ()})

    monkeypatch.setattr(claims, "claim", meanwhile)
    notifier = dataclasses.replace(world.notifier(), lasting=timedelta(hours=1))
    for _ in range(2):
        await notifier.sweep()
    (mail,) = world.received(boss)
    assert (world.received(member), world.received(former)) == ([], [])
    body = mail.get_body(("plain",))
    assert body is not None
    assert f"leadmail account members {account.address} --add" in " ".join(body.get_content().split())


async def test_a_mailbox_that_nobody_has_stops_no_other_mail(world: NotifierEnvironment) -> None:
    """Without members and administrators there is nobody to tell; doctor names it, and other mailboxes' mails are sent."""
    nobodys, other = await shared(world, new_address()), new_address()
    await world.block(nobodys, "wrong-password")
    await world.database["accounts"].update_one({"_id": nobodys.id}, {"$set": {"members": []}})
    await world.block(await shared(world, other), "wrong-password")
    await world.notifier().sweep()
    assert len(world.received(other)) == 1
