"""Cases of the sharing rule that users try or run into, from the raw mail to what each user sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import permutations

import pytest
from bson import ObjectId

from schemas.accounts import Account, ProofKind
from schemas.emails import Match
from schemas.ledger import RowState
from schemas.mail import Participant, Role
from schemas.messages import MailParsed
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.matcher.linking.relinking import relink
from services.matcher.sweepers import sweep_pending_work
from services.store import LinkAddition, NotFoundError, RowOutcome
from services.store.core.migrations import MIGRATIONS
from tests.factories import lease_of, sent_folder
from tests.matcher.fixtures import World, mail

ANN, BOB, EVE, CARLA, PAUL = (
    *("ann@firm.example", "bob@firm.example", "eve@firm.example"),
    *("carla@client.example", "paul@partner.example"),
)
HOME = "c@home.example"
NEVER = timedelta(seconds=-1)


async def people(world: World, *users: str) -> None:
    """Add users."""
    for user in users:
        await world.store.users.add(user)


async def seen(world: World, viewer: str, record: RecordRef, *, at_rest: bool = True) -> list[str]:
    """Return the subjects of a viewer's lines on a record; page, count and (once links are updated) search must agree."""
    page = await world.store.reading.visible_emails(viewer, record, limit=100)
    emails = {email for line in page.emails for email in (line.email, *line.also)}
    assert await world.store.reading.count(viewer, record) == len(emails)
    found = await world.store.email_search.search(viewer, "e", record=record, limit=100)
    extra = {one.line.email for one in found} ^ emails
    assert not extra or not at_rest
    return sorted(line.subject.removeprefix("Subject ") for line in page.emails)


async def settle(world: World) -> None:
    """Finish all pending work and let links follow."""
    for _ in range(3):
        await world.rest()
        await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=NEVER)
    await world.rest()


async def receive(world: World, account: Account, raw: str) -> str:
    """Deliver a raw mail through parser and matcher; return its email's key."""
    copy = await world.deliver(account, raw.replace("\n", "\r\n").encode())
    return copy.content.key


SECRET = """From: Carla <carla@client.example>
To: ann@firm.example
Subject: Subject secret
Date: Mon, 5 Jan 2026 10:00:00 +0000
Message-ID: <secret@client.example>

The price is 4,711.
"""


async def test_a_stub_with_the_message_id_of_a_private_mail_reads_nothing(world: World) -> None:
    """With the same Message-ID, From, Date and Subject but another text it is another email; the forger sees only their own text."""
    await people(world, ANN, EVE)
    ann, eve = await world.account(ANN, Mode.PRIVATE), await world.account(EVE)
    record = await world.record(CARLA)
    real = await receive(world, ann, SECRET)
    forged = await receive(world, eve, SECRET.replace("The price is 4,711.", "Let me in."))
    assert real != forged
    (line,) = (await world.store.reading.visible_emails(EVE, record)).emails
    assert line.email == forged
    assert (await world.store.reading.show(EVE, forged)).content.text.strip() == "Let me in."
    with pytest.raises(NotFoundError):
        await world.store.reading.show(EVE, real)
    assert await world.store.email_search.search(EVE, "4,711") == []
    assert [one.line.email for one in await world.store.email_search.thread(EVE, forged)] == [forged]


async def test_a_forged_sender_opens_nothing(world: World) -> None:
    """A mail in Eve's mailbox that claims to be from Ann makes Eve neither Ann nor a holder of Ann's mail."""
    await people(world, ANN, BOB, EVE)
    ann, eve = await world.account(ANN, Mode.PRIVATE), await world.account(EVE, Mode.PRIVATE)
    record = await world.record(CARLA)
    await receive(world, ann, SECRET)
    forged = SECRET.replace("Carla <carla@client.example>", "Ann <ann@firm.example>").replace(
        "To: ann@firm.example", "To: carla@client.example, ann@firm.example"
    )
    key = await receive(world, eve, forged)
    assert [line.email for line in (await world.store.reading.visible_emails(EVE, record)).emails] == [key]
    assert await seen(world, ANN, record) == ["secret"]
    assert await seen(world, BOB, record) == []


