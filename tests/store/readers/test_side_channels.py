"""What readers do is the same whether hidden mail has a word or no mail has it: the tests count documents, not seconds."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from bson import ObjectId
from pymongo import AsyncMongoClient

from schemas.accounts import Account
from schemas.ledger import RowState
from schemas.mail import Content
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, Mode
from services.store import NotFoundError, RowOutcome, Store, StoreConfig
from services.usecases import leaving
from testbed.local import LocalServers
from tests.factories import row
from tests.store.fixtures import World, content

ANN, BOB, EVE, KIM = "ann@corp.com", "bob@corp.com", "eve@corp.com", "kim@client.com"
HIDDEN = 800
PROFILE = 64 * 1024 * 1024
"""Bytes of notes, so that none is overwritten."""
KEYS = 8
"""Index keys that may differ."""


async def fill(world: World, to: Account, mails: Iterable[Content], *, uid: int = 1000) -> None:
    """Import many copies at once."""
    wanted = list(mails)
    rows = [row(to.id, uid + number) for number in range(len(wanted))]
    await world.store.poller_ledger.add_window(world.leases[to.id], rows)
    await world.store.emails.save_many(wanted)
    additions = [one for mail in wanted for one in await world.additions(to, mail)]
    await world.store.links.save_many(additions)
    await world.store.matcher_ledger.finish(
        [RowOutcome(one.id, RowState.ATTACHED, email=mail.key) for one, mail in zip(rows, wanted, strict=True)]
    )
    await world.store.sharing.recompute([mail.key for mail in wanted])


async def work(world: World, call: Callable[[], Awaitable[object]]) -> Counter[tuple[str, str]]:
    """Return what MongoDB examined for a call: documents and index keys by collection, and the number of queries."""
    total: Counter[tuple[str, str]] = Counter()
    for database in (world.database, world.crm):
        await database.command("profile", 0)
        await database.drop_collection("system.profile")
        await database.create_collection("system.profile", capped=True, size=PROFILE)
        await database.command("profile", 2)
    with suppress(NotFoundError):
        await call()
    for database in (world.database, world.crm):
        await database.command("profile", 0)
        async for entry in database["system.profile"].find({"op": {"$in": ["query", "getmore", "command"]}}):
            name = entry["ns"].partition(".")[2]
            assert entry.get("planSummary") != "COLLSCAN" or database is world.crm, entry["command"]
            for what in ("docsExamined", "keysExamined", "nreturned"):
                total[name, what] += entry.get(what, 0)
            total[name, "queries"] += "planSummary" in entry
    return total


async def same_work(
    world: World, ask: Callable[[Any], Awaitable[object]], one: object, other: object
) -> Counter[tuple[str, str]]:
    """Check that two questions cost the same, and return the cost.

    An index scan that ends at a neighbour's key examines one key more than one that ends at the index's end.
    """
    costs = [await work(world, partial(ask, asked)) for asked in (one, other)]
    documents = [{name: n for name, n in cost.items() if name[1] != "keysExamined"} for cost in costs]
    assert documents[0] == documents[1]
    for name in costs[0]:
        assert abs(costs[0][name] - costs[1][name]) <= KEYS, name
    return costs[0]


def hidden_mails(sender: str = KIM, **fields: Any) -> list[Content]:
    """Return mails that one user has and does not share, each with a word that no other mail has."""
    return [
        content(f"h{number}", sender, BOB, minutes=number, text=f"merger at {7_000_000 + number}", **fields)
        for number in range(HIDDEN)
    ]


@pytest.fixture
async def office(world: World) -> World:
    """Bob's 800 private mails with a client, and two mails that Ann shares, one of them in the same thread."""
    ann, bob = await world.account(ANN), await world.account(BOB, Mode.PRIVATE)
    await world.user(EVE)
    await world.record(KIM, name="Kim")
    await world.record("lou@client.com", name="Lou")
    await fill(world, bob, hidden_mails())
    shared = [
        content("s1", KIM, ANN, minutes=5, text="lunch"),
        content("s2", "lou@client.com", ANN, minutes=HIDDEN + 5, text="dinner", thread="u" * 24),
    ]
    await fill(world, ann, shared)
    return world


