"""The deployment's secret is replaced in what is stored: under both keys everything is found, and then the old one is not needed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pymongo import AsyncMongoClient

from schemas.emails import Match
from schemas.errors import LayoutError
from schemas.identity import address_hash, message_id_hash
from schemas.ledger import Row, RowState
from schemas.mail import Role
from services.store import LinkAddition, RemarkedRow, RowOutcome, Store, StoreConfig, StoreError, TwinQuery
from tests.factories import row
from tests.store.fixtures import World, content

Client = AsyncMongoClient[dict[str, object]]
KEYS = {name: name.encode() * 16 for name in ("k1", "k2")}
KIM, LEE, ME = "kim@x.com", "lee@x.com", "a@corp.com"


def config(*names: str) -> StoreConfig:
    """Return the configuration of a process with these keys, the oldest last."""
    return StoreConfig(blind_index_keys={name: KEYS[name] for name in names}, lease_seconds=60)


@pytest.fixture
async def old(mongo: Client, mongo_database: str) -> World:
    """A deployment before its secret changes."""
    store = Store(mongo[mongo_database], mongo[f"{mongo_database}_crm"], config("k1"))
    await store.setup()
    return World(store, mongo[mongo_database], mongo[f"{mongo_database}_crm"])


@pytest.fixture
async def new(old: World, mongo: Client) -> World:
    """The same deployment, with the new secret and the old one; its keys have not changed yet."""
    store = await restarted(old, mongo, "k2", "k1")
    return World(store, old.database, old.crm)


async def restarted(world: World, mongo: Client, *names: str) -> Store:
    """Return the store of a process that starts with these keys.

    Raises:
        LayoutError: one that is needed is missing.
    """
    store = Store(mongo[world.database.name], mongo[world.crm.name], config(*names))
    await store.setup()
    return store


def marked(
    of: str, uid: int, name: str, *people: str, ids: Sequence[str] = (), state: RowState = RowState.UNMATCHED
) -> Row:
    """Return a row that a key marked."""
    marks = [address_hash(KEYS[name], one) for one in people] + [message_id_hash(KEYS[name], one) for one in ids]
    own = message_id_hash(KEYS[name], ids[0]) if ids else None
    return row(of, uid, state, marks=tuple(marks), id_mark=own, mark_key=name, header=b"h")


async def rotated(store: Store) -> None:
    """Take the steps that need no mailbox."""
    await store.key_rotation.extend_emails("k2")
    await store.key_rotation.switch("k2", by="operator")
    await store.key_rotation.remark_addresses("k2")
    await store.key_rotation.remark_erasures("k2")


async def test_addresses_are_found_under_either_key(old: World, new: World) -> None:
    """Before, during and after the change; a late contact finds rows of both keys."""
    mine = await old.account(ME)
    await old.record(KIM)
    assert set(await new.store.record_addresses.known([KIM])) == {KIM}
    await rotated(new.store)
    await new.record(LEE)
    assert set(await new.store.record_addresses.known([KIM, LEE])) == {KIM, LEE}
    stored = {one["address"]: one async for one in new.database["addresses"].find()}
    assert {name: one["mark_key"] for name, one in stored.items()} == {KIM: "k2", LEE: "k2"}
    assert stored[KIM]["mark"] == address_hash(KEYS["k2"], KIM)
    lease = old.leases[mine.id]
    rows = [marked(mine.id, uid, name, "late@x.com") for uid, name in enumerate(KEYS)]
    await old.store.poller_ledger.add_window(lease, rows)
    hashes = new.store.record_addresses.hashes(["late@x.com"])
    assert await new.store.matcher_ledger.replan_by_hashes(hashes) == 2


@pytest.mark.parametrize("name", KEYS)
async def test_threads_are_found_under_either_key(old: World, new: World, name: str) -> None:
    """An answer that either key marked finds the stored mail, whichever key that was stored under."""
    mine = await old.account(ME)
    record = await old.record(KIM)
    before, after = content("before", ME, KIM), content("after", ME, KIM)
    await old.store.emails.save_many([before])
    await new.store.emails.save_many([after])
    await rotated(new.store)
    for mail in (before, after):
        match = Match(address=KIM, role=Role.TO)
        addition = LinkAddition(mail.key, record, mail.sent_at, mail.thread, (match,), mine.owner, sent=True)
        await new.store.links.save_many([addition])
    rows = [
        marked(mine.id, uid, name, ids=(f"answer{uid}", str(mail.message_id)))
        for uid, mail in enumerate((before, after))
    ]
    await old.store.poller_ledger.add_window(old.leases[mine.id], rows)
    hashes = new.store.record_addresses.message_id_hashes([str(before.message_id), str(after.message_id)])
    assert await new.store.matcher_ledger.replan_threads(hashes) == 2
    found = await new.store.emails.ancestors([str(before.message_id), str(after.message_id)])
    assert {one.key for one in found} == {before.key, after.key}


async def test_an_erased_address_stays_erased(old: World, new: World) -> None:
    """Its hash is made again from the CRM's record, which still names it; nothing links its mail in between or afterwards."""
    record = await old.record(KIM)
    await old.store.record_addresses.erase_address(KIM)
    found = await new.store.records.read(record)
    assert found is not None
    assert await new.store.record_addresses.put_many([found]) == {}, "before"
    await new.store.key_rotation.extend_emails("k2")
    await new.store.key_rotation.switch("k2", by="operator")
    assert await new.store.record_addresses.put_many([found]) == {}, "in between"
    assert await new.store.key_rotation.remark_erasures("k2") == 1
    assert await new.store.key_rotation.remark_erasures("k2") == 0
    assert await new.store.record_addresses.put_many([found]) == {}, "afterwards"
    assert await new.store.record_addresses.known([KIM]) == {}
    assert await new.store.data_subjects.records_of(KIM) == [record]
    (stored,) = [one async for one in new.database["erasures"].find()]
    assert stored["mark"] == address_hash(KEYS["k2"], KIM)
    # An erasure during the change reaches addresses that either key marked.
    other = await new.record(LEE)
    await new.database["addresses"].update_many(
        {"address": LEE}, {"$set": {"mark": address_hash(KEYS["k1"], LEE), "mark_key": "k1"}}
    )
    assert await new.store.record_addresses.erase_address(LEE) == [other]
    assert await new.store.record_addresses.known([LEE]) == {}