async def test_what_a_list_adds_makes_another_email_in_the_same_line(world: World) -> None:
    """A footer, a subject tag or the list's name make another email; a trace header does not. A reader gets one line."""
    await people(world, ANN, BOB, EVE)
    ann, bob = await world.account(ANN, Mode.PRIVATE), await world.account(BOB)
    record = await world.record(CARLA)
    direct = await receive(world, ann, SECRET)
    assert await receive(world, bob, "Received: from lists by mx; Mon, 5 Jan 2026 10:00:09 +0000\n" + SECRET) == direct
    assert await seen(world, EVE, record) == ["secret"]
    named = await receive(world, bob, "List-Id: <all.firm.example>\n" + SECRET)
    footer = await receive(world, bob, SECRET + "-- \nList info: https://lists.firm.example\n")
    tagged = await receive(world, bob, SECRET.replace("Subject secret", "[all] Subject secret"))
    assert len({direct, named, footer, tagged}) == 4
    for viewer in (ANN, EVE):
        assert len(await seen(world, viewer, record)) == 1
        assert await world.store.reading.count(viewer, record) == 4


async def test_addresses_are_compared_exactly_but_for_case(world: World) -> None:
    """Case makes no difference; a plus-address, a dot, a look-alike domain or letter is another address."""
    await people(world, ANN, EVE)
    ann = await world.account(ANN)
    record = await world.record("Carla@Bücher.example", known=False)
    await world.changed(record)
    same = ["carla@xn--bcher-kva.example", "CARLA@bücher.EXAMPLE"]
    other = [
        *(
            "carla+x@bücher.example",
            "c.arla@bücher.example",
            "carla@bucher.example",
            "carla@bücher.example.evil.example",
        ),
        *("c\u0430rla@bücher.example", "carla@xbücher.example"),
    ]
    for number, address in enumerate([*same, *other]):
        raw = SECRET.replace("carla@client.example", address).replace("secret", f"m{number}", 1)
        await receive(world, ann, raw.replace("<secret@", f"<{number}@"))
    assert await seen(world, EVE, record) == ["m0", "m1"]


@pytest.mark.parametrize(
    ("excluded", "address", "hidden"),
    [
        ("client.example", "carla@client.example", True),
        ("Client.Example.", "carla@eu.client.example", True),
        ("@client.example", "carla@notclient.example", False),
        ("client.example", "carla@client.example.evil.example", False),
        ("bücher.example", "carla@xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "carla@mail.bücher.example", True),
        ("bucher.example", "carla@bücher.example", False),
        ("eu.client.example", "carla@client.example", False),
    ],
)
async def test_an_excluded_domain_is_matched_at_labels_whatever_its_form(
    world: World, excluded: str, address: str, hidden: bool
) -> None:
    """`acme.com` covers `x.acme.com` but not `notacme.com`; U-labels and A-labels are equal; look-alikes are not."""
    await people(world, ANN, EVE)
    ann = await world.account(ANN, Mode.CUSTOM, sharing=SharingPolicy(mode=Mode.CUSTOM, excluded_domains=(excluded,)))
    record = await world.record(address)
    await receive(world, ann, SECRET.replace("carla@client.example", address))
    assert await seen(world, EVE, record) == ([] if hidden else ["secret"])
    assert await seen(world, ANN, record) == ["secret"]


@pytest.mark.parametrize(("before", "after"), list(permutations(Mode, 2)))
async def test_the_mode_changed_from_any_to_any_other(world: World, before: Mode, after: Mode) -> None:
    """A narrower mode applies before links follow; in the end every view shows everyone what the new mode says."""
    await people(world, ANN, EVE)
    domains = ("client.example",)
    ann = await world.account(ANN, sharing=SharingPolicy(mode=before, excluded_domains=domains))
    client, partner = await world.record(CARLA), await world.record(PAUL)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN)), await world.copy(ann, mail("2", PAUL, ANN)))
    shows = {Mode.PUBLIC: (["1"], ["2"]), Mode.CUSTOM: ([], ["2"]), Mode.PRIVATE: ([], [])}

    async def both(*, at_rest: bool = True) -> tuple[list[str], list[str]]:
        here = await seen(world, EVE, client, at_rest=at_rest)
        return here, await seen(world, EVE, partner, at_rest=at_rest)

    assert await both() == shows[before]
    policy = SharingPolicy(mode=after, excluded_domains=domains)
    await world.store.accounts.save_sharing(ann.id, policy)
    for now, then in zip(await both(at_rest=False), shows[after], strict=True):
        assert set(now) <= set(then)
    await world.store.sharing.resume()
    assert await both() == shows[after]
    assert (await seen(world, ANN, client), await seen(world, ANN, partner)) == (["1"], ["2"])
    await world.summaries.flush()
    counts = (await world.snapshot()).counts
    assert counts == {str(ref): 1 for ref, there in zip((client, partner), shows[after], strict=True) if there}


