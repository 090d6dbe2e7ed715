"""The mail about an account that needs its owner: one per incident."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from schemas.accounts import APP_ONLY, Account, AccountState, Trouble
from services.notifier.notification import REJECTED_DELAY, STALE
from services.store import now
from tests.factories import lease_of
from tests.notifier.fixtures import NotifierEnvironment, blocked, new_address


async def test_one_mail_per_incident(world: NotifierEnvironment) -> None:
    """The owner gets one mail with the provider's own steps; the next incident has its own mail."""
    owner = new_address()
    account = await world.account(owner, provider="gmail")
    for _ in range(2):
        incident = await world.block(account, "app-password-needed")
        for _ in range(2):
            await world.notifier().attention(blocked(account, incident, "app-password-needed"))
            await world.notifier().sweep()
        await world.store.accounts.set_state(account.id, AccountState.ACTIVE, by="operator")
    first, second = world.received(owner)
    assert str(first["Message-ID"]) != str(second["Message-ID"])
    body = first.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Gmail requires an app-specific password" in text
    assert "https://myaccount.google.com/apppasswords" in text
    assert f"leadmail account password {owner}" in text


async def test_a_lost_event_is_made_up_for(world: NotifierEnvironment) -> None:
    """A blocked account whose owner was not notified is found without an event."""
    owner = new_address()
    await world.block(await world.account(owner), "wrong-password")
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def test_a_recovered_account_causes_no_mail(world: NotifierEnvironment) -> None:
    """The event is late and the account works again: no mail is sent."""
    owner = new_address()
    account = await world.account(owner)
    incident = await world.block(account, "wrong-password")
    await world.store.accounts.set_state(account.id, AccountState.ACTIVE, by="operator")
    await world.notifier().attention(blocked(account, incident, "wrong-password"))
    await world.notifier().sweep()
    assert world.received(owner) == []


async def test_an_incident_that_is_over(world: NotifierEnvironment) -> None:
    """Of two incidents only the present one is reported."""
    owner = new_address()
    account = await world.account(owner)
    past = await world.block(account, "wrong-password")
    await world.store.accounts.set_state(account.id, AccountState.ACTIVE, by="operator")
    await world.block(account, "imap-disabled")
    await world.notifier().attention(blocked(account, past, "wrong-password"))
    assert world.received(owner) == []
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def test_a_mail_server_that_is_down(world: NotifierEnvironment) -> None:
    """The owner is notified as soon as the server is back."""
    owner = new_address()
    account = await world.account(owner)
    incident = await world.block(account, "wrong-password")
    with world.servers.down("smtp"):
        assert await world.notifier().attention(blocked(account, incident, "wrong-password")) == ()
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def test_a_refused_address_is_tried_again_later(world: NotifierEnvironment) -> None:
    """An address that is refused permanently is not tried at every sweep, but again after an hour."""
    owner = new_address()
    account = await world.account(owner)
    await world.block(account, "wrong-password")
    with world.servers.sink.fault("550 5.1.1 no such user", at="rcpt", recipient=owner):
        await world.notifier().sweep()
    await world.wait_out(account.id, STALE)
    await world.notifier().sweep()
    assert world.received(owner) == []
    await world.wait_out(account.id, REJECTED_DELAY - STALE)
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def test_a_notifier_that_died_is_replaced(world: NotifierEnvironment) -> None:
    """A claim blocks other notifiers until it is stale."""
    owner = new_address()
    account = await world.account(owner)
    incident = await world.block(account, "wrong-password")
    assert await world.store.attention.claim(account.id, incident, stale=STALE)
    await world.notifier().sweep()
    assert world.received(owner) == []
    await world.wait_out(account.id, STALE)
    await world.notifier().sweep()
    assert len(world.received(owner)) == 1


async def shown(world: NotifierEnvironment, account: Account, trouble: Trouble | None) -> None:
    """Store a trouble as a poller does."""
    lease = await lease_of(world.store, account.id)
    await world.store.account_troubles.note(lease, trouble)
    await world.store.leases.release([lease])