async def test_rows_are_marked_again_by_compare_and_set(old: World, new: World) -> None:
    """A row that an erasure changed in between keeps what the erasure left, and is read again."""
    mine = await old.account(ME)
    lease = old.leases[mine.id]
    before = [marked(mine.id, uid, "k1", KIM, LEE) for uid in (1, 2)]
    await old.store.poller_ledger.add_window(lease, before)
    await rotated(new.store)
    left = await new.store.remarking.rows(mine.id, "k2", limit=10)
    assert sorted(one.id for one in left) == [one.id for one in before]
    assert [one.id for one in await new.store.remarking.rows(mine.id, "k2", limit=10, but=[before[0].id])] == [
        before[1].id
    ]
    erased = {"$pull": {"marks": address_hash(KEYS["k1"], KIM)}}
    await new.database["ledger"].update_one({"_id": before[0].id}, erased)
    marks = tuple(address_hash(KEYS["k2"], one) for one in (KIM, LEE))
    assert await old.store.remarking.save(lease, [RemarkedRow(one, marks, None, b"h2") for one in left], "k2") == 1
    rows = {one.id: one async for one in new.store.ledger_counts.rows(mine.id)}
    assert rows[before[0].id].marks == (address_hash(KEYS["k1"], LEE),)
    assert (rows[before[1].id].marks, rows[before[1].id].mark_key, rows[before[1].id].header) == (marks, "k2", b"h2")
    assert [one.id for one in await new.store.remarking.rows(mine.id, "k2", limit=10)] == [before[0].id]
    assert await new.store.remarking.left([mine.id], "k2") == {mine.id: {"k1": 1}}


async def test_a_key_is_needed_until_nothing_is_left_under_it(old: World, new: World, mongo: Client) -> None:
    """A process without it refuses to start and says what to do. Afterwards it starts, and finds everything."""
    mine = await old.account(ME)
    await old.record(KIM)
    mail = content("m", KIM, ME)
    await old.store.emails.save_many([mail])
    lease = old.leases[mine.id]
    await old.store.poller_ledger.add_window(lease, [marked(mine.id, 1, "k1", LEE)])
    for _ in range(2):
        with pytest.raises(LayoutError, match=r"lack the secret k1.*LEADMAIL_SECRET_KEYS_OLD"):
            await restarted(old, mongo, "k2")
        await rotated(new.store)  # twice: every step may be repeated
        assert not await new.store.key_rotation.retire(by="operator")
    uses = await new.store.key_rotation.uses()
    assert (uses.left, dict(uses.rows), dict(uses.addresses)) == (1, {"k1": 1}, {})
    assert [(one.account.id, one.rows) for one in uses.accounts] == [(mine.id, 1)]
    with pytest.raises(LayoutError, match="k2"):
        await restarted(old, mongo, "k1")
    with pytest.raises(StoreError, match="restart it"):
        await old.record("new@x.com")
    (left,) = await new.store.remarking.rows(mine.id, "k2", limit=10)
    await old.store.remarking.save(lease, [RemarkedRow(left, (address_hash(KEYS["k2"], LEE),), None, b"")], "k2")
    assert await new.store.key_rotation.retire(by="operator")
    alone = await restarted(old, mongo, "k2")
    assert set(await alone.record_addresses.known([KIM])) == {KIM}
    assert [one.key for one in await alone.emails.ancestors(["m@mail"])] == [mail.key]
    assert await alone.matcher_ledger.replan_by_hashes(alone.record_addresses.hashes([LEE])) == 1
    actions = [(one.action, one.details) for one in await alone.audit.newest(action="secrets")]
    assert actions == [("secrets.rotated", {"key": "k2"}), ("secrets.rotate", {"key": "k2"})]