ORDERS = ("gained first", "deleted first", "at once")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("disconnected", [False, True])
async def test_a_record_merged_into_another_brings_its_mail_without_fetching_it_again(
    world: World, order: str, disconnected: bool
) -> None:
    """In either order of the two changes: mail by address, by thread and by Bcc, even where it could not be fetched again."""
    await people(world, ANN, EVE)
    ann = await world.account(ANN)
    kept, merged = await world.record(CARLA), await world.record(PAUL)
    named, reply = mail("1", ANN, PAUL), mail("2", HOME, ANN, answers="1")
    blind = mail("3", ANN, "who@else.example")
    await world.match(
        await world.copy(ann, named), await world.copy(ann, reply), await world.copy(ann, blind, bcc=[PAUL])
    )
    assert await seen(world, EVE, merged) == ["1", "2"]
    if disconnected:
        await world.store.removal.disconnect(ann.id, by=ANN)
    await replaced(world, merged, kept, order, lambda: world.set_addresses(kept, CARLA, PAUL))
    assert await world.database["ledger"].count_documents({"state": "planned"}) == 0
    assert await world.database["emails"].count_documents({}) == 3
    await settle(world)
    assert await seen(world, EVE, kept) == ["1", "2"]
    assert await seen(world, ANN, kept) == ["1", "2", "3"]
    assert await seen(world, ANN, merged) == []


@pytest.mark.parametrize("order", ORDERS)
async def test_a_lead_converted_takes_threads_and_bcc_along(world: World, order: str) -> None:
    """The contact has what the lead had and the lead has nothing, whichever event the matcher gets first."""
    await people(world, ANN, EVE)
    ann = await world.account(ANN)
    lead = await world.record(CARLA, kind="lead")
    await world.match(
        await world.copy(ann, mail("1", ANN, CARLA)), await world.copy(ann, mail("2", HOME, ANN, answers="1"))
    )
    contact = RecordRef(kind="contact", id=str(ObjectId()))

    async def make() -> None:
        await world.crm["contacts"].insert_one({"_id": ObjectId(contact.id), "emails": [CARLA]})

    world.records[str(contact)] = [CARLA]
    await replaced(world, lead, contact, order, make)
    assert await world.database["ledger"].count_documents({"state": "planned"}) == 0
    await settle(world)
    assert await seen(world, EVE, contact) == ["1", "2"]
    assert await seen(world, ANN, lead) == []


async def replaced(
    world: World, old: RecordRef, new: RecordRef, order: str, make: Callable[[], Awaitable[None]]
) -> None:
    """Replace one record by another in the CRM, with the matcher's events in the given order."""
    if order == "deleted first":
        await world.delete(old)
        await world.changed(old)
        await make()
        await world.changed(new)
        return
    await make()
    if order == "gained first":
        await world.changed(new)
    await world.delete(old)
    await world.changed(*([old] if order == "gained first" else [old, new]))


async def test_a_mailbox_connected_again_is_the_same_mailbox(world: World) -> None:
    """The sharing that its owner chooses now applies to earlier mail; a contact created meanwhile gets its history."""
    await people(world, ANN, EVE)
    ann = await world.account(ANN)
    carla = await world.record(CARLA)
    old, unknown = await world.copy(ann, mail("1", CARLA, ANN)), await world.copy(ann, mail("2", PAUL, ANN))
    await world.match(old, unknown)
    await world.store.removal.disconnect(ann.id, by=ANN)
    paul = await world.record(PAUL)
    await settle(world)
    assert (await seen(world, EVE, carla), await seen(world, EVE, paul)) == (["1"], [])
    former = await world.store.former_accounts.find(ANN, ANN)
    assert former is not None
    again = ann.model_copy(update={"sharing": SharingPolicy(mode=Mode.PRIVATE), "id": former.id})
    await world.store.accounts.add(again)
    assert await seen(world, EVE, carla) == []
    present = await world.store.accounts.get(ann.id)
    assert (present.state, present.resync_requested, present.created_at) == ("active", True, ann.created_at)
    assert await world.database["ledger"].find_one({"_id": unknown.source.id}) is None, (
        "judged anew by the next backfill"
    )
    await world.database["ledger"].insert_one(world._row(unknown, "published"))
    await world.match(unknown)
    await settle(world)
    assert (await seen(world, ANN, carla), await seen(world, ANN, paul)) == (["1"], ["2"])
    assert await seen(world, EVE, paul) == []


