"""Records, mailboxes and threads change after mail was stored."""

from __future__ import annotations

from datetime import timedelta

from services.matcher import mailbox_changed
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.sweepers import sweep_pending_work
from services.store.core.collections import Collections
from services.store.core.config import StoreConfig
from services.store.core.migrations import MIGRATIONS
from tests.matcher.fixtures import World, mail

ANN, BOB, CARLA, PAUL = "ann@firm.example", "bob@firm.example", "carla@client.example", "paul@partner.example"
NEVER = timedelta(seconds=-1)


async def test_a_late_contact_gets_its_history(world: World) -> None:
    """Unmatched mail is fetched again, mail stored for another record gets a second link, and a Bcc counts too."""
    ann = await world.account(ANN)
    await world.record(PAUL)
    alone = await world.copy(ann, mail("1", CARLA, ANN))
    both = await world.copy(ann, mail("2", CARLA, ANN, cc=[PAUL]))
    blind = await world.copy(ann, mail("3", ANN, PAUL), bcc=[CARLA])
    await world.match(alone, both, blind)
    carla = await world.record(CARLA)
    assert (await world.snapshot()).rows[alone.source.id] == ("planned", None)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert {key for record, key in snapshot.links if record == str(carla)} == set(snapshot.emails)
    row = await world.database["ledger"].find_one({"_id": alone.source.id})
    assert row is not None
    assert row["epoch"] is None


async def test_an_address_that_a_record_gains_brings_its_mail_and_one_that_it_loses_keeps_it(world: World) -> None:
    """Former addresses stay as history."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    first, second = await world.copy(ann, mail("1", CARLA, ANN)), await world.copy(ann, mail("2", "c@new.example", ANN))
    await world.match(first, second)
    await world.set_addresses(ref, "c@new.example")
    await world.changed(ref)
    later = await world.copy(ann, mail("3", CARLA, ANN))
    await world.match(later)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert len(snapshot.links) == 3
    known = {one.address: one.current for one in await world.store.record_addresses.addresses_of(ref)}
    assert known == {CARLA: False, "c@new.example": True}


async def test_a_deleted_records_mail_keeps_its_body_for_a_grace_only(world: World) -> None:
    """Its links are removed at once and the bodies later; a record restored in between has its mail at once."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    document = await world.crm["contacts"].find_one({})
    assert document is not None
    await world.delete(ref)
    await world.changed(ref)
    snapshot = await world.snapshot()
    assert (list(snapshot.emails), snapshot.links) == ([copy.content.key], {})
    await world.crm["contacts"].insert_one(document)
    world.records[str(ref)] = [CARLA]
    await world.changed(ref)
    assert await world.snapshot() == world.truth()._replace(counts={})
    assert (await world.snapshot()).rows[copy.source.id] == ("attached", copy.content.key)
    await world.delete(ref)
    await world.changed(ref)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.rows[copy.source.id] == ("unmatched", None)


async def test_mail_that_expires_is_not_fetched_again(world: World) -> None:
    """The expired mail is itself in the thread that is then updated; that fetches nothing again. The same holds for its answers."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    copies = [await world.copy(ann, mail("1", ANN, CARLA)), await world.copy(ann, mail("2", BOB, ANN, answers="1"))]
    await world.match(*copies)
    await world.delete(ref)
    await world.changed(ref)
    await mailbox_changed.sweep_unlinked(store=world.store, summaries=world.summaries, grace=NEVER)
    assert await world.database["ledger"].distinct("state") == ["unmatched"]
    assert (await world.snapshot()).emails == {}


async def test_a_fading_that_died_halfway_is_finished(world: World) -> None:
    """After a crash between detaching the copies and deleting the email, the next sweep removes the email and its blobs."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    await world.match(await world.copy(ann, content := mail("1", CARLA, ANN)))
    await world.delete(ref)
    await world.changed(ref)
    await world.store.matcher_ledger.unmatch_emails([content.key])
    await mailbox_changed.sweep_unlinked(store=world.store, summaries=world.summaries, grace=NEVER)
    assert await world.database["ledger"].distinct("state") == ["unmatched"]
    assert (await world.snapshot()).emails == {}


async def test_a_lead_that_becomes_a_contact_takes_its_mail_along(world: World) -> None:
    """The CRM deletes the lead and creates the contact in either order: nothing is fetched again."""
    ann = await world.account(ANN)
    lead = await world.record(CARLA, kind="lead")
    await world.match(await world.copy(ann, mail("1", CARLA, ANN)))
    await world.delete(lead)
    contact = await world.record(CARLA, known=False)
    await world.changed(lead, contact)
    assert await world.database["ledger"].count_documents({"state": "planned"}) == 0
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert {record for record, _ in snapshot.links} == {str(contact)}