async def test_one_mail_per_lasting_trouble(world: NotifierEnvironment) -> None:
    """The owner of an active account hears once of what has lasted for a day, with its reason; not of what is new."""
    owner, day = new_address(), timedelta(days=1)
    account = await world.account(owner, provider="gmail")
    notifier = replace(world.notifier(), lasting=day)
    trouble = Trouble(code="throttled", phase="backfill", since=now() - day / 2, detail="Suggested Backoff Time")
    await shown(world, account, trouble)
    await notifier.sweep()
    assert world.received(owner) == []
    old = trouble.model_copy(update={"since": now() - 2 * day})
    await shown(world, account, None)
    for _ in range(2):
        await shown(world, account, old)
        await notifier.sweep()
    (first,) = world.received(owner)
    assert "not fully synchronised" in str(first["Subject"])
    body = first.get_body(("plain",))
    assert body is not None
    assert "Gmail limits how fast" in body.get_content()
    stored = (await world.store.accounts.get(account.id)).trouble
    assert stored is not None
    assert stored.owner_told
    another = old.model_copy(update={"code": "no-inbox", "since": now() - 3 * day, "detail": "LIST has no INBOX"})
    await shown(world, account, None)
    await shown(world, account, another)
    await notifier.sweep()
    assert len(world.received(owner)) == 2


async def test_a_trouble_that_is_over_causes_no_mail(world: NotifierEnvironment) -> None:
    """Neither does one of a paused account, nor any if the operator wants none."""
    owner, day = new_address(), timedelta(days=1)
    account = await world.account(owner)
    trouble = Trouble(code="throttled", phase="backfill", since=now() - 2 * day)
    await shown(world, account, trouble)
    await world.notifier().sweep()
    await world.store.accounts.set_state(account.id, AccountState.PAUSED, by="operator")
    await replace(world.notifier(), lasting=day).sweep()
    assert world.received(owner) == []


async def test_administrators_hear_of_what_they_repair(world: NotifierEnvironment) -> None:
    """One mail is about all mailboxes that Leadmail opens in its own name; one that is not granted has its own; owners get none."""
    owners, boss, day = [new_address() for _ in range(3)], new_address(), timedelta(days=1)
    await world.store.users.add(boss, admin=True)
    grant = f"{APP_ONLY}0123456789abcdef"
    accounts = [await world.account(owner, provider="microsoft365", grant=grant) for owner in owners]
    since = now() - 2 * day
    for account, code in zip(
        accounts, ["app-secret-expired", "app-secret-expired", "mailbox-not-granted"], strict=True
    ):
        await shown(world, account, Trouble(code=code, phase="connect", since=since))
    for _ in range(2):
        await replace(world.notifier(), lasting=day).sweep()
    mails = world.received(boss)
    texts = sorted(str(mail.get_body(("plain",)).get_content()) for mail in mails)  # type: ignore[union-attr]
    assert len(texts) == 2
    assert ["client secret of Leadmail's application at Microsoft 365 has expired" in text for text in texts].count(
        True
    ) == 1
    assert any("about every mailbox" in text and "the mailbox" in text for text in texts)
    assert any(f"open the mailbox {owners[2]}" in text for text in texts)
    assert not any(world.received(owner) for owner in owners)


async def test_an_administrator_whose_address_is_refused(world: NotifierEnvironment) -> None:
    """The others hear of it all the same, and once: the mail is not tried again for the one who cannot be reached."""
    owner, day, bosses = new_address(), timedelta(days=1), sorted(new_address() for _ in range(3))
    for boss in bosses:
        await world.store.users.add(boss, admin=True)
    account = await world.account(owner, grant=f"{APP_ONLY}0123456789abcdef")
    await shown(world, account, Trouble(code="app-secret-expired", phase="connect", since=now() - 2 * day))
    with world.servers.sink.fault("550 5.1.1 no such user", at="rcpt", recipient=bosses[1]):
        await replace(world.notifier(), lasting=day).sweep()
    found = await world.database["accounts"].find_one({"_id": account.id})
    assert found is not None
    assert found["trouble"]["owner_told"]
    assert [len(world.received(boss)) for boss in bosses] == [1, 0, 1]


async def test_without_administrators_the_owner_hears(world: NotifierEnvironment) -> None:
    """Somebody has to."""
    owner, day = new_address(), timedelta(days=1)
    account = await world.account(owner, grant=f"{APP_ONLY}0123456789abcdef")
    await shown(world, account, Trouble(code="delegation-missing", phase="connect", since=now() - 2 * day))
    await replace(world.notifier(), lasting=day).sweep()
    assert len(world.received(owner)) == 1