async def test_another_users_former_mailbox_is_not_taken_over(world: World) -> None:
    """A mailbox that a colleague connects after its former user left is another account: the old copies keep their owner."""
    await people(world, ANN, EVE)
    shared = await world.account("info@firm.example", Mode.PRIVATE, owner=ANN)
    record = await world.record(CARLA)
    await world.match(await world.copy(shared, mail("1", CARLA, "info@firm.example")))
    await world.store.removal.disconnect(shared.id, by=ANN)
    assert await world.store.former_accounts.find(EVE, "info@firm.example") is None
    await world.account("info@firm.example", Mode.PUBLIC, owner=EVE)
    assert (await seen(world, ANN, record), await seen(world, EVE, record)) == (["1"], [])


async def test_an_email_deleted_in_the_crm_never_comes_back(world: World) -> None:
    """Neither a resync of its mailbox nor another mailbox that has it brings it back."""
    await people(world, ANN, BOB)
    ann, bob = await world.account(ANN), await world.account(BOB)
    record = await world.record(CARLA)
    content = mail("1", CARLA, ANN)
    await world.match(await world.copy(ann, content))
    await world.store.deleting.delete(content.key, by=ANN)
    assert await seen(world, ANN, record) == []
    await world.match(await world.copy(ann, content), await world.copy(bob, content))
    await settle(world)
    assert (await seen(world, ANN, record), await seen(world, BOB, record)) == ([], [])
    assert await world.database["emails"].count_documents({}) == 0


async def test_a_reply_from_an_unknown_address_is_offered_and_not_added(world: World) -> None:
    """It is offered only to viewers of the mail, never for a colleague, machine or list, and no longer once the CRM has it."""
    await people(world, ANN, EVE)
    ann = await world.account(ANN, Mode.PRIVATE)
    record = await world.record(CARLA)
    machine = mail("3", "bot@else.example", ANN, answers="1")
    machine = machine.model_copy(update={"marks": machine.marks.model_copy(update={"auto_reply": True})})
    reply = mail("2", HOME, ANN, answers="1")
    named = Participant(address=HOME, name="Carla at home", role=Role.FROM)
    reply = reply.model_copy(update={"participants": (named, *reply.participants[1:])})
    for content in (mail("1", ANN, CARLA), reply, machine, mail("4", ANN, HOME, answers="2")):
        await world.match(await world.copy(ann, content))
    offered = await world.store.suggesting.suggested_addresses(ANN, record)
    assert [(one.address, one.name, one.emails) for one in offered] == [(HOME, "Carla at home", 1)]
    assert await world.store.suggesting.suggested_addresses(EVE, record) == []
    assert [one.address for one in await world.store.record_addresses.addresses_of(record)] == [CARLA]
    await world.set_addresses(record, CARLA, HOME)
    await world.changed(record)
    assert await world.store.suggesting.suggested_addresses(ANN, record) == []


async def test_an_alias_makes_mail_internal_at_once_and_ends_threads(world: World) -> None:
    """Ann's other address is no stranger: her note to it is internal, and so is what colleagues write in a client's thread."""
    await people(world, ANN, BOB, EVE)
    await world.store.company.save(CompanyPolicy(excluded_domains=("firm.example",)))
    ann = await world.account(ANN)
    record = await world.record(CARLA)
    first, note = mail("1", ANN, CARLA), mail("2", ANN, "ann@old.example", BOB, answers="1")
    await world.match(await world.copy(ann, first), await world.copy(ann, note))
    assert await seen(world, EVE, record) == ["1", "2"]
    await world.store.accounts.save_aliases(ann.id, ["ann@old.example"], by=ANN)
    await settle(world)
    assert await seen(world, EVE, record) == ["1", "2"], "a claim changes nothing"
    await world.store.address_proofs.prove(ann.id, "ann@old.example", ProofKind.CODE, by=ANN)
    assert await seen(world, EVE, record) == ["1"]
    await settle(world)
    assert await seen(world, ANN, record) == ["1"]