async def refs(world: World) -> tuple[RecordRef, RecordRef]:
    """Return the record with hidden mail and the one without."""
    (kim,), (lou,) = (await world.store.records.find(KIM), await world.store.records.find("lou@client.com"))
    return kim.ref, lou.ref


async def test_a_search_costs_the_same_for_hidden_words_and_for_words_that_are_nowhere(office: World) -> None:
    """The cost does not depend on what hidden mail says, even if links still say that it is shared."""
    kim, _ = await refs(office)
    search = office.store.email_search.search
    bob = await office.store.accounts.find(BOB)
    for stale in (False, True):
        if stale:
            await office.database["links"].update_many({"owners": BOB}, {"$set": {"shared_by": [bob.id]}})
        for viewer, hidden in itertools.product((ANN, EVE), ("merger", "7000123", "h77 merger")):
            for record in (None, kim):

                async def ask(text: str, viewer: str = viewer, record: RecordRef | None = record) -> object:
                    return await search(viewer, text, record=record)

                cost = await same_work(office, ask, hidden, "nowhere")
                assert stale or (cost["emails", "docsExamined"] <= 8 and cost["links", "docsExamined"] <= 16)
    assert [one.line.subject for one in await search(ANN, "lunch")] == ["Subject s1"]
    assert len(await search(BOB, "merger", limit=1000)) == HIDDEN


async def test_pages_counts_and_threads_do_not_walk_over_hidden_mail(office: World) -> None:
    """A record or thread with 800 hidden mails costs what one without costs."""
    store, both = office.store, await refs(office)
    await same_work(office, lambda ref: store.reading.count(EVE, ref), *both)
    await same_work(office, lambda ref: store.reading.visible_emails(EVE, ref), *both)
    await same_work(office, lambda ref: store.suggesting.suggested_addresses(EVE, ref), *both)
    keys = content("s1", KIM, ANN).key, content("s2", KIM, ANN).key
    await same_work(office, lambda key: store.email_search.thread(EVE, key), *keys)
    absent = f"v1-{'0' * 40}"
    hidden = content("h7", KIM, BOB).key
    for way in (store.reading.show, store.reading.full_key, store.email_search.thread):
        await same_work(office, partial(way, EVE), hidden, absent)
    await same_work(office, lambda start: store.reading.full_key(EVE, start), hidden[:10], absent[:10])
    every = await work(office, lambda: store.reading.full_key(EVE, "v1-"))
    assert every["links", "docsExamined"] <= 8


