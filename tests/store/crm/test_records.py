"""Leads and contacts: read by configured fields, indexed by address, watched for changes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from bson import ObjectId

from schemas.addresses import InvalidAddressError
from schemas.records import Record, RecordRef
from services.store import NewRecord, NotFoundError, RecordChangeBatch, Store, StoreConfig
from services.store.crm.record_fields import addresses_of, id_candidates, name_of, new_document, record_of
from tests.store.fixtures import World

CONFIG = StoreConfig(blind_index_keys={"only": b"k" * 32})


@pytest.mark.parametrize(
    ("document", "fields", "expected"),
    [
        ({"email": "A@X.com"}, ("email",), ("a@x.com",)),
        ({"email": ["a@x.com", "b@x.com", "a@X.COM"]}, ("email",), ("a@x.com", "b@x.com")),
        (
            {"emails": [{"value": "a@x.com"}, {"email": "b@x.com"}, {"address": "c@x.com"}]},
            ("emails",),
            ("a@x.com", "b@x.com", "c@x.com"),
        ),
        ({"people": [{"mail": {"work": "a@x.com"}}, {"mail": {}}]}, ("people.mail.work",), ("a@x.com",)),
        ({"email": "no address", "emails": [None, 3, {"value": 4}], "other": "a@x.com"}, ("email", "emails"), ()),
        ({"email": "a@bücher.example"}, ("email",), ("a@xn--bcher-kva.example",)),
        (
            {"email": "mailto:a@x.com", "emails": ["Ann <b@x.com>", "c@x.com; d@x.com"]},
            ("email", "emails"),
            ("a@x.com", "b@x.com", "c@x.com", "d@x.com"),
        ),
        ({"email": "a@x.com, b@x.com"}, ("email",), ("a@x.com", "b@x.com")),
    ],
)
def test_addresses_are_read_from_every_usual_shape(
    document: dict[str, Any], fields: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """Addresses come from texts, arrays and documents, in normal form, once each, without invalid ones."""
    assert addresses_of(document, fields) == expected


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"name": "Ann Lee", "first_name": "X"}, "Ann Lee"),
        ({"first_name": "Ann", "last_name": "Lee"}, "Ann Lee"),
        ({"last_name": "Lee"}, "Lee"),
        ({"name": "  "}, ""),
    ],
)
def test_names_come_from_the_first_field_that_is_there(document: dict[str, Any], name: str) -> None:
    """A joined name is used if any of its parts is present."""
    assert name_of(document, CONFIG.name_fields) == name


@pytest.mark.parametrize("key", [ObjectId(), "custom-7", 42, -7, uuid.uuid4()])
async def test_records_are_read_whatever_their_ids_are(world: World, store: Store, key: Any) -> None:
    """ObjectIds, texts, numbers and UUIDs lead back to the document."""
    uuids = world.crm.with_options(codec_options=store._collections.crm.codec_options)
    await uuids["leads"].insert_one({"_id": key, "email": "a@x.com", "owner": {"email": "o@corp.com"}, "company": "X"})
    record = await store.records.read(RecordRef(kind="lead", id=str(key)))
    assert record == Record(
        ref=RecordRef(kind="lead", id=str(key)), owner="o@corp.com", company="X", addresses=("a@x.com",)
    )
    assert key in id_candidates(str(key))
    assert await store.records.read(RecordRef(kind="contact", id=str(key))) is None


def test_a_new_document_reads_back() -> None:
    """Leadmail reads the records that it adds."""
    document = new_document(CONFIG, ["a@x.com", "b@x.com"], name="Ann Lee", owner="o@corp.com", company="X")
    assert document["email"] == "a@x.com"
    assert document["emails"] == ["b@x.com"]
    record = record_of("lead", document, CONFIG)
    assert (record.addresses, record.name, record.owner, record.company) == (
        ("a@x.com", "b@x.com"),
        "Ann Lee",
        "o@corp.com",
        "X",
    )
    joined = StoreConfig(
        blind_index_keys={"only": b"k" * 32}, address_fields=("mail.work",), name_fields=("first,last",)
    )
    again = record_of("lead", new_document(joined, ["a@x.com", "b@x.com"], name="Ann Mary Lee"), joined)
    assert (again.addresses, again.name) == (("a@x.com", "b@x.com"), "Ann Mary Lee")


def test_the_summary_field_must_not_be_the_crms() -> None:
    """A setting that would overwrite the CRM's own data is refused."""
    for field in ("email", "name", "first_name", "a.b", "_id"):
        with pytest.raises(ValueError, match="field"):
            StoreConfig(blind_index_keys={"only": b"k" * 32}, summary_field=field)
    with pytest.raises(ValueError, match="16 bytes"):
        StoreConfig(blind_index_keys={"only": b"short"})