async def test_a_claimed_client_stays_a_client(world: World) -> None:
    """Eve claims Carla's address, and connects a mailbox under Paul's: no link goes, nothing is deleted, she sees no more."""
    await people(world, ANN, BOB, EVE)
    ann, eve = await world.account(ANN), await world.account(EVE)
    record, other = await world.record(CARLA), await world.record(PAUL)
    reply = mail("2", HOME, ANN, answers="1")
    await world.match(await world.copy(ann, mail("1", ANN, CARLA)), await world.copy(ann, reply))
    await world.match(await world.copy(ann, mail("3", PAUL, ANN)), await world.copy(eve, mail("4", EVE, BOB)))
    before = [await world.database[name].count_documents({}) for name in ("emails", "links", "blobs.files")]
    await world.store.accounts.save_aliases(eve.id, [CARLA], by=EVE)
    squat = await world.account(PAUL, owner=EVE, proofs=())
    await world.store.sharing.recompute(one.key for one in world.mails)
    await settle(world)
    after = [await world.database[name].count_documents({}) for name in ("emails", "links", "blobs.files")]
    assert (after, squat.own_addresses) == (before, frozenset())
    for viewer in (ANN, BOB, EVE):
        assert await seen(world, viewer, record) == ["1", "2"]
        assert await seen(world, viewer, other) == ["3"]
    await world.store.removal.purge(squat.id, by=EVE)
    await settle(world)
    assert await seen(world, BOB, other) == ["3"]


async def test_words_of_a_bcc_find_nothing(world: World) -> None:
    """Not even the owner finds it, because others could notice; and a search for pattern characters is literal."""
    await people(world, ANN, EVE)
    ann = await world.account(ANN)
    await world.record(CARLA)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN, text="50% (.*)"), bcc=[PAUL]))
    for viewer in (ANN, EVE):
        assert await world.store.email_search.search(viewer, "paul@partner.example") == []
        assert len(await world.store.email_search.search(viewer, "CARLA (.*)")) == 1
        assert await world.store.email_search.search(viewer, "S.bject") == []


async def test_a_bcc_turns_no_arrow_in_the_summary(world: World) -> None:
    """The CRM's document says what it would say without the Bcc."""
    await people(world, ANN)
    ann = await world.account(ANN)
    record = await world.record(CARLA)
    reply = mail("2", HOME, ANN, answers="1")
    await world.match(await world.copy(ann, mail("1", ANN, CARLA)), await world.copy(ann, reply, bcc=[CARLA]))
    await world.summaries.flush()
    document = await world.crm["contacts"].find_one({"_id": ObjectId(record.id)})
    assert document is not None
    assert {line["email"]: line["direction"] for line in document["leadmail"]["newest"]}[reply.key] == "in"


THREAD_ORDERS = ("stub first", "stub last", "at once")


async def in_turn(world: World, order: str, stub: MailParsed, *others: MailParsed) -> None:
    """Deliver a stub and other mail in the given order, and let links follow."""
    batches = {"stub first": [[stub], [*others]], "stub last": [[*others], [stub]], "at once": [[*others, stub]]}
    for batch in batches[order]:
        await world.match(*batch)
    await settle(world)
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("order", THREAD_ORDERS)
async def test_a_forged_ancestor_in_ones_own_mailbox_opens_no_other_mail(world: World, order: str) -> None:
    """Eve knows the Message-ID that Ann's mail answers, and appends a mail to a client under it to her own Sent folder."""
    await people(world, ANN, BOB, EVE)
    ann, eve = await world.account(ANN), await world.account(EVE)
    record = await world.record(CARLA)
    secret, answer = mail("secret", HOME, ANN, answers="root"), mail("answer", ANN, HOME, answers="secret")
    stub = await world.copy(eve, mail("root", EVE, CARLA))
    hers = [await world.copy(ann, content) for content in (secret, answer)]
    await in_turn(world, order, stub, *hers)
    assert [await seen(world, viewer, record) for viewer in (ANN, BOB, EVE)] == [["root"]] * 3
    assert {(await world.snapshot()).rows[copy.source.id] for copy in hers} == {("unmatched", None)}
    assert await world.database["emails"].distinct("_id") == [stub.content.key], "nothing of it is stored"
    assert await world.store.suggesting.suggested_addresses(EVE, record) == []


