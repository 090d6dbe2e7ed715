"""The deployment's secret changes while pollers work: mail arrives, late contacts find it under both keys, the old key goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pymongo import AsyncMongoClient

from schemas.accounts import Account
from schemas.ledger import RowState
from services.mailbox.connection import SecretBox
from services.mailbox.imap import Fetched, ImapSession
from services.poller.copies import relevance
from services.poller.copies.account_context import AccountContext
from services.poller.copies.header_reader import read_headers
from services.poller.sync.mark_renewal import MarkRenewal
from services.settings import CliSettings
from services.store import Store, now
from services.usecases import key_rotation
from services.wiring import make_secret_box, make_store
from tests.poller.fixtures import CLIENT, SECRET, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy

NEW = "11" * 32
BOTH = {"secret_key": NEW, "secret_keys_old": SECRET, "reaper_seconds": "5", "lease_seconds": "3"}
LATE, LATER = "late@else.test", "later@else.test"


class Operator:
    """Whoever runs ``leadmail secrets rotate`` with the new settings."""

    def __init__(self, world: PollerEnvironment, store: Store, box: SecretBox) -> None:
        self.world, self.store, self.box = world, store, box

    async def start(self) -> None:
        """Take the steps that need no poller."""
        await key_rotation.start(self.store, self.box, progress=lambda _: None)

    async def finish(self) -> bool:
        """Finish if nothing is left."""
        return await key_rotation.finish(self.store, self.box)

    async def left(self) -> int:
        """Return how many rows wait."""
        return (await self.store.key_rotation.uses()).rows.total()


@pytest.fixture
async def operator(world: PollerEnvironment, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    """The operator, after the settings were changed."""
    monkeypatch.setattr(key_rotation, "SETTLED", timedelta(0))
    values = {**world.environment, "LEADMAIL_SECRET_KEY": NEW, "LEADMAIL_SECRET_KEYS_OLD": SECRET}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        settings = CliSettings.read()
    async with AsyncMongoClient[dict[str, object]](settings.mongo_url.get_secret_value()) as client:
        store = make_store(client[settings.mongo_database], client[settings.crm_database], settings)
        yield Operator(world, store, make_secret_box(settings))


async def count(world: PollerEnvironment, account: Account, number: int) -> bool:
    """Whether the account has so many rows."""
    return len(await world.rows(account)) == number


async def test_the_secret_changes_while_mail_arrives(
    world: PollerEnvironment, mailbox: Mailbox, operator: Operator
) -> None:
    """A late contact finds mail that either key marked, nothing is fetched twice, and in the end the old secret is not needed."""
    mailbox.append(mail(CLIENT))
    for sender in (LATE, LATER, "other@else.test"):
        mailbox.append(mail(sender))
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller("before", lease_seconds="3")
    await world.complete(account)
    with pytest.raises(key_rotation.RotationRefusedError, match="before does not have the current"):
        await operator.start()
    world.pollers[0].stop()
    world.start_poller("after", **BOTH)
    mailbox.append(mail(LATE))
    await until(lambda: count(world, account, 5), "mail arrives before the change", world)
    await operator.start()
    mailbox.append(mail(LATER))
    mailbox.uid("MOVE", "1", "Trash")  # out of the inbox, and back: a twin under another key
    mailbox.uid("MOVE", "1", "Archive", folder="Trash")
    await until(lambda: count(world, account, 6), "mail arrives after the change", world)
    # Both kinds of rows are found: those of either key.
    world.store = operator.store
    await world.know(LATE, sweep=True)
    await until(lambda: len(world.fetched) >= 3, "a late contact gets its mail", world)

    async def nothing_left() -> bool:
        return await operator.left() == 0

    await until(nothing_left, "every row is marked again", world)
    await until(operator.finish, "the change is finished", world)
    status = await key_rotation.read_status(operator.store, operator.box)
    assert (status.finished, status.missing, len(status.removable)) == (True, [], 1)
    assert world.pollers[-1].stop() == 0
    # The old secret is dropped: the password opens, mail arrives, and a late contact finds its mail.
    world.start_poller("alone", secret_key=NEW, reaper_seconds="5", lease_seconds="3")
    mailbox.append(mail(LATER))
    await until(lambda: count(world, account, 7), "mail arrives without the old secret", world)
    await world.know(LATER, sweep=True)
    await until(lambda: len(world.fetched) >= 6, "a later contact gets its mail", world)
    senders = sorted(raw.split(b"\r\n")[0] for _, raw in world.fetched)
    assert senders == [f"From: {one}".encode() for one in (CLIENT, LATE, LATE, LATER, LATER, LATER)], "none twice"
    rows = await world.rows(account)
    assert {row.mark_key for row in rows} == {operator.box.current}
    assert all(row.id_mark for row in rows)


async def test_a_poller_that_is_killed_while_it_reads_headers_again(
    world: PollerEnvironment, mailbox: Mailbox, operator: Operator
) -> None:
    """The next one does the rest. What an erasure removed from a row's marks does not come back."""
    for _ in range(8):
        mailbox.append(mail(LATE, extra=f"Cc: {LATER}\r\n"))
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller("first", **BOTH)
        await world.complete(account)
        erased = {"$in": operator.store.record_addresses.hashes([LATER])}
        await world.store._collections.ledger.update_many({}, {"$pull": {"marks": erased}})
        wire.hold_at = (b"BODY.PEEK[HEADER]", 1)
        await operator.start()
        await until(wire.held.is_set, "it reads headers again", world)
        assert await operator.left() == 8
        world.pollers[0].kill()
        wire.go.set()
        world.start_poller("second", **BOTH)

        async def nothing_left() -> bool:
            return await operator.left() == 0

        await until(nothing_left, "every row is marked again", world)
    rows = await world.rows(account)
    (late, *_), (later, *_) = (operator.store.record_addresses.hashes([one]) for one in (LATE, LATER))
    assert all(late in row.marks and later not in row.marks for row in rows)


