"""Confirmations on real servers: each exactly once, whatever happens to notifiers and mail servers."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from schemas.ledger import NotificationState, RowState
from services.notifier import notification
from services.notifier.handler import Notifier
from services.notifier.notification import REJECTED_DELAY, RETRY_DELAY, STALE, OwnerMail
from tests.notifier.fixtures import LOG, SENDER, NotifierEnvironment, completed, new_address


async def test_a_completed_backfill_is_confirmed_once(world: NotifierEnvironment) -> None:
    """The owner gets one mail with the result; the repeated event and the sweeper send nothing."""
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner), [RowState.UNMATCHED, RowState.UNMATCHED])
    notifier = world.notifier()
    for _ in range(2):
        await notifier.completed(completed(epoch))
        await notifier.sweep()
    (mail,) = world.received(owner)
    assert str(mail["To"]) == f"Anna Lind <{owner}>"
    assert str(mail["From"]) == SENDER
    body = mail.get_body(("plain",))
    assert body is not None
    assert "We looked at 2 messages and found none about a lead or contact" in body.get_content()
    assert await world.state(epoch) is NotificationState.SENT


async def test_a_lost_event_is_made_up_for(world: NotifierEnvironment) -> None:
    """A mail that is due in the database is sent without an event."""
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner))
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1
    assert await world.state(epoch) is NotificationState.SENT


async def test_many_notifiers_at_once(world: NotifierEnvironment) -> None:
    """Events and sweeps of several notifiers at the same time send each confirmation once."""
    owners = [new_address() for _ in range(6)]
    epochs = [await world.backfilled(await world.account(owner)) for owner in owners]
    notifiers = [world.notifier() for _ in range(4)]
    await asyncio.gather(
        *(notifier.sweep() for notifier in notifiers),
        *(notifier.completed(completed(epoch)) for notifier in notifiers for epoch in epochs),
    )
    assert [len(world.received(owner)) for owner in owners] == [1] * len(owners)


async def test_a_notifier_that_died_is_replaced(world: NotifierEnvironment) -> None:
    """A claim blocks other notifiers until it is stale; then the same mail, with the same Message-ID, is sent."""
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner))
    assert await world.store.epochs.claim(epoch.account, epoch.number, stale=STALE)  # and its notifier dies
    await world.notifier().sweep()
    await world.notifier().completed(completed(epoch))
    assert world.received(owner) == []
    await world.wait_out(epoch.account, STALE)
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def test_a_crash_after_sending_repeats_the_same_mail(
    world: NotifierEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent but not marked: the owner's mail program sees the same Message-ID, Date and Subject twice, which is one mail."""
    monkeypatch.setattr(notification, "SHUTDOWN_SECONDS", 0.1)
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner))
    handed_over = asyncio.Event()

    async def send_and_hang(mail: OwnerMail) -> None:
        await world.send(mail)
        handed_over.set()
        await asyncio.Event().wait()

    dying = asyncio.create_task(Notifier(world.store, send_and_hang, SENDER, LOG).completed(completed(epoch)))
    await asyncio.wait_for(handed_over.wait(), 20)
    dying.cancel()
    with suppress(asyncio.CancelledError):
        await dying
    await world.notifier().sweep()
    first, second = world.received(owner)
    for header in ("Message-ID", "Date", "Subject"):
        assert str(first[header]) == str(second[header])
    assert await world.state(epoch) is NotificationState.SENT


async def test_a_notifier_stops_after_the_mail_in_progress(world: NotifierEnvironment) -> None:
    """The mail server has the mail and is about to confirm it: it is marked as sent, so that it is not sent again."""
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner))
    handed_over, answered = asyncio.Event(), asyncio.Event()

    async def send_slowly(mail: OwnerMail) -> None:
        await world.send(mail)
        handed_over.set()
        await answered.wait()

    ending = asyncio.create_task(Notifier(world.store, send_slowly, SENDER, LOG).sweep())
    await asyncio.wait_for(handed_over.wait(), 20)
    for _ in range(2):  # it is cancelled again and again until it has ended
        ending.cancel()
        await asyncio.sleep(0.01)
    assert not ending.done()
    answered.set()
    with suppress(asyncio.CancelledError):
        await ending
    assert await world.state(epoch) is NotificationState.SENT
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def test_an_answer_that_is_lost_repeats_the_same_mail(world: NotifierEnvironment) -> None:
    """The server accepted the mail, and the connection broke before it said so."""
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner))
    with world.servers.sink.fault(at="lost", recipient=owner):
        await world.notifier().completed(completed(epoch))
    assert await world.state(epoch) is NotificationState.DUE
    await world.notifier().sweep()
    assert len({str(mail["Message-ID"]) for mail in world.received(owner)}) == 1
    assert len(world.received(owner)) == 2