@pytest.mark.parametrize("order", THREAD_ORDERS)
async def test_who_holds_one_mail_of_a_thread_opens_that_one_and_no_other(world: World, order: str) -> None:
    """Eve was in Cc once. Her stub puts that mail on a record, and she may read it anyway; the rest of the thread stays Ann's."""
    await people(world, ANN, EVE)
    ann, eve = await world.account(ANN), await world.account(EVE)
    record = await world.record(CARLA)
    shown, secret = mail("shown", HOME, ANN, cc=[EVE], answers="root"), mail("secret", ANN, HOME, answers="shown")
    stub = await world.copy(eve, mail("root", EVE, CARLA))
    others = [await world.copy(ann, shown), await world.copy(eve, shown), await world.copy(ann, secret)]
    await in_turn(world, order, stub, *others)
    assert await seen(world, EVE, record) == ["root", "shown"]
    assert (await world.snapshot()).rows[others[-1].source.id] == ("unmatched", None)
    told = await world.store.explaining.explain(EVE, record, shown.key, asked_by=EVE)
    assert {(line.match.role, line.match.address) for line in told.lines} == {(Role.THREAD, CARLA)}


@pytest.mark.parametrize("order", THREAD_ORDERS)
async def test_a_forged_ancestor_takes_no_link_away(world: World, order: str) -> None:
    """A stub about another record under the Message-ID of Ann's thread makes the thread ambiguous for Eve alone."""
    await people(world, ANN, EVE)
    ann, eve = await world.account(ANN), await world.account(EVE)
    record, other = await world.record(CARLA), await world.record(PAUL)
    first, reply = mail("1", ANN, CARLA), mail("2", HOME, ANN, answers="1")
    forged = mail("forged", PAUL, EVE).model_copy(update={"message_id": "1@mail"})
    hers = [await world.copy(ann, content) for content in (first, reply)]
    await in_turn(world, order, await world.copy(eve, forged), *hers)
    assert (await seen(world, EVE, record), await seen(world, EVE, other)) == (["1", "2"], ["forged"])


async def test_what_a_forged_ancestor_opened_before_is_closed_by_the_upgrade(world: World) -> None:
    """Earlier releases linked by anyone's mail, then by any mail of the holder. The upgrade keeps only the correct links."""
    await people(world, ANN, EVE)
    ann, eve = await world.account(ANN), await world.account(EVE)
    record = await world.record(CARLA)
    first, reply = mail("1", ANN, CARLA), mail("2", HOME, ANN, answers="1")
    then, secret = mail("3", ANN, HOME, answers="1"), mail("secret", HOME, ANN, answers="root")
    received, last = mail("stub", PAUL, ANN, cc=[CARLA]), mail("5", HOME, ANN, answers="3")
    private = mail("private", HOME, ANN, answers="stub")
    await world.match(
        await world.copy(eve, mail("root", CARLA, EVE)), await world.copy(ann, first), await world.copy(ann, received)
    )
    by_thread = [reply, then, secret, private, last]
    copies = [await world.copy(ann, content) for content in by_thread]
    await world.store.emails.save_many(by_thread, by_thread={content.key for content in by_thread})
    for copy in copies:
        by, content = (Match(address=CARLA, role=Role.THREAD),), copy.content
        link = LinkAddition(content.key, record, content.sent_at, content.thread, by, ANN, ann.id)
        await world.store.links.save_many([link])
    await world.store.matcher_ledger.finish(
        [RowOutcome(one.source.id, RowState.ATTACHED, email=one.content.key) for one in copies]
    )
    assert await seen(world, EVE, record) == ["1", "root", "stub"], (
        "a link by thread that no one attests shares nothing"
    )
    await world.database["links"].update_many({}, {"$unset": {"sent_by": ""}})
    for migration in MIGRATIONS:
        await migration.run(world.store._collections)
    await settle(world)
    assert await seen(world, EVE, record) == ["1", "2", "3", "5", "root", "stub"]
    assert await world.snapshot() == world.truth()


async def test_a_thread_follows_the_copies_of_its_holders(world: World) -> None:
    """A reply is on the record exactly while its holder has the mail that they sent, no matter who else has it."""
    await people(world, ANN, BOB)
    ann, bob = await world.account(ANN), await world.account(BOB)
    record = await world.record(CARLA)
    first, reply = mail("1", ANN, CARLA, BOB), mail("2", HOME, ANN, answers="1")
    await world.match(await world.copy(bob, first), await world.copy(ann, reply))
    await settle(world)
    assert await seen(world, ANN, record) == ["1"]
    hers = await world.copy(ann, first)
    await world.match(hers)
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2"]
    await world.go(hers.source.id)
    await world.announce_gone(hers.source.id)
    assert await seen(world, ANN, record) == ["1"], "it is Bob's alone now"
    await world.match(await world.copy(ann, first))
    assert await seen(world, ANN, record) == ["1", "2"], "it was moved, and nothing is fetched again"
    assert await world.snapshot() == world.truth()


