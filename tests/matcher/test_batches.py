"""A batch of parsed mail becomes emails, links and final states; a redelivery repairs whatever an interruption left."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import TransientError
from schemas.ledger import EpochState
from schemas.messages import RecordChanged
from schemas.records import RecordRef
from schemas.sharing import CompanyPolicy, Mode
from services.amqp import Delivery, Done, Failed
from services.matcher import handler
from services.matcher.isolation import isolating
from services.matcher.latency import VisibleLatency
from services.matcher.linking.summaries import SummaryKeeper
from services.store.core.documents import now
from tests.factories import account as account_of
from tests.matcher.fixtures import World, delivery_of, mail
from tests.matcher.hooks import CrashAt, CrashError, hooked
from tests.matcher.scenarios import build

ANN, BOB, CARLA = "ann@firm.example", "bob@firm.example", "carla@client.example"


async def test_mail_about_a_record_is_attached_and_other_mail_is_not_stored(world: World) -> None:
    """An email that names a contact gets its link and row; private mail leaves only its row."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    about = await world.copy(ann, mail("1", CARLA, ANN))
    private = await world.copy(ann, mail("2", "mum@home.example", ANN))
    await world.match(about, private)
    await world.rest()
    snapshot = await world.snapshot()
    assert list(snapshot.emails) == [about.content.key]
    assert snapshot.rows[private.source.id] == ("unmatched", None)
    assert snapshot == world.truth()
    orphaned = await world.database["blobs.files"].distinct("_id", {"orphaned_at": {"$exists": True}})
    assert set(orphaned) == private.blobs, "what is not stored loses its raw mail too"


async def test_doing_a_batch_again_changes_nothing(world: World) -> None:
    """A redelivery finds every effect in place: links, rows and summaries stay as they are."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    ref = await world.record(CARLA)
    copies = [await world.copy(ann, mail("1", BOB, CARLA, ANN)), await world.copy(bob, mail("1", BOB, CARLA, ANN))]
    copies.append(await world.copy(bob, mail("2", "who@else.example", BOB, answers="1")))
    await world.match(*copies)
    await world.rest()
    before = await world.snapshot()
    await world.match(*copies, *copies)
    await world.rest()
    assert await world.snapshot() == before == world.truth()
    assert before.counts == {str(ref): 2}


async def test_a_crash_between_any_two_steps_is_healed_by_the_redelivery(world: World) -> None:
    """The matcher crashes before each store call in turn; after the redelivery everything is as it should be."""
    rng = random.Random(7)
    scene = await build(world, rng, mails=6)
    await world.changed(*scene.early, *scene.late)
    names = ("emails", "links", "ledger", "debts")
    before = {name: await world.database[name].find().to_list() for name in names}
    number, died = 0, True
    while died:
        number += 1
        for name in names:
            await world.database[name].delete_many({})
            if before[name]:
                await world.database[name].insert_many(before[name])
        crash = CrashAt(number)
        summaries = SummaryKeeper(world.store)
        try:
            await handler.handle(
                [delivery_of(copy) for copy in scene.copies], store=hooked(world.store, crash), summaries=summaries
            )
            died = False
        except CrashError:
            await world.match(*scene.copies)
        await world.rest()
        assert await world.snapshot() == world.truth(), f"died before call {number}"
    assert number > 12


async def test_what_was_deleted_in_the_crm_never_comes_back(world: World) -> None:
    """A tombstone turns every later copy into a skipped row."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    first = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(first)
    await world.store.orphaned_emails.tombstone([first.content.key], by=ANN)
    world.deleted.add(first.content.key)
    second = await world.copy(bob, mail("1", CARLA, ANN))
    await world.match(first, second)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    row = await world.database["ledger"].find_one({"_id": second.source.id})
    assert row is not None
    assert (row["state"], row["reason"]) == ("skipped", "deleted-in-crm")


async def test_a_bcc_is_a_link_for_the_owner_of_that_copy_only(world: World) -> None:
    """The sender's copy is on the record, a recipient's copy of the same email is not, and the link is not shared."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    ref = await world.record(CARLA)
    sent = await world.copy(ann, mail("1", ANN, BOB), bcc=[CARLA])
    received = await world.copy(bob, mail("1", ANN, BOB))
    await world.match(received)
    await world.match(sent, received)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    matches, owners, shared = snapshot.links[str(ref), sent.content.key]
    assert (matches, owners, shared) == (((CARLA, "bcc", ann.id),), (ANN,), ())
    assert snapshot.rows[received.source.id] == ("unmatched", None)


async def test_internal_mail_on_a_record_is_its_holders_only(world: World) -> None:
    """With the company's own domain excluded, a reply to a colleague without a mailbox is linked, but not shared."""
    await world.store.sharing.set_company(CompanyPolicy(excluded_domains=("firm.example",)), by="admin@firm.example")
    ann, bob = await world.account(ANN), await world.account(BOB)
    ref = await world.record(CARLA)
    outer, inner = mail("1", ANN, CARLA), mail("2", ANN, BOB, "eve@firm.example", answers="1")
    await world.match(await world.copy(ann, outer), await world.copy(ann, inner), await world.copy(bob, inner))
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot.links[str(ref), inner.key][1:] == ((ANN,), ()), "Bob opened no thread"
    assert snapshot.links[str(ref), outer.key][1:] == ((ANN,), (ann.id,))
    assert snapshot.counts == {str(ref): 1}


