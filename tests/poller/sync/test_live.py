"""What users do on any device after the backfill, seen in the ledger and on the queues."""

from __future__ import annotations

import pytest
import pytest_asyncio

from schemas.accounts import Account, AccountState, FolderRules, Tls
from schemas.ledger import Row, RowState
from schemas.messages import Lane, MailboxChanged
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy


@pytest_asyncio.fixture
async def account(world: PollerEnvironment, mailbox: Mailbox) -> Account:
    """An account with three relevant mails and a private one, synchronized, and a poller that watches it."""
    for _ in range(3):
        mailbox.append(mail(CLIENT))
    mailbox.append(mail("private@else.test"))
    mailbox.create("Clients")
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller()
    await world.complete(account)
    await idle(world)
    return account


async def idle(world: PollerEnvironment) -> None:
    """Wait until the poller watches: this takes a mail, which the test then forgets."""
    await until(lambda: b"account leased" in world.pollers[-1].log.read_bytes(), "account leased", world)


async def row_of(world: PollerEnvironment, account: Account, uid: int, folder: str = "INBOX") -> Row | None:
    """Return the live row of a uid."""
    number = await world.folder_id(account, folder)
    return next((row for row in await world.rows(account) if (row.folder, row.uid) == (number, uid)), None)


async def test_new_mail_is_fetched_at_once(world: PollerEnvironment, mailbox: Mailbox, account: Account) -> None:
    """New mail is on the live lane without delay, whether it arrives in the open folder or in another."""
    for folder in ("INBOX", "Clients", "Sent"):
        count = len(world.fetched)
        mailbox.append(mail(CLIENT), folder)
        await until(lambda count=count: len(world.fetched) > count, f"new mail in {folder}", world, seconds=30)
        message, _ = world.fetched[-1]
        assert message.lane is Lane.LIVE
        assert message.epoch is None
    assert len({message.id for message, _ in world.fetched}) == 6


async def test_private_mail_stays_in_the_mailbox(world: PollerEnvironment, mailbox: Mailbox, account: Account) -> None:
    """New mail that concerns no record only gets a row, until its sender becomes a contact."""
    mailbox.append(mail("late@else.test"))
    await until(lambda: _has(world, account, 5, RowState.UNMATCHED), "a row", world)
    assert len(world.fetched) == 3
    row = await row_of(world, account, 5)
    assert row is not None
    assert row.marks
    assert row.header

    await world.know("late@else.test", sweep=True)
    await until(lambda: _has(world, account, 5, RowState.ATTACHED), "the late contact's history", world)
    assert len(world.fetched) == 4
    assert world.fetched[-1][0].id.endswith("/2"), "a new event: not by the row, which may be final before it is marked"


async def test_flags_follow(world: PollerEnvironment, mailbox: Mailbox, account: Account) -> None:
    """A mail that is read or flagged on a phone has these flags in the ledger, in the open folder and in others."""
    mailbox.append(mail(CLIENT), "Clients")
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Clients"), "attached", world)
    for folder, uid in (("INBOX", 2), ("Clients", 1)):
        mailbox.uid("STORE", str(uid), "+FLAGS", r"(\Seen \Flagged)", folder=folder)
        await until(
            lambda folder=folder, uid=uid: _flags(world, account, folder, uid, {"\\Seen", "\\Flagged"}), folder, world
        )
    mailbox.uid("STORE", "2", "-FLAGS", r"(\Flagged)")
    await until(lambda: _flags(world, account, "INBOX", 2, {"\\Seen"}), "flag taken away", world)


async def test_an_expunge_is_announced(world: PollerEnvironment, mailbox: Mailbox, account: Account) -> None:
    """A mail that is deleted permanently is gone from the ledger, and the matcher is notified which email lost a copy."""
    row = await row_of(world, account, 2)
    assert row is not None
    mailbox.expunge("2")
    await until(lambda: world.said(MailboxChanged), "mailbox.changed", world)
    assert [key for message in world.said(MailboxChanged) for key in message.emails] == [row.email]
    gone = await world.store.ledger.get(row.id)
    assert gone is not None
    assert gone.state is RowState.GONE
    assert gone.email == row.email


async def test_a_move_is_recognised_without_fetching_the_body(
    world: PollerEnvironment, mailbox: Mailbox, account: Account
) -> None:
    """A mail that is moved to another folder keeps its email: the new row is attached at once, the old one is gone."""
    before = await row_of(world, account, 3)
    assert before is not None
    mailbox.uid("MOVE", "3", "Clients")
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Clients"), "attached at its new place", world)
    await until(lambda: _has(world, account, 3, RowState.GONE), "gone from its old place", world)
    after = await row_of(world, account, 1, "Clients")
    assert after is not None
    assert after.email == before.email
    assert after.relink, "its event may be lost, and the links have lost what the old row granted"
    assert len(world.fetched) == 3


async def test_folders_are_created_renamed_and_deleted(
    world: PollerEnvironment, mailbox: Mailbox, account: Account
) -> None:
    """A new folder is followed; a renamed one keeps its mail without fetching it again; the copies of a deleted one are gone."""
    mailbox.create("Projects")
    mailbox.append(mail(CLIENT), "Projects")
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Projects"), "mail in the new folder", world)
    fetched = len(world.fetched)

    assert mailbox.imap.rename("Projects", "Harbour")[0] == "OK"
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Harbour"), "renamed", world)
    await until(lambda: _has(world, account, 1, RowState.GONE, "Projects"), "gone under its old name", world)
    assert len(world.fetched) == fetched

    assert mailbox.imap.delete("Harbour")[0] == "OK"
    await until(lambda: _has(world, account, 1, RowState.GONE, "Harbour"), "deleted", world)