async def test_new_addresses_are_returned_until_they_are_swept(world: World, store: Store) -> None:
    """A crash between index and sweep does not lose a late contact's history; the version moves before the sweep."""
    ref = RecordRef(kind="lead", id="1")
    record = Record(ref=ref, addresses=("a@x.com", "b@x.com"))
    before = await store.record_addresses.version()
    assert sorted((await store.record_addresses.put_many([record]))[ref]) == ["a@x.com", "b@x.com"]
    assert await store.record_addresses.version() > before
    assert sorted((await store.record_addresses.put_many([record]))[ref]) == ["a@x.com", "b@x.com"]
    await store.record_addresses.swept({ref: ["a@x.com", "b@x.com"]})
    moved = await store.record_addresses.version()
    assert await store.record_addresses.put_many([record]) == {}
    assert await store.record_addresses.version() == moved
    assert await store.record_addresses.known(["a@x.com", "c@x.com"]) == {"a@x.com": [ref]}


async def test_many_records_are_put_at_once(store: Store) -> None:
    """A scan of the whole CRM takes a few round trips per batch, and returns what is new for each record."""
    refs = [RecordRef(kind=kind, id=str(n)) for n in range(50) for kind in ("lead", "contact")]
    records = [Record(ref=ref, addresses=(f"{ref.kind}{ref.id}@x.com", "common@x.com")) for ref in refs]
    new = await store.record_addresses.put_many(records)
    assert {ref: sorted(addresses) for ref, addresses in new.items()} == {r.ref: sorted(r.addresses) for r in records}
    await store.record_addresses.swept({refs[0]: records[0].addresses})
    moved = await store.record_addresses.version()
    assert len(await store.record_addresses.put_many(records)) == 99
    assert await store.record_addresses.put_many(records[:1]) == {}
    assert await store.record_addresses.version() == moved + 1
    assert len((await store.record_addresses.known(["common@x.com"]))["common@x.com"]) == 100


async def test_old_addresses_stay_as_history(store: Store) -> None:
    """Mail by a former address stays on the record until the record is deleted."""
    ref, other = RecordRef(kind="lead", id="1"), RecordRef(kind="contact", id="1")
    await store.record_addresses.put_many([Record(ref=ref, addresses=("a@x.com",))])
    await store.record_addresses.put_many([Record(ref=other, addresses=("a@x.com",))])
    await store.record_addresses.put_many([Record(ref=ref, addresses=("b@x.com",))])
    assert {known.address: known.current for known in await store.record_addresses.addresses_of(ref)} == {
        "a@x.com": False,
        "b@x.com": True,
    }
    found = await store.record_addresses.known(["a@x.com"])
    assert set(found["a@x.com"]) == {ref, other}
    await store.record_addresses.put_many([Record(ref=ref, addresses=("a@x.com",))])
    assert {known.address: known.current for known in await store.record_addresses.addresses_of(ref)} == {
        "a@x.com": True,
        "b@x.com": False,
    }
    assert sorted(await store.record_addresses.forget(ref)) == ["a@x.com", "b@x.com"]
    assert await store.record_addresses.known(["a@x.com", "b@x.com"]) == {"a@x.com": [other]}


async def test_the_look_up_reads_only_the_index(world: World, store: Store) -> None:
    """The look-up of a window's participants reads only the index."""
    await store.record_addresses.put_many([Record(ref=RecordRef(kind="lead", id="1"), addresses=("a@x.com",))])
    fields = {"_id": 0, "mark": 1, "record.kind": 1, "record.id": 1}
    marks = store.record_addresses.hashes(["a@x.com", "b@x.com"])
    query = {"find": "addresses", "filter": {"mark": {"$in": marks}}, "projection": fields}
    plan = await world.database.command("explain", query, verbosity="executionStats")
    assert plan["executionStats"]["totalDocsExamined"] == 0
    assert plan["executionStats"]["nReturned"] == 1


async def test_records_whose_addresses_cannot_be_read_are_named(world: World, store: Store) -> None:
    """Of each kind; an empty field is no address, and one good address does not excuse another."""
    leads = world.crm["leads"]
    for value in ("a@x.com", "", None, "Ann <a@x.com>", ["a@x.com", "b@x.com; c@x.com"]):
        await leads.insert_one({"email": value})
    wrong = [
        (await leads.insert_one({"email": value})).inserted_id for value in ("n/a", "a@b@x.com", ["a@x.com", "b@"])
    ]
    assert await store.records.unreadable() == [RecordRef(kind="lead", id=str(one)) for one in reversed(wrong)]


async def test_adding_importing_and_finding(world: World, store: Store) -> None:
    """Records are added one by one or imported. Known addresses are not added again. Lists are newest first."""
    one = await store.records.add("lead", NewRecord(("A@x.com", "b@x.com"), name="Ann"))
    rows = [NewRecord(("b@x.com",)), NewRecord(("c@x.com",), name="Cy", company="X"), NewRecord(("c@X.com",))]
    assert await store.records.import_many("lead", rows) == (1, 2)
    steps: list[tuple[int, int]] = []
    assert await store.records.import_many("contact", rows[:1], progress=lambda *step: steps.append(step)) == (1, 0)
    assert steps == [(1, 1)]
    listed = await store.records.newest("lead")
    assert [record.name for record in listed] == ["Cy", "Ann"]
    assert {str(record.ref) for record in await store.records.find("b@X.com")} >= {str(one.ref)}
    assert len(await store.records.find("b@x.com")) == 2
    assert await store.records.find(one.ref.id) == await store.records.find(str(one.ref)) == [one]
    for missing in ("nobody@x.com", "contact:" + one.ref.id, "f" * 24):
        with pytest.raises(NotFoundError):
            await store.records.find(missing)
    with pytest.raises(InvalidAddressError):
        await store.records.add("lead", NewRecord(("not an address",)))
    with pytest.raises(ValueError, match="at least one"):
        await store.records.add("lead", NewRecord(()))