async def test_what_colleagues_say_in_a_clients_thread_is_theirs(world: World) -> None:
    """A mail that names only owners of mailboxes is on no record through its thread, in whichever order it arrives."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    outer, inner = mail("1", ANN, CARLA), mail("2", ANN, BOB, answers="1")
    early, late = await world.copy(ann, inner), await world.copy(bob, inner)
    await world.match(early, await world.copy(ann, outer))
    await world.match(late)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.rows[early.source.id] == snapshot.rows[late.source.id] == ("unmatched", None)


async def test_an_excluded_domain_counts_per_link(world: World) -> None:
    """A mail to a client with an excluded partner in Cc is shared on the client, not on the partner."""
    ann = await world.account(ANN, sharing=account_of(ANN, Mode.CUSTOM, ("partner.example",)).sharing)
    client, partner = await world.record(CARLA), await world.record("paul@partner.example")
    copy = await world.copy(ann, mail("1", ANN, CARLA, cc=["paul@partner.example"]))
    await world.match(copy)
    await world.rest()
    links = (await world.snapshot()).links
    assert links[str(client), copy.content.key][1:] == ((ANN,), (ann.id,))
    assert links[str(partner), copy.content.key][1:] == ((ANN,), ())


async def test_several_holders_grant_together(world: World) -> None:
    """Owners and sharing accounts are the union over all copies, in whichever batches they arrived."""
    ann, bob = await world.account(ANN), await world.account(BOB, Mode.PRIVATE)
    ref = await world.record(CARLA)
    content = mail("1", CARLA, ANN, BOB)
    for copy in [await world.copy(bob, content), await world.copy(ann, content), await world.copy(ann, content)]:
        await world.match(copy)
    links = (await world.snapshot()).links
    assert links[str(ref), content.key][1:] == ((ANN, BOB), (ann.id,))


async def test_the_summary_has_the_five_newest_shared_mails_and_nothing_else_is_touched(world: World) -> None:
    """Private mail is neither listed nor counted, and the CRM's own fields do not change."""
    ann, eve = await world.account(ANN), await world.account("eve@firm.example", Mode.PRIVATE)
    extra: dict[str, Any] = {"stage": "won", "nested": {"leadmail": 1}}
    ref = await world.record(CARLA, **extra)
    shared = [await world.copy(ann, mail(f"s{n}", CARLA, ANN)) for n in range(8)]
    private = [await world.copy(eve, mail(f"p{n}", CARLA, "eve@firm.example")) for n in range(3)]
    await world.match(*shared, *private)
    await world.rest()
    document = await world.crm["contacts"].find_one({"emails": CARLA})
    assert document is not None
    summary = document.pop("leadmail")
    newest = sorted(shared, key=lambda copy: copy.content.sent_at, reverse=True)[:5]
    assert [line["email"] for line in summary["newest"]] == [copy.content.key for copy in newest]
    assert {line["direction"] for line in summary["newest"]} == {"in"}
    assert summary["count"] == 8
    assert document == {"_id": document["_id"], "emails": [CARLA], **extra}
    assert str(document["_id"]) == ref.id


async def test_a_record_with_private_mail_only_is_not_touched(world: World) -> None:
    """Not even an empty summary reveals that there is mail."""
    eve = await world.account("eve@firm.example", Mode.PRIVATE)
    await world.record(CARLA)
    await world.match(await world.copy(eve, mail("1", CARLA, "eve@firm.example")))
    await world.rest()
    document = await world.crm["contacts"].find_one({"emails": CARLA})
    assert document is not None
    assert "leadmail" not in document


