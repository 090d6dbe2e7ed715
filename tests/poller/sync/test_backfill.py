"""The backfill against a real server, compared with an independent reading of it."""

from __future__ import annotations

import re

from schemas.accounts import Account
from schemas.ledger import EpochState, RowState
from schemas.messages import SyncCompleted
from services.store import RowOutcome
from tests.poller.fixtures import CLIENT, OTHER, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy


async def test_backfill_gives_every_uid_one_final_row(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Every uid on the server in a synchronized folder has exactly one row in a final state; left-out folders have none."""
    for number in range(40):
        mailbox.append(mail(CLIENT if number % 4 == 0 else "stranger@else.test"))
    mailbox.append(mail("stranger@else.test", CLIENT), "Sent")
    mailbox.append(mail(CLIENT), "Trash")
    mailbox.append(mail(CLIENT), "Junk")
    mailbox.append(mail(CLIENT), "Drafts")
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)

    world.start_poller()
    await world.complete(account)

    rows = await world.rows(account)
    by_folder: dict[str, set[tuple[int, int]]] = {}
    names = {folder.id: folder.name for folder in await world.store.folders.of(account.id)}
    for row in rows:
        by_folder.setdefault(names[row.folder], set()).add((row.uidvalidity, row.uid))
    for name in ("INBOX", "Sent"):
        validity, uids = mailbox.read(name)
        assert by_folder.pop(name) == {(validity, uid) for uid in uids}
    assert not by_folder
    assert await world.states(account) == {"attached": 11, "unmatched": 30}
    assert len(world.fetched) == 11
    assert all(CLIENT.encode() in raw for _, raw in world.fetched)
    assert all(row.epoch == 1 for row in rows if row.state is RowState.UNMATCHED)
    assert len(world.said(SyncCompleted)) <= 1


async def test_bodies_of_irrelevant_mail_are_never_fetched(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Headers come first: only bodies of relevant mail cross the network."""
    for number in range(20):
        mailbox.append(mail("private@else.test", body=f"secret-{number}-"))
    mailbox.append(mail(CLIENT, body="business-"))
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        mailbox.append(mail("private@else.test", body="secret-live-"))
        await until(lambda: _count(world, account, 22), "the live mail has a row", world)

        assert b"business-" in wire.answered
        assert b"secret-" not in wire.answered
        assert b"m" in wire.answered
    assert await world.states(account) == {"attached": 1, "unmatched": 21}


async def test_an_empty_mailbox_completes(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A mailbox without mail is sealed without rows and completes; the confirmation is due."""
    account = await world.connect(mailbox.user)
    world.start_poller()
    await until(lambda: world.said(SyncCompleted), "sync.completed", world)
    epoch = await world.store.epochs.get(account.id, 1)
    assert epoch is not None
    assert epoch.state is EpochState.COMPLETE
    assert epoch.expected == 0


async def test_replies_in_a_thread_that_the_owner_opened_are_relevant(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """A mail without a known participant is fetched if it answers linked mail that the account's owner sent; no other is."""
    mailbox.append(mail(mailbox.user.address, CLIENT), "Sent")
    mailbox.append(mail(CLIENT))
    mailbox.append(mail(OTHER))
    await world.know(CLIENT)
    await world.know(OTHER)
    account = await world.connect(mailbox.user)
    world.start_poller()
    await world.complete(account)
    root = await world.link(account.owner, sent=True, named=f"To: {CLIENT}")
    received = await world.link(account.owner, sent=False, named=f"From: {CLIENT}")
    other = await world.link(account.owner, sent=False, named=f"From: {OTHER}")
    for named in ([received], [root, other], [other], []):
        mailbox.append(mail("assistant@else.test", extra=f"References: {' '.join(f'<{one}>' for one in named)}\r\n"))
    mailbox.append(mail("assistant@else.test", subject="last", extra=f"References: <{received}> <{root}>\r\n"))
    await until(lambda: len(world.fetched) == 4, "the reply is fetched", world)
    assert b"last" in world.fetched[-1][1]

    async def settled() -> bool:
        return await world.states(account) == {"attached": 4, "unmatched": 4}

    await until(settled, "every mail has its final state", world)


async def test_a_thread_that_another_user_opened_is_not_fetched(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A colleague wrote to the client. What strangers answer to the owner of this mailbox stays in it."""
    mailbox.append(mail("colleague@company.test", CLIENT))
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller()
    await world.complete(account)
    root = await world.link("colleague@company.test", sent=True, named=f"To: {CLIENT}")
    await world.link(account.owner, sent=False, named=f"To: {CLIENT}")
    mailbox.append(mail("assistant@else.test", extra=f"References: <{root}>\r\n"))
    await until(lambda: _count(world, account, 2), "the reply has a row", world)
    assert await world.states(account) == {"attached": 1, "unmatched": 1}


async def test_received_mail_under_a_known_message_id_gets_no_private_mail_fetched(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """A sender reuses a Message-ID of the owner's private thread, with a client in Cc. The thread never leaves the mailbox."""
    answer = "References: <private@else.test>\r\n"
    for _ in range(3):
        mailbox.append(mail("private@else.test", extra=answer, body="secret-"))
    stub = mail("attacker@evil.test", extra=f"Cc: {CLIENT}\r\n")
    mailbox.append(re.sub(rb"Message-ID: <[^>]+>", b"Message-ID: <private@else.test>", stub))
    await world.know(CLIENT)
    async with proxy(world.servers.imap.host, world.servers.imap.port) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller()
        await world.complete(account)
        assert await world.link(account.owner, sent=False, named=f"Cc: {CLIENT}") == "private@else.test"
        # What the matcher does after it stored the stub.
        hashes = world.store.record_addresses.message_id_hashes(["private@else.test"])
        assert await world.store.matcher_ledger.replan_threads(hashes) == 0
        mailbox.append(mail("private@else.test", extra=answer, body="secret-live-"))
        await until(lambda: _count(world, account, 5), "the live mail has a row", world)
        assert b"secret-" not in wire.answered
    assert await world.states(account) == {"attached": 1, "unmatched": 4}


async def test_too_large_mail_is_skipped_and_large_mail_travels_as_a_blob(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """Above 256 KiB the message has a reference, above 4 MiB the mail is streamed into the blob store, above the limit it is skipped."""
    middle, large = mail(CLIENT, body="m" * 300_000), mail(CLIENT, body="l" * 5_000_000)
    mailbox.append(middle)
    mailbox.append(large)
    mailbox.append(mail(CLIENT, body="x" * 7_000_000))
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller(max_message_bytes="6000000")
    await world.complete(account)
    assert sorted(len(raw) for _, raw in world.fetched) == [len(middle), len(large)]
    assert all(message.blob for message, _ in world.fetched)
    assert {raw for _, raw in world.fetched} == {middle, large}
    (skipped,) = await world.rows(account, RowState.SKIPPED)
    assert skipped.reason == "too-large"


async def test_a_killed_poller_is_replaced_and_resumes_from_its_cursors(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """After kill -9 during a backfill another poller finishes it: one row per uid, and no window twice."""
    for number in range(1100):  # three windows
        mailbox.append(mail(CLIENT if number % 50 == 0 else "stranger@else.test"))
    await world.know(CLIENT)
    world.finishing = False
    account = await world.connect(mailbox.user)
    first = world.start_poller("first", lease_seconds="2")
    await until(lambda: _count(world, account, 1), "the first window is written", world)
    first.kill()
    world.finishing = True
    before = {row.id: row.noticed_at for row in await world.rows(account)}
    world.start_poller("second", lease_seconds="2")  # which ends what the first had open, and rows locked with it
    for message, _ in list(world.fetched):
        await world.store.matcher_ledger.finish([RowOutcome(message.source.id, RowState.UNMATCHED)])
    await world.complete(account)

    validity, uids = mailbox.read("INBOX")
    rows = await world.rows(account)
    assert {(row.uidvalidity, row.uid) for row in rows} == {(validity, uid) for uid in uids}
    assert all(row.noticed_at == before[row.id] for row in rows if row.id in before)
    assert len({message.source.id for message, _ in world.fetched}) == 22


async def test_a_resync_fixes_the_ledger_and_keeps_stored_mail(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """A resync opens a new epoch, fetches nothing that is stored, and finds what the ledger lacks."""
    for _ in range(10):
        mailbox.append(mail(CLIENT))
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller()
    await world.complete(account)
    fetched = len(world.fetched)
    rows = await world.rows(account)
    await world.store._collections.ledger.delete_one({"_id": rows[3].id})  # as if it had been lost

    await world.store.accounts.request_resync(account.id, by="test")
    await world.complete(account, epoch=2)
    assert len(world.fetched) == fetched + 1
    assert {row.id for row in await world.rows(account)} == {row.id for row in rows}


async def test_a_resync_parses_again_what_readers_may_be_shown_of_another_mailbox(
    world: PollerEnvironment, mailbox: Mailbox
) -> None:
    """Of an email with a key of version 0.1 that two mailboxes hold, what is shown may be the other one's: it is fetched again."""
    for _ in range(4):
        mailbox.append(mail(CLIENT))
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    world.start_poller()
    await world.complete(account)
    fetched, ledger = len(world.fetched), world.store._collections.ledger
    other = await ledger.find_one({"account": account.id, "email": {"$gte": "v1-"}})
    assert other is not None
    wanted = other["_id"]
    await ledger.insert_one({**other, "_id": wanted.replace(account.id, "f" * 24), "account": "f" * 24})

    await world.store.accounts.request_resync(account.id, by="test")
    await world.complete(account, epoch=2)
    await until(lambda: _fetched(world, fetched + 1), "the copy again", world)
    assert [message.source.id for message, _ in world.fetched[fetched:]] == [wanted]


async def _fetched(world: PollerEnvironment, count: int) -> bool:
    return len(world.fetched) >= count


async def _count(world: PollerEnvironment, account: Account, least: int) -> bool:
    return sum((await world.states(account)).values()) >= least