async def test_a_reply_from_an_unknown_address_is_linked_by_its_thread(world: World) -> None:
    """Along a chain, over several batches, newest first; the link's address is that of the ancestor's match."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    chain = [mail("0", ANN, CARLA)] + [mail(str(n), ANN, "c@home.example", answers=str(n - 1)) for n in range(1, 4)]
    chain.append(mail("4", "c@home.example", ANN, answers="3"))
    world.mails.extend(chain)
    for content in chain[::-1]:
        await world.match(await world.copy(ann, content))
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.links[str(ref), chain[4].key][0] == ((CARLA, "thread", ""),)


async def test_a_thread_that_becomes_ambiguous_loses_its_replies_and_gets_them_back(world: World) -> None:
    """With a second record in the thread, replies that name no record lose their link; when that record goes, they are fetched again."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    paul = await world.record(PAUL, known=False)
    first, second = mail("1", ANN, CARLA), mail("2", ANN, PAUL)
    reply, follow = mail("3", ANN, BOB, references=("1@mail", "2@mail")), mail("4", BOB, ANN, answers="3")
    for content in (first, second, reply, follow):
        await world.match(await world.copy(ann, content))
    await world.rest()
    assert len((await world.snapshot()).emails) == 3
    await world.changed(paul)
    await world.rest()
    assert set((await world.snapshot()).emails) == {first.key, second.key}
    await world.delete(paul)
    await world.changed(paul)
    await world.rest()
    assert await world.snapshot() == world.truth()
    assert set((await world.snapshot()).emails) == {first.key, reply.key, follow.key}


async def test_a_moved_mail_keeps_its_email_and_its_thread_while_it_is_nowhere(world: World) -> None:
    """While the old copy is gone and the new one not yet noticed, the mail is hidden but not deleted; then it is back."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    content, reply = mail("1", ANN, CARLA), mail("2", ANN, BOB, answers="1")
    old = await world.copy(ann, content)
    await world.match(old, await world.copy(ann, reply))
    await world.go(old.source.id)
    await world.announce_gone(old.source.id)
    await mailbox_changed.sweep_gone(store=world.store, summaries=world.summaries)
    snapshot = await world.snapshot()
    assert snapshot.links[str(ref), content.key][1:] == ((), ())
    assert snapshot.links[str(ref), reply.key][1:] == ((ANN,), (ann.id,))
    await world.match(await world.copy(ann, content))
    await world.rest()
    assert await world.snapshot() == world.truth()
    assert await world.database["ledger"].count_documents({"relink": True}) == 0


async def test_an_email_without_holders_is_removed_after_the_grace(world: World) -> None:
    """Its links, blobs and summary line are removed, and so is what only its thread had linked."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    ref = await world.record(CARLA)
    content = mail("1", ANN, CARLA)
    copies = [await world.copy(ann, content), await world.copy(bob, content)]
    reply = await world.copy(ann, mail("2", "who@else.example", ANN, answers="1"))
    await world.match(*copies, reply)
    await world.summaries.flush()
    assert (await world.snapshot()).counts == {str(ref): 2}
    for copy in copies:
        await world.go(copy.source.id)
        await world.announce_gone(copy.source.id)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert (snapshot.emails, snapshot.links, snapshot.counts) == ({}, {}, {})
    orphaned = await world.database["blobs.files"].count_documents({"orphaned_at": {"$exists": True}})
    assert orphaned == 5, "two bodies, and the header block of each of three copies"


async def test_pending_work_of_a_dead_process_is_done_by_the_sweeper(world: World) -> None:
    """A crash after links changed and before summaries followed: the pending work is stored and gets done."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    assert (await world.snapshot()).counts == {}
    survivor = SummaryKeeper(world.store)
    alive = timedelta(hours=1)
    assert await sweep_pending_work(store=world.store, summaries=survivor, overdue=alive) == 0, "it may still be alive"
    assert await sweep_pending_work(store=world.store, summaries=survivor, overdue=NEVER) == 1
    assert (await world.snapshot()).counts == {str(ref): 1}
    assert await world.database["debts"].count_documents({}) == 0


async def test_links_of_earlier_versions_get_the_ids_of_threads(world: World) -> None:
    """The migration leaves that to the matcher: afterwards a thread is whole again, for its holder and for others."""
    first, answer = mail("m0", CARLA, ANN, thread="first"), mail("m1", CARLA, ANN, answers="m0", thread="second")
    await world.record(CARLA)
    ann = await world.account(ANN)
    for user in (ANN, BOB):
        await world.store.users.add(user)
    for one in (first, answer):
        await world.match(await world.copy(ann, one))
    links = world.database["links"]
    stored = [one async for one in links.find({}, {"ids": 1, "own_ids": 1})]
    await links.update_many({}, {"$unset": {"ids": "", "own_ids": ""}})
    assert len(await world.store.email_search.thread(BOB, answer.key)) == 1
    await MIGRATIONS[4].run(Collections(world.database, world.crm, StoreConfig(blind_index_keys={"only": b"k" * 32})))
    summaries = SummaryKeeper(world.store)
    assert await sweep_pending_work(store=world.store, summaries=summaries, overdue=NEVER) >= 1
    assert [one async for one in links.find({}, {"ids": 1, "own_ids": 1})] == stored
    for user in (ANN, BOB):
        assert len(await world.store.email_search.thread(user, first.key)) == 2


async def test_what_hangs_on_an_email_deleted_in_the_crm_follows(world: World) -> None:
    """Its line leaves the summary, and replies that only it had linked are no longer stored."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    content = mail("1", ANN, CARLA)
    reply = await world.copy(ann, mail("2", "who@else.example", ANN, answers="1"))
    await world.match(await world.copy(ann, content), reply)
    await world.summaries.flush()
    assert (await world.snapshot()).counts == {str(ref): 2}
    await world.store.orphaned_emails.tombstone([content.key], by=ANN)
    world.deleted.add(content.key)
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=NEVER)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.rows[reply.source.id] == ("unmatched", None)