async def test_a_mail_server_that_is_down(world: NotifierEnvironment) -> None:
    """The event is done, the claim is released at once, and the first sweep after the server is back sends the mail."""
    owners = [new_address(), new_address()]
    epochs = [await world.backfilled(await world.account(owner)) for owner in owners]
    with world.servers.down("smtp"):
        assert await world.notifier().completed(completed(epochs[0])) == ()
        await world.notifier().sweep()
    assert [await world.state(epoch) for epoch in epochs] == [NotificationState.DUE] * 2
    await world.notifier().sweep()
    assert [len(world.received(owner)) for owner in owners] == [1, 1]


async def test_a_temporary_refusal(world: NotifierEnvironment) -> None:
    """Greylisting: the mail is tried again a minute later, not before, and is not lost."""
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner))
    with world.servers.sink.fault("451 4.7.1 greylisted", at="rcpt", recipient=owner):
        await world.notifier().completed(completed(epoch))
    await world.notifier().sweep()
    assert world.received(owner) == []
    await world.wait_out(epoch.account, RETRY_DELAY)
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def test_a_refused_address_does_not_hold_up_the_others(world: NotifierEnvironment) -> None:
    """One owner's address is refused permanently: the others get their mail in the same sweep, and it is tried again in an hour."""
    owners = [new_address() for _ in range(3)]
    epochs = [await world.backfilled(await world.account(owner)) for owner in owners]
    with world.servers.sink.fault("550 5.1.1 no such user", at="rcpt", recipient=owners[0]):
        await world.notifier().sweep()
        await world.wait_out(epochs[0].account, RETRY_DELAY)
        await world.notifier().sweep()
    assert [len(world.received(owner)) for owner in owners] == [0, 1, 1]
    await world.wait_out(epochs[0].account, REJECTED_DELAY)
    await world.notifier().sweep()
    assert len(world.received(owners[0])) == 1


async def test_a_report_that_cannot_be_written_does_not_hold_up_the_others(world: NotifierEnvironment) -> None:
    """An error in one account's documents is logged; the next sweep continues with the others."""
    broken, fine = new_address(), new_address()
    epoch = await world.backfilled(await world.account(broken))
    await world.backfilled(await world.account(fine))
    await world.database["folders"].update_one({"account": epoch.account}, {"$set": {"role": "no such role"}})
    for _ in range(2):
        with suppress(ValueError):
            await world.notifier().sweep()
    assert (len(world.received(broken)), len(world.received(fine))) == (0, 1)


async def test_an_owner_who_is_no_user_any_more(world: NotifierEnvironment) -> None:
    """The mailbox's owner is notified by address alone."""
    owner = new_address()
    epoch = await world.backfilled(await world.account(owner, user=False))
    await world.notifier().completed(completed(epoch))
    (mail,) = world.received(owner)
    assert str(mail["To"]) == owner


async def test_an_account_that_was_purged_meanwhile(world: NotifierEnvironment) -> None:
    """Nothing is left to confirm, and nothing fails."""
    owner = new_address()
    account = await world.account(owner)
    epoch = await world.backfilled(account)
    await world.store.removal.purge(account.id, by="operator")
    assert await world.notifier().completed(completed(epoch)) == ()
    await world.notifier().sweep()
    assert world.received(owner) == []


async def test_a_resync_is_confirmed_as_one(world: NotifierEnvironment) -> None:
    """The second backfill of an account has its own confirmation, which says that the mailbox was synchronized again."""
    owner = new_address()
    account = await world.account(owner)
    for _ in range(2):
        await world.backfilled(account, [])
        await world.notifier().sweep()
    first, second = (mail.get_body(("plain",)) for mail in world.received(owner))
    assert first is not None
    assert second is not None
    assert "is connected and synchronised" in first.get_content()
    assert "has been synchronised again" in second.get_content()