async def changes(watch: AsyncIterator[RecordChangeBatch], enough: int = 1) -> tuple[list[str], Any]:
    """Return the records of at least so many next changes, and the newest token."""
    found: list[str] = []
    async with asyncio.timeout(20):
        async for noticed in watch:
            found += [str(change.ref) for change in noticed.changes]
            if len(found) >= enough and noticed.token is not None:
                return found, noticed.token
    raise AssertionError("the watch ended")


async def test_a_first_watch_sees_what_is_there_then_what_happens(world: World, store: Store) -> None:
    """Without a token every record comes first, including indexed ones that the CRM has deleted."""
    lead = (await store.records.add("lead", NewRecord(("a@x.com",)))).ref
    contact = (await store.records.add("contact", NewRecord(("b@x.com",)))).ref
    await store.record_addresses.put_many([Record(ref=RecordRef(kind="lead", id="deleted"), addresses=("d@x.com",))])
    async with aclosing(store.record_watch.watch(idle=0.2)) as watch:
        found, _ = await changes(watch, 3)
        assert sorted(found) == sorted([str(lead), str(contact), "lead:deleted"])
        await world.crm["leads"].update_one({"_id": ObjectId(lead.id)}, {"$set": {"phone": "1"}})
        assert (await changes(watch))[0] == [str(lead)]
        await world.crm["contacts"].delete_one({"_id": ObjectId(contact.id)})
        assert (await changes(watch))[0] == [str(contact)]


async def test_a_watch_resumes_after_a_stop_without_missing_anything(world: World, store: Store) -> None:
    """Changes during a stop come first. Handled changes do not come again."""
    first = (await store.records.add("lead", NewRecord(("a@x.com",)))).ref
    async with aclosing(store.record_watch.watch(idle=0.2)) as watch:
        _, token = await changes(watch)
    await store.record_watch.save_resume_token(token)
    second = (await store.records.add("contact", NewRecord(("b@x.com",)))).ref
    await world.crm["others"].insert_one({"email": "c@x.com"})
    async with aclosing(store.record_watch.watch(idle=0.2)) as watch:
        found, _ = await changes(watch)
    assert found == [str(second)]
    assert first != second


async def test_our_own_summary_is_no_change(world: World, store: Store) -> None:
    """Updates of only the summary field are ignored: otherwise every mail would cause a look at its records."""
    ref = (await store.records.add("lead", NewRecord(("a@x.com",)))).ref
    this = {"_id": ObjectId(ref.id)}
    async with aclosing(store.record_watch.watch(idle=0.2)) as watch:
        await changes(watch)
        leads = world.crm["leads"]
        await leads.update_one(this, {"$set": {"leadmail": {"count": 1, "newest": [1, 2, 3]}}})
        await leads.update_one(this, {"$set": {"leadmail.count": 2}})
        await leads.update_one(this, [{"$set": {"leadmail.newest": [1]}}])
        await leads.update_one(this, {"$unset": {"leadmail": ""}})
        marker = (await store.records.add("lead", NewRecord(("marker@x.com",)))).ref
        assert (await changes(watch))[0] == [str(marker)]
        await leads.update_one(this, {"$set": {"leadmail.count": 2, "leadmailer": 1}})
        await leads.update_one(this, {"$unset": {"leadmailer": ""}})
        assert (await changes(watch, 2))[0] == [str(ref)] * 2


async def test_a_token_that_is_no_longer_valid_leads_to_a_scan(world: World, store: Store) -> None:
    """If the server cannot resume, every record is scanned, so that none is missed."""
    ref = (await store.records.add("lead", NewRecord(("a@x.com",)))).ref
    await store.record_watch.save_resume_token({"_data": "8200000001000000012B0229296E04"})
    async with aclosing(store.record_watch.watch(idle=0.2)) as watch:
        assert (await changes(watch))[0] == [str(ref)]


async def test_a_watch_survives_the_loss_of_the_crms_database(world: World, store: Store) -> None:
    """Dropping the database ends the server's stream. The watch starts again with the new content."""
    gone = (await store.records.add("lead", NewRecord(("a@x.com",)))).ref
    record = await store.records.read(gone)
    assert record is not None
    await store.record_addresses.put_many([record])
    async with aclosing(store.record_watch.watch(idle=0.2)) as watch:
        await changes(watch)
        await world.crm.client.drop_database(world.crm.name)
        new = (await store.records.add("contact", NewRecord(("b@x.com",)))).ref
        found: set[str] = set()
        while not {str(gone), str(new)} <= found:
            found |= set((await changes(watch))[0])