async def test_rows_of_a_disconnected_account_need_no_key(old: World, new: World) -> None:
    """No look-up concerns them; they are named, and do not keep the old key needed."""
    mine = await old.account(ME)
    await old.store.poller_ledger.add_window(old.leases[mine.id], [marked(mine.id, 1, "k1", LEE)])
    await old.store.removal.disconnect(mine.id, by="operator")
    await rotated(new.store)
    uses = await new.store.key_rotation.uses()
    assert (uses.left, [(one.account.id, one.rows) for one in uses.accounts]) == (0, [(mine.id, 1)])
    assert await new.store.key_rotation.retire(by="operator")


async def test_emails_continue_where_they_were_interrupted(
    old: World, new: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command dies after some of the emails. The next one does the rest, and a change to yet another key does all of them."""
    monkeypatch.setattr("services.store.admin.key_rotation._AT_ONCE", 2)
    mails = [content(str(number), KIM, ME) for number in range(5)]
    await old.store.emails.save_many(mails)

    def die(count: int) -> None:
        raise KeyboardInterrupt(str(count))

    with pytest.raises(KeyboardInterrupt, match="2"):
        await new.store.key_rotation.extend_emails("k2", progress=die)
    counts: list[int] = []
    await new.store.key_rotation.extend_emails("k2", progress=counts.append)
    assert counts == [2, 3]
    async for one in new.database["emails"].find():
        assert one["id_mark"] == [message_id_hash(KEYS[name], one["message_id"]) for name in ("k2", "k1")]
    await new.store.mark_keys.note_emails("k3", after=max(mail.key for mail in mails))
    counts.clear()
    await new.store.key_rotation.extend_emails("k4", progress=counts.append)
    assert counts[-1] == 5


async def test_a_lost_key_is_given_up(old: World, new: World, mongo: Client) -> None:
    """Stages start again without it; rows that it marked are still marked again, and erasures under it stay as they are."""
    mine = await old.account(ME)
    await old.record(KIM)
    await old.store.record_addresses.erase_address(KIM)
    await old.store.poller_ledger.add_window(old.leases[mine.id], [marked(mine.id, 1, "k1", LEE)])
    alone = Store(mongo[old.database.name], mongo[old.crm.name], config("k2"))
    await rotated(alone)
    await alone.key_rotation.forget("k1", by="operator")
    await alone.key_rotation.forget("k2", by="operator")
    await alone.setup()
    assert await alone.mark_keys.lacking() == []
    assert len(await alone.remarking.rows(mine.id, "k2", limit=10)) == 1
    assert await old.database["erasures"].count_documents({}) == 1
    assert (await alone.key_rotation.uses()).left == 0
    assert [one.action for one in await alone.audit.newest(action="secrets.lost")] == ["secrets.lost"]


async def test_processes_announce_their_keys(old: World, new: World) -> None:
    """Those that lack a key are named while they run."""
    await old.store.mark_keys.announce("poller-1")
    await new.store.mark_keys.announce("matcher-1")
    assert await new.store.mark_keys.without("k2") == ["poller-1"]
    assert await new.store.mark_keys.without("k1") == []
    await old.database["key_holders"].update_one(
        {"_id": "poller-1"}, [{"$set": {"at": {"$subtract": ["$$NOW", 61_000]}}}]
    )
    assert await new.store.mark_keys.without("k2") == []


async def test_processes_that_do_not_start_for_lack_of_a_secret_are_counted(mongo: Client, old: World) -> None:
    """One that was started with another secret says so before it is refused. It counts for as long as a supervisor waits."""
    assert await old.store.mark_keys.processes_lacking() == 0
    other = Store(mongo[old.database.name], mongo[old.crm.name], config("k2"))
    await other.mark_keys.announce("poller-9")
    with pytest.raises(LayoutError):
        await other.setup()
    await old.store.mark_keys.announce("poller-1")
    assert await old.store.mark_keys.processes_lacking() == 1
    await old.database["key_holders"].update_one(
        {"_id": "poller-9"}, [{"$set": {"at": {"$subtract": ["$$NOW", 601_000]}}}]
    )
    assert await old.store.mark_keys.processes_lacking() == 0


async def test_a_twin_is_found_under_an_earlier_key(old: World) -> None:
    """A mail that is moved while the keys change is not fetched again."""
    mine = await old.account(ME)
    mail = content("m", KIM, ME)
    await old.store.emails.save_many([mail])
    copy = row(mine.id, 1, header=b"old", size=5, mark_key="k1")
    await old.store.poller_ledger.add_window(old.leases[mine.id], [copy])
    await old.store.matcher_ledger.finish([RowOutcome(copy.id, RowState.ATTACHED, email=mail.key)])
    queries = [TwinQuery("m@mail", b"new", 5, former) for former in ((), (b"old",))]
    found = await old.store.ledger.twins(mine.id, queries)
    assert {query.former: twin.email for query, twin in found.items()} == {(b"old",): mail.key}