async def test_new_uids_supersede_the_old_ones(world: PollerEnvironment, mailbox: Mailbox, account: Account) -> None:
    """A folder that was recreated with its name has new uids: rows of the old ones are gone, those of the new ones are attached again."""
    mailbox.append(kept := mail(CLIENT), "Clients")
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Clients"), "attached", world)
    old, _ = mailbox.read("Clients")
    mailbox.imap.unselect()
    mailbox.imap.delete("Clients")
    mailbox.create("Clients")
    mailbox.append(kept, "Clients")
    new, _ = mailbox.read("Clients")
    assert new != old

    async def followed() -> bool:
        rows = [row async for row in world.store.ledger_counts.rows(account.id)]
        number = await world.folder_id(account, "Clients")
        states = {(row.uidvalidity, row.uid): row.state for row in rows if row.folder == number}
        return states == {(old, 1): RowState.GONE, (new, 1): RowState.ATTACHED}

    await until(followed, "superseded and attached again", world)


async def test_a_lost_connection_is_made_again(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """After the connection is cut, the poller reconnects and takes over what happened meanwhile."""
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        await until(lambda: b"IDLE\r\n" in wire.sent, "idling", world)
        wire.cut()
        mailbox.append(mail(CLIENT))
        await until(lambda: len(world.fetched) == 1, "mail after the cut", world)


@pytest.mark.parametrize(
    "capability", ["NOTIFY", "IDLE", "CONDSTORE QRESYNC ENABLE", "LIST-STATUS LIST-EXTENDED SPECIAL-USE"]
)
async def test_servers_without_extensions(world: PollerEnvironment, mailbox: Mailbox, capability: str) -> None:
    """Without NOTIFY, IDLE, CONDSTORE or LIST-STATUS the same changes are noticed by polling."""
    mailbox.create("Clients")
    mailbox.append(mail(CLIENT))
    mailbox.append(mail(CLIENT), "Clients")
    mailbox.append(mail(CLIENT), "Clients")
    await world.know(CLIENT)
    hidden = [name.encode() for name in capability.split()]
    async with proxy(world.servers.imap.host, world.servers.imap.port, hide=hidden) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller(poll_seconds="0.5", idle_seconds="5")
        await world.complete(account)
        mailbox.append(mail(CLIENT))
        await until(lambda: _has(world, account, 2, RowState.ATTACHED), "new mail", world)
        mailbox.append(mail(CLIENT), "Clients")
        await until(lambda: _has(world, account, 3, RowState.ATTACHED, "Clients"), "new mail elsewhere", world)
        mailbox.uid("STORE", "2", "+FLAGS", r"(\Seen)")
        await until(lambda: _flags(world, account, "INBOX", 2, {"\\Seen"}), "flags", world)
        mailbox.expunge("1", folder="Clients")
        await until(lambda: _has(world, account, 1, RowState.GONE, "Clients"), "expunge", world)
        for name in hidden:
            assert name + b" " not in wire.sent or name in (b"NOTIFY", b"ENABLE")


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_over_tls(world: PollerEnvironment, mailbox: Mailbox, tls: Tls) -> None:
    """Encrypted connections idle, notice, fetch and break like others; nothing readable crosses the network."""
    mailbox.append(mail(CLIENT, body="first"))
    await world.know(CLIENT)
    server = world.servers.imap
    async with proxy(server.host, server.tls_port if tls == "tls" else server.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port, tls=tls)
        world.start_poller(ca_file=str(server.ca_file))
        await world.complete(account)
        for number in range(3):
            mailbox.append(mail(CLIENT, body="x" * 200_000))
            await until(lambda number=number: len(world.fetched) == number + 2, "new mail", world, seconds=30)
        mailbox.expunge("1")
        await until(lambda: _has(world, account, 1, RowState.GONE), "expunge", world)
        assert mailbox.user.password.encode() not in wire.sent
        assert CLIENT.encode() not in wire.answered
        await world.store.accounts.set_state(account.id, AccountState.PAUSED, by="test")
        await until(lambda: wire.open == 0, "connections dropped", world)


async def test_folder_rules_of_the_owner(world: PollerEnvironment, mailbox: Mailbox, account: Account) -> None:
    """A folder that its owner excludes loses its copies; one that is included is synchronized, even Trash."""
    mailbox.append(mail(CLIENT), "Clients")
    mailbox.append(mail(CLIENT), "Trash")
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Clients"), "attached", world)
    await world.store.accounts.save_folder_rules(
        account.id, FolderRules(include=("Trash",), exclude=("Clients",)), by="test"
    )
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Trash"), "Trash taken in", world)
    await until(lambda: _has(world, account, 1, RowState.GONE, "Clients"), "Clients taken out", world)
    await world.relink()
    await world.store.accounts.save_folder_rules(account.id, FolderRules(), by="test")
    await until(lambda: _has(world, account, 1, RowState.ATTACHED, "Clients"), "Clients taken in again", world)
    await until(lambda: _has(world, account, 1, RowState.GONE, "Trash"), "Trash taken out again", world)


async def _has(world: PollerEnvironment, account: Account, uid: int, state: RowState, folder: str = "INBOX") -> bool:
    names = {found.id: found.name for found in await world.store.folders.of(account.id)}
    return any(
        [
            (names.get(row.folder), row.uid, row.state) == (folder, uid, state)
            async for row in world.store.ledger_counts.rows(account.id)
        ]
    )


async def _flags(world: PollerEnvironment, account: Account, folder: str, uid: int, flags: set[str]) -> bool:
    row = await row_of(world, account, uid, folder)
    return row is not None and set(row.flags) == flags