async def test_a_move_of_the_only_copy_hides_no_reply(world: World) -> None:
    """While a mail is between its old and its new folder, the thread keeps its record."""
    await people(world, ANN)
    ann = await world.account(ANN)
    record = await world.record(CARLA)
    moved = await world.copy(ann, mail("1", ANN, CARLA))
    await world.match(moved, await world.copy(ann, mail("2", HOME, ANN, answers="1")))
    await world.go(moved.source.id)
    await world.announce_gone(moved.source.id)
    assert await seen(world, ANN, record) == ["2"]
    await world.match(await world.copy(ann, moved.content))
    assert await seen(world, ANN, record) == ["1", "2"]
    await settle(world)
    assert await world.snapshot() == world.truth()


async def test_a_reply_is_brought_in_by_the_holder_who_opened_the_thread(world: World) -> None:
    """Bob wrote to the client, so his copy of the reply is stored and shared. Ann's stays in her mailbox, in either order."""
    await people(world, ANN, BOB)
    ann, bob = await world.account(ANN), await world.account(BOB)
    record = await world.record(CARLA)
    first, reply = mail("1", BOB, CARLA), mail("2", HOME, ANN, BOB, answers="1")
    world.mails.append(first)
    hers = await world.copy(ann, reply)
    await world.match(hers)
    await world.match(await world.copy(bob, first), await world.copy(bob, reply))
    await settle(world)
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.links[str(record), reply.key][1] == (BOB,)
    assert snapshot.rows[hers.source.id] == ("unmatched", None)
    assert await seen(world, ANN, record) == ["1", "2"], "Bob shows it"


async def test_a_purged_mailbox_takes_along_what_its_mail_said_of_threads(world: World) -> None:
    """Ann wrote to the client from her other mailbox. Once it is purged, the reply is on no record; while disconnected, it is."""
    await people(world, ANN, BOB)
    ann, second = await world.account(ANN), await world.account("ann@second.example", owner=ANN)
    bob = await world.account(BOB)
    record = await world.record(CARLA)
    first, reply = mail("1", "ann@second.example", CARLA, BOB), mail("2", HOME, ANN, answers="1")
    late = mail("3", HOME, ANN, answers="1")
    await world.match(await world.copy(second, first), await world.copy(bob, first), await world.copy(ann, reply))
    await world.store.removal.disconnect(second.id, by=ANN)
    await world.match(await world.copy(ann, late))
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2", "3"]
    await world.store.removal.purge(second.id, by=ANN)
    await settle(world)
    assert await seen(world, ANN, record) == ["1"], "Bob's, which he shows; it says nothing of her mail"


@pytest.mark.parametrize("order", THREAD_ORDERS)
@pytest.mark.parametrize("copied", ["p1", "p2"])
async def test_received_mail_under_a_known_message_id_opens_no_thread(world: World, order: str, copied: str) -> None:
    """Eve knows a Message-ID of Ann's private thread and mails Ann under it with a client in Cc. The thread stays private."""
    await people(world, ANN, BOB)
    ann, record = await world.account(ANN), await world.record(CARLA)
    private = [mail("p1", HOME, ANN), mail("p2", ANN, HOME, answers="p1"), mail("p3", HOME, ANN, answers="p2")]
    private.append(mail("p4", "who@else.example", ANN, references=("p1@mail", "p2@mail", "p3@mail")))
    stub = mail("stub", "eve@evil.example", ANN, cc=[CARLA]).model_copy(update={"message_id": f"{copied}@mail"})
    world.mails.append(stub)
    hers = [await world.copy(ann, content) for content in private]
    arriving = await world.copy(ann, stub)
    batches = {"stub first": [[arriving], hers], "stub last": [hers, [arriving]], "at once": [[*hers, arriving]]}
    for batch in batches[order]:
        await world.match(*batch)
        assert await world.database["ledger"].count_documents({"state": "planned"}) == 0, "nothing is fetched for it"
    await settle(world)
    assert await world.snapshot() == world.truth()
    assert [await seen(world, viewer, record) for viewer in (ANN, BOB)] == [["stub"]] * 2
    assert {(await world.snapshot()).rows[copy.source.id] for copy in hers} == {("unmatched", None)}
    assert await world.database["emails"].distinct("_id") == [stub.key], "nothing of it is stored"
    document = await world.crm["contacts"].find_one({"_id": ObjectId(record.id)})
    assert document is not None
    assert [line["email"] for line in document["leadmail"]["newest"]] == [stub.key]
    await world.go(arriving.source.id)
    await world.announce_gone(arriving.source.id)
    assert await world.database["ledger"].count_documents({"state": "planned"}) == 0, "nor when it is deleted"