async def test_a_search_is_cut_off_after_a_number_of_emails_and_can_continue(
    office: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says how far it got. Continuing finds the rest, each email once; a cursor reveals nothing and cannot be forged."""
    monkeypatch.setattr("services.store.readers.email_search.MOST_READ", 150)
    short = office.store.email_search
    found, before, steps = list[str](), None, 0
    while True:
        part = await short.search(BOB, "merger", limit=70, before=before)
        assert part.read <= 200
        found += [one.line.email for one in part]
        before, steps = part.before, steps + 1
        if before is None:
            break
        assert "v1-" not in before
    assert (len(found), len(set(found)), steps) == (HIDDEN, HIDDEN, 12)
    nothing = await short.search(BOB, "nowhere")
    assert (len(nothing), nothing.read, nothing.cut_short, nothing.before is not None) == (0, 200, True, True)
    assert nothing.back_to is not None
    for wrong in ("", "x", "ä", "AAAA", (nothing.before or "")[:-4] + "AAAA"):
        with pytest.raises(ValueError, match="ended"):
            await short.search(BOB, "nowhere", before=wrong)


@pytest.fixture
async def closed(servers: LocalServers, mongo_database: str) -> AsyncIterator[World]:
    """A CRM that lists readers, with one record that only Bob may read and 800 shared mails on it."""
    async with AsyncMongoClient[dict[str, object]](servers.mongo_url) as client:
        crm = f"{mongo_database}_crm"
        config = StoreConfig(blind_index_keys={"only": b"k" * 32}, readers_field="readers")
        world = World(Store(client[mongo_database], client[crm], config), client[mongo_database], client[crm])
        await world.store.setup()
        ann, bob = await world.account(ANN), await world.account(BOB)
        await world.user(EVE)
        kim, max_ = await world.record(KIM, name="Kim Hidden"), await world.record("max@client.com", name="Max Hidden")
        await world.record("lou@client.com", name="Lou Open")
        for ref in (kim, max_):
            await world.crm["leads"].update_one({"_id": ObjectId(ref.id)}, {"$set": {"readers": [BOB]}})
        await fill(world, bob, hidden_mails())
        await fill(world, ann, [content("s2", "lou@client.com", ANN, minutes=HIDDEN + 5)])
        yield world
        await client.drop_database(crm)


async def test_a_record_that_one_may_not_read_costs_the_same_with_and_without_mail(closed: World) -> None:
    """Neither words of its mail nor its page cost more than what does not exist."""
    store = closed.store
    (kim,), (empty,) = await store.records.find(KIM), await store.records.find("max@client.com")
    await same_work(closed, lambda text: store.email_search.search(EVE, text), "merger", "nowhere")
    for ask in (
        lambda ref: store.reading.count(EVE, ref),
        lambda ref: store.reading.visible_emails(EVE, ref),
        lambda ref: store.suggesting.suggested_addresses(EVE, ref),
        lambda ref: store.email_search.search(EVE, "merger", record=ref),
    ):
        cost = await same_work(closed, ask, kim.ref, empty.ref)
        assert cost["links", "docsExamined"] == 0


async def test_finding_records_costs_the_same_for_hidden_and_absent_ones(closed: World) -> None:
    """A name or address that only hidden records have costs what one costs that no record has."""
    find = closed.store.record_search.find
    bulk = [
        {"name": f"Max Hidden {number}", "emails": f"max{number}@client.com", "readers": [{"email": BOB}]}
        for number in range(300)
    ]
    await closed.crm["leads"].insert_many(bulk)
    await closed.store.record_addresses.put_many(
        [record async for record in closed.store.records.matching("max hidden")]
    )
    for hidden in ("hidden", "kim", "max hidden", "max", "kim@client.com", "max2"):
        await same_work(closed, partial(find, EVE), hidden, "nowhere" if " " not in hidden else "no where")
        assert await find(EVE, hidden) == []
        assert await find(BOB, hidden)
    for seen in ("open", "lou", "lou@cl", "LOU OPEN"):
        assert [record.name for record in await find(EVE, seen)] == ["Lou Open"]


async def test_a_missing_suggestion_reveals_nothing_of_a_hidden_record(closed: World) -> None:
    """An unknown replier is suggested whether or not a record that the viewer may not read has the address."""
    (lou,) = await closed.store.records.find("lou@client.com")
    ann = await closed.store.accounts.find(ANN)
    for name, sender in (("r1", KIM), ("r2", "new@client.com")):
        mail = content(name, sender, ANN, minutes=HIDDEN + 9)
        await closed.answered(ann, mail, "lou@client.com")

    async def suggested(viewer: str) -> list[str]:
        return [one.address for one in await closed.store.suggesting.suggested_addresses(viewer, lou.ref)]

    assert await suggested(EVE) == [KIM, "new@client.com"]
    assert await suggested(BOB) == ["new@client.com"]


async def test_a_preview_counts_only_what_its_caller_sees(closed: World) -> None:
    """Neither a record that the CRM hides from the caller nor mail that others keep for themselves is in any number."""
    store = closed.store
    (kim,) = await store.records.find(KIM)
    await closed.crm["leads"].update_one({"_id": ObjectId(kim.ref.id)}, {"$set": {"readers": [ANN, BOB]}})
    shut = CompanyPolicy(excluded_domains=("client.com",))
    for who, emails, records in ((EVE, 1, 1), (ANN, HIDDEN + 1, 2), (BOB, HIDDEN + 1, 2)):
        hidden = (await store.previewing.company(shut, by=who)).hidden
        assert (hidden.emails, hidden.records) == (emails, records)
    await store.company.save(shut)
    opened = {who: (await store.previewing.company(CompanyPolicy(), by=who)).shown.emails for who in (EVE, ANN, BOB)}
    assert opened == {EVE: 0, ANN: 1, BOB: HIDDEN}


async def test_removal_counts_reveal_neither_hidden_records_nor_unnamed_holders(closed: World) -> None:
    """A copy by Bcc or by a list is not counted as held elsewhere; a copy of someone in To is."""
    store = closed.store
    ann, bob = await store.accounts.find(ANN), await store.accounts.find(BOB)
    named = content("named", "lou@client.com", ANN, BOB)
    blind = content("blind", "lou@client.com", ANN)
    unreadable = content("unreadable", KIM, ANN)
    for mail in (named, blind, unreadable):
        await closed.attach(ann, mail)
    for mail in (named, blind):
        await closed.attach(bob, mail)
    counts = await store.removal.counts([ann.id], asker=ANN)
    assert (counts.copies, counts.emails, counts.only_here) == (3, 3, 2)


async def test_a_confirmation_counts_only_what_the_owner_may_read(closed: World) -> None:
    """Mail that is only on records which the CRM hides from its owner is in no number of the confirmation."""
    store = closed.store
    for owner, records in ((ANN, 1), (BOB, 1)):
        account = await store.accounts.find(owner)
        await store.epochs.start(closed.leases[account.id], [], expected=0)
        report = await store.status.report(account.id, (await store.accounts.get(account.id)).epoch)
        assert report is not None
        emails = HIDDEN if owner == BOB else 1
        assert (report.emails, report.linked) == (emails, {"lead": records, "contact": 0})
    (kim,) = await store.records.find(KIM)
    await closed.crm["leads"].update_one({"_id": ObjectId(kim.ref.id)}, {"$set": {"readers": [EVE]}})
    account = await store.accounts.find(BOB)
    report = await store.status.report(account.id, account.epoch)
    assert report is not None
    assert (report.emails, report.linked, report.oldest) == (0, {"lead": 0, "contact": 0}, None)


async def test_an_administrator_counts_only_what_they_see_of_a_users_removal(office: World) -> None:
    """Mail of the user's private mailbox is in no number, and an email in two of their mailboxes is counted once."""
    store = office.store
    second = await office.account("bob.sales@corp.com", owner=BOB)
    both = content("both", KIM, "bob.sales@corp.com", BOB, ANN)
    for account in (second, await store.accounts.find(BOB), await store.accounts.find(ANN)):
        await office.attach(account, both)
    own = content("own", KIM, "bob.sales@corp.com")
    await office.attach(second, own)
    seen = {asker: await leaving.removal_counts(store, BOB, asker=asker) for asker in (EVE, ANN, BOB)}
    assert [(seen[one].mailboxes, seen[one].emails, seen[one].only_here) for one in (EVE, ANN)] == [(2, 2, 1)] * 2
    assert (seen[BOB].emails, seen[BOB].only_here) == (HIDDEN + 2, HIDDEN + 1)
    shut = CompanyPolicy(excluded_domains=("client.com",))
    hidden = (await store.previewing.company(shut, by=ANN)).hidden
    assert (hidden.emails, hidden.records) == (4, 2), "what lies in three mailboxes is one email"
