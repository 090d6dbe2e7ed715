"""Two pollers, one account: every write of a poller that was paused past its lease is refused."""

from __future__ import annotations

import signal
from datetime import datetime
from typing import Any

from pymongo.errors import OperationFailure

from schemas.accounts import Account
from schemas.ledger import EpochState, NotificationState
from schemas.messages import SyncCompleted
from services.store.core.documents import now
from tests.poller.fixtures import CLIENT, Mailbox, Poller, PollerEnvironment, mail, until

OURS = ("pollers", "key_holders", "accounts")
"""Collections in which every poller writes: that it lives, its keys, and leases, each by a condition on its own token."""


async def stop_in_a_write(world: PollerEnvironment, poller: Poller, account: Account) -> None:
    """Pause a poller during a write about an account: the account is locked until the poller tries to write, and then it is paused."""
    accounts = world.store._collections.accounts
    async with world.store._collections.client.start_session() as session:
        while True:
            await session.start_transaction()
            try:
                await accounts.update_one({"_id": account.id}, {"$inc": {"fence": 1}}, session=session)
                break
            except OperationFailure as error:  # it is writing at this moment
                if not error.has_error_label("TransientTransactionError"):
                    raise
                await session.abort_transaction()

        locked = now()  # its own writes conflict with one another at times, before this

        async def tries() -> bool:
            return any(write.get("errName") == "WriteConflict" for write in await writes_of(world, poller, locked))

        await until(tries, "the poller tries to write", world)
        poller.process.send_signal(signal.SIGSTOP)
        await session.abort_transaction()


async def watch_writes(world: PollerEnvironment) -> None:
    """Make the server record every operation on this test's database from now on."""
    database = world.store._collections.database
    await database.create_collection("system.profile", capped=True, size=64 * 1024 * 1024)
    await database.command({"profile": 2})


async def writes_of(world: PollerEnvironment, poller: Poller, since: datetime | None = None) -> list[dict[str, Any]]:
    """Return the writes that a poller process sent to the server."""
    query: dict[str, Any] = {
        "appName": f"leadmail {poller.name}",
        "op": {"$in": ["insert", "update", "remove", "command"]},
        "ts": {"$gte": since or now().replace(year=2000)},
    }
    found = world.store._collections.database["system.profile"].find(query)
    return [one async for one in found if one["op"] != "command" or "findAndModify" in one["command"]]


def changed(write: dict[str, Any]) -> int:
    """Return how many documents a write changed."""
    return sum(int(write.get(name, 0)) for name in ("ninserted", "nModified", "ndeleted")) + bool(write.get("upsert"))


async def state_of(world: PollerEnvironment) -> dict[str, list[Any]]:
    """Return everything that is stored about mail."""
    c = world.store._collections
    kept = {
        "ledger": c.ledger,
        "folders": c.folders,
        "epochs": c.epochs,
        "blobs": c.blob_files,
        "chunks": c.blob_chunks,
    }
    found = {name: [each async for each in one.find().sort("_id", 1)] for name, one in kept.items()}
    fields = {"state": 1, "reason": 1, "incident": 1, "epoch": 1, "resync_requested": 1}
    return {**found, "accounts": [each async for each in c.accounts.find({}, fields)]}


async def test_a_poller_that_wakes_up_too_late_writes_nothing(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Paused in a write during a backfill, replaced, resumed: it writes no row, cursor, epoch, flag, block or blob."""
    for number in range(1300):
        mailbox.append(mail(CLIENT if number % 20 == 0 else "stranger@else.test"))
    for _ in range(3):
        mailbox.append(mail(CLIENT, body="l" * 400_000))
    await world.know(CLIENT)
    await watch_writes(world)
    account = await world.connect(mailbox.user)
    first = world.start_poller("first", lease_seconds="2")

    async def started() -> bool:
        return sum((await world.states(account)).values()) > 0

    await until(started, "the first window is written", world)
    await stop_in_a_write(world, first, account)
    epoch = await world.store.epochs.get(account.id, 1)
    assert epoch is not None
    assert epoch.state is EpochState.ENUMERATING, "it was stopped in the middle"

    second = world.start_poller("second", lease_seconds="2")
    await world.complete(account)
    mailbox.uid("STORE", "1:5", "+FLAGS", r"(\Flagged)")
    mailbox.append(mail(CLIENT))

    async def quiet() -> bool:
        rows = await world.rows(account)
        flagged = sum("\\Flagged" in row.flags for row in rows)
        return flagged == 5 and len(rows) == 1304 and {row.state.value for row in rows} == {"attached", "unmatched"}

    await until(quiet, "the second has taken over everything", world)
    before = await state_of(world)
    woken = now()

    first.process.send_signal(signal.SIGCONT)
    noticed = (
        "lease lost",
        "account is no longer leased",
    )  # when it renews its leases, or when it looks what changed: what comes first
    await until(lambda: any(word in first.log.read_text() for word in noticed), "the first notices", world)
    assert first.stop() == 0
    late = await writes_of(world, first, woken)
    # It tries the write that it was paused in again, unless it learns of its lost lease first.
    assert [one for one in late if "lease.token" in str(one["command"]) and one.get("nMatched")] == []
    assert [one for one in late if one["ns"].partition(".")[2] not in OURS and changed(one)] == []
    assert await state_of(world) == before
    assert await world.store.accounts.of_holder("second", [account.id]) != {}
    assert second.stop() == 0

    validity, uids = mailbox.read("INBOX")
    assert sorted((row.uidvalidity, row.uid) for row in await world.rows(account)) == [
        (validity, uid) for uid in sorted(uids)
    ]
    assert len({message.source.id for message, _ in world.fetched}) == 69
    done = await world.store.epochs.get(account.id, 1)
    assert done is not None
    assert done.notification is NotificationState.DUE
    assert len(world.said(SyncCompleted)) <= 1