async def test_the_last_copy_of_a_sealed_backfill_completes_it_once(world: World) -> None:
    """Exactly one of two batches announces completion, and only when every row of the epoch is final."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    await world.database["epochs"].insert_one(
        {"_id": f"{ann.id}.1", "account": ann.id, "number": 1, "state": EpochState.SEALED.value, "notification": "none"}
    )
    first = await world.copy(ann, mail("1", CARLA, ANN), epoch=1)
    second = await world.copy(ann, mail("2", "mum@home.example", ANN), epoch=1)
    assert await world.match(first) == []
    news = await world.match(second) + await world.match(first, second)
    assert [(one.id, one.TYPE) for one in news] == [(f"{ann.id}.1.completed", "sync.completed")]


async def test_a_copy_that_is_gone_by_now_grants_nothing(world: World) -> None:
    """A copy deleted while it was in the queue stays gone: no one owns it, and the email is not stored."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    ref = await world.record(CARLA)
    only, two = mail("1", CARLA, ANN), mail("2", CARLA, ANN, BOB)
    late = [await world.copy(ann, only), await world.copy(ann, two)]
    kept = await world.copy(bob, two)
    await world.go(*(copy.source.id for copy in late))
    await world.match(*late, kept)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.links[str(ref), two.key][1:] == ((BOB,), (bob.id,))
    assert only.key not in snapshot.emails


async def test_a_copy_of_a_removed_account_leaves_nothing(world: World) -> None:
    """If the account was purged while its mail was in the queue, nothing is stored, and the batch continues."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    orphan, kept = await world.copy(bob, mail("1", CARLA, BOB)), await world.copy(ann, mail("2", CARLA, ANN))
    await world.database["accounts"].delete_one({"_id": bob.id})
    await world.database["ledger"].delete_one({"_id": orphan.source.id})
    await world.match(orphan, kept)
    assert list((await world.snapshot()).emails) == [kept.content.key]


async def test_mail_whose_blobs_went_while_it_waited_is_fetched_again(world: World) -> None:
    """If the blobs expired in a backlog, the row returns to planned instead of showing an email without its raw mail."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.database["blobs.files"].delete_many({})
    await world.match(copy)
    assert (await world.snapshot()).rows[copy.source.id] == ("planned", None)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_one_bad_message_does_not_take_its_neighbours_along(world: World) -> None:
    """A batch that fails for any reason but an outage is split until the bad message is found."""
    ann = await world.account(ANN)
    copies = [await world.copy(ann, mail(str(n), CARLA, ANN)) for n in range(9)]

    async def handle(deliveries: Sequence[Delivery[Any]]) -> list[Done]:
        if any(delivery.message == copies[5] for delivery in deliveries):
            raise ValueError("bad")
        return [Done()] * len(deliveries)

    outcomes = await isolating(handle)([delivery_of(copy) for copy in copies])
    assert [isinstance(outcome, Failed) for outcome in outcomes] == [n == 5 for n in range(9)]


async def test_an_outage_fails_the_batch_at_once() -> None:
    """Splitting a batch while the database is down would only prolong the wait."""
    calls = []

    async def handle(deliveries: Sequence[Delivery[Any]]) -> list[Done]:
        calls.append(len(deliveries))
        raise TransientError("away")

    outcomes = await isolating(handle)(
        [delivery_of(RecordChanged(id="lead:x@1", kind="lead", record="x", at=now()))] * 4
    )
    assert calls == [4]
    assert [type(outcome) for outcome in outcomes] == [Failed] * 4


@pytest.mark.parametrize("mode", [Mode.PRIVATE, Mode.PUBLIC])
async def test_a_policy_is_that_of_the_moment(world: World, mode: Mode) -> None:
    """Accounts are read again for each batch: a policy narrowed a moment ago already applies to the next batch."""
    ann = await world.account(ANN, Mode.PUBLIC if mode is Mode.PRIVATE else Mode.PRIVATE)
    ref: RecordRef = await world.record(CARLA)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN)))
    await world.store.sharing.set_account(ann.id, account_of(ANN, mode).sharing, by=ANN)
    second = await world.copy(ann, mail("2", CARLA, ANN))
    await world.match(second)
    await world.rest()
    shared = {shared for _, _, shared in (await world.snapshot()).links.values()}
    assert shared == ({()} if mode is Mode.PRIVATE else {(ann.id,)})
    assert (await world.snapshot()).counts == ({} if mode is Mode.PRIVATE else {str(ref): 2})


async def test_the_time_until_mail_is_visible_is_measured_by_lane(world: World) -> None:
    """A failed message does not count, because it is not visible yet."""
    ann = await world.account(ANN)
    copies = [await world.copy(ann, mail(str(n), CARLA, ANN), epoch=n or None) for n in range(3)]
    registry = CollectorRegistry()

    async def handle(deliveries: Sequence[Delivery[Any]]) -> list[Done | Failed]:
        return [Failed(TransientError("no")), Done(), Done()]

    await VisibleLatency(registry).measuring(handle)([delivery_of(copy) for copy in copies])
    assert registry.get_sample_value("leadmail_visible_seconds_count", {"lane": "backfill"}) == 2
    assert registry.get_sample_value("leadmail_visible_seconds_count", {"lane": "live"}) is None