async def test_mail_that_the_server_does_not_return_waits(
    world: PollerEnvironment,
    mailbox: Mailbox,
    session: ImapSession,
    context: AccountContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It keeps its marks and is tried again later, without keeping the poller busy; mail that is gone loses its row."""
    for sender in (LATE, LATER):
        mailbox.append(mail(sender))
    folder = next(folder for folder in context.folders.values() if folder.role == "inbox")
    session.selected = None  # open it again: the server shows a folder as it was when it was opened
    async with session.opened(folder):
        read, _ = await read_headers(context, session, await session.headers([1, 2]))
    decisions, version = await relevance.decide(context, folder, read, epoch=None, noticed_at=now())
    await relevance.write_rows(context, decisions, version, patch=None)
    await world.store._collections.ledger.update_many({}, {"$unset": {"mark_key": "", "id_mark": ""}})
    renewal = MarkRenewal(context)
    assert await renewal.look()
    original = ImapSession.headers

    async def withholding(self: ImapSession, uids: list[int]) -> list[Fetched]:
        return [message for message in await original(self, uids) if message.uid != 1]

    monkeypatch.setattr(ImapSession, "headers", withholding)
    await renewal.run(session)
    first, second = sorted(await world.rows(context.account), key=lambda row: row.uid)
    assert (first.mark_key, bool(first.marks), first.state) == (None, True, RowState.UNMATCHED)
    assert (second.mark_key, bool(second.id_mark)) == (context.marker.key_id, True)
    assert sorted(second.marks) == sorted(decisions[1].row.marks)
    assert not await renewal.look(), "it waits"
    monkeypatch.setattr("services.poller.sync.mark_renewal.PAUSE_SECONDS", 0.0)
    assert await renewal.look()
    mailbox.expunge("1")
    session.selected = None
    await renewal.run(session)
    assert [row.uid for row in await world.rows(context.account)] == [2]