async def test_received_mail_is_no_step_to_what_the_holder_sent(world: World) -> None:
    """Eve answers Ann's mail to a client under the Message-ID of Ann's private thread. Only her stub joins the client's thread."""
    await people(world, ANN, BOB)
    ann, record = await world.account(ANN), await world.record(CARLA)
    first, private = mail("1", ANN, CARLA), mail("p2", HOME, ANN, answers="p1")
    stub = mail("stub", "eve@evil.example", ANN, answers="1").model_copy(update={"message_id": "p1@mail"})
    answer = mail("3", ANN, HOME, answers="1")
    later = mail("4", HOME, ANN, answers="3")
    copies = [await world.copy(ann, content) for content in (first, private, stub, answer, later)]
    for copy in copies:
        await world.match(copy)
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "3", "4", "stub"], "what Ann sent is a step, what she got is none"
    assert (await world.snapshot()).rows[copies[1].source.id] == ("unmatched", None)
    assert await world.snapshot() == world.truth()


async def test_a_thread_follows_the_sent_copy(world: World) -> None:
    """It is open exactly while a copy is in Sent: not after a move elsewhere, nor when the folder is no longer Sent."""
    await people(world, ANN, BOB)
    ann, record = await world.account(ANN), await world.record(CARLA)
    first, reply = mail("1", ANN, CARLA), mail("2", HOME, ANN, answers="1")
    await world.match(await world.copy(ann, first, sent=False), await world.copy(ann, reply))
    await settle(world)
    assert await seen(world, BOB, record) == ["1"]
    filed = await world.copy(ann, first)
    await world.match(filed)
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2"]
    await world.go(filed.source.id)
    await world.announce_gone(filed.source.id)
    assert await seen(world, BOB, record) == ["1"]
    await settle(world)
    assert await world.snapshot() == world.truth()
    await world.match(await world.copy(ann, first))
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2"]
    lease = await lease_of(world.store, ann.id)
    await world.store.folders.save(lease, [sent_folder(ann.id, role="user")])
    await settle(world)
    assert await seen(world, BOB, record) == ["1"]
    await world.store.folders.save(lease, [sent_folder(ann.id)])
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2"]


async def test_who_sent_a_mail_is_decided_by_the_accounts_own_addresses(world: World) -> None:
    """A mail in Sent from another address opens nothing until that address becomes the account's own."""
    await people(world, ANN, BOB)
    ann, record = await world.account(ANN), await world.record(CARLA)
    first, reply = mail("1", "ann@old.example", CARLA), mail("2", HOME, ANN, answers="1")
    await world.match(await world.copy(ann, first, sent=True), await world.copy(ann, reply))
    await settle(world)
    assert await seen(world, BOB, record) == ["1"]
    await world.store.accounts.save_aliases(ann.id, ["ann@old.example"], by=ANN)
    await settle(world)
    assert await seen(world, BOB, record) == ["1"], "a claim changes nothing"
    await world.store.address_proofs.prove(ann.id, "ann@old.example", ProofKind.CODE, by=ANN)
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2"]
    await world.store.accounts.save_aliases(ann.id, [], by=ANN)
    await settle(world)
    assert await seen(world, BOB, record) == ["1"]


async def test_gmails_label_says_what_was_sent(world: World) -> None:
    """In All Mail the label decides, both when the mail arrives and when its links are computed again."""
    await people(world, ANN, BOB)
    ann, record = await world.account(ANN), await world.record(CARLA)
    await world.store.folders.save(await lease_of(world.store, ann.id), [sent_folder(ann.id, role="all")])
    for number, labels in (("1", ["\\Sent"]), ("3", ["\\Important"])):
        first = await world.copy(ann, mail(number, ANN, CARLA), sent=True)
        await world.database["ledger"].update_one({"_id": first.source.id}, {"$set": {"labels": labels}})
        await world.match(first)
        await world.match(await world.copy(ann, mail(str(int(number) + 1), HOME, ANN, answers=number)))
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2", "3"]
    await relink([mail(number, ANN, CARLA).key for number in "1234"], store=world.store, summaries=world.summaries)
    await settle(world)
    assert await seen(world, BOB, record) == ["1", "2", "3"]
