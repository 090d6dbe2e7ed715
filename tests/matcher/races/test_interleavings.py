"""Interleavings of two replicas that once left a wrong state, each forced: nothing is lost between a read and a write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas.accounts import AccountState
from schemas.messages import MailParsed, RecordChanged
from schemas.records import RecordRef
from services.matcher import handler, mailbox_changed, record_changed
from services.matcher.linking.relinking import relink
from services.matcher.sweepers import sweep_pending_work
from services.store import Store
from services.store.core.documents import now
from tests.matcher.fixtures import NO_GRACE, World, delivery_of, mail
from tests.matcher.hooks import CrashError, Once, hooked

ANN, BOB, CARLA, PAUL = "ann@firm.example", "bob@firm.example", "carla@client.example", "paul@partner.example"
WHO, MUM = "who@else.example", "mum@home2.example"
AT_ONCE = timedelta(seconds=-1)
"""All pending work is overdue."""


async def changed(world: World, ref: RecordRef, store: Store) -> None:
    """Handle a record's change with a store that is interrupted."""
    event = delivery_of(RecordChanged(id=str(ref), kind=ref.kind, record=ref.id, at=now()))
    await record_changed.handle([event], store=store, summaries=world.summaries)


async def die() -> None:
    """Die."""
    raise CrashError


def before(patch: pytest.MonkeyPatch, part: object, name: str, what: Callable[[], Awaitable[object]]) -> None:
    """Run something within the store, the first time that a part of it is about to do a certain call."""
    method, passed = getattr(part, name), False

    async def interrupted(*args: Any, **kwargs: Any) -> Any:
        nonlocal passed
        if not passed:
            passed = True
            await what()
        return await method(*args, **kwargs)

    patch.setattr(part, name, interrupted)


async def with_a_record_deleted(world: World) -> RecordRef:
    """Return a mail of Ann's on Carla's record, which was deleted just now, with its event not handled yet.

    The mail has no Message-ID by which it could be found in another way.
    """
    ann = await world.account(ANN)
    await world.record(PAUL)
    carla = await world.record(CARLA)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN, message_id=None)))
    await world.delete(carla)
    return carla


async def with_a_bcc(world: World) -> MailParsed:
    """Add another copy of that mail, with a Bcc to Paul, to Bob's mailbox."""
    return await world.copy(await world.account(BOB), world.mails[0], bcc=[PAUL])


async def test_a_bcc_that_comes_while_a_record_goes_does_not_hold_the_other_copies(world: World) -> None:
    """The email is on no record when looked up, and on one again when its grace is noted: its other copies are unmatched nevertheless."""
    carla = await with_a_record_deleted(world)
    late = await with_a_bcc(world)
    hook = Once("before emails.mark_unlinked", lambda: world.match(late))
    await changed(world, carla, hooked(world.store, hook))
    assert hook.passed
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert sorted(state for state, _ in snapshot.rows.values()) == ["attached", "unmatched"]


async def test_a_record_that_is_restored_and_deleted_again_leaves_no_body_behind(world: World) -> None:
    """The first replica saw the mail linked and is about to end its grace; the second deletion's grace continues."""
    carla = await with_a_record_deleted(world)
    await world.changed(carla)
    again = await world.record(CARLA, known=False)

    async def delete() -> None:
        await world.delete(again)
        await world.changed(again)

    hook = Once("before emails.mark_unlinked", delete)
    await changed(world, again, hooked(world.store, hook))
    assert hook.passed
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_contact_that_comes_while_its_mail_fades_gets_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contact's event finds the row still attached; the row that becomes unmatched afterwards is fetched again."""
    carla = await with_a_record_deleted(world)
    await world.changed(carla)
    before(monkeypatch, world.store.matcher_ledger, "unmatch_emails", lambda: world.record(CARLA))
    await mailbox_changed.sweep_unlinked(store=world.store, summaries=world.summaries, grace=NO_GRACE)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert ("attached", next(iter(snapshot.emails))) in snapshot.rows.values()


async def test_a_contact_that_comes_while_a_copy_is_unmatched_gets_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where the email stays stored because of another copy's Bcc."""
    carla = await with_a_record_deleted(world)
    await world.changed(carla)
    late = await with_a_bcc(world)
    passed: list[RecordRef] = []

    async def come() -> None:
        passed.append(await world.record(CARLA))

    before(monkeypatch, world.store.matcher_ledger, "unmatch_rows", come)
    await world.match(late)
    assert passed
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert [state for state, _ in snapshot.rows.values()] == ["attached", "attached"]


@pytest.mark.parametrize("where", ["before links.compare_and_set_many", "before matcher_ledger.unmatch_rows"])
async def test_a_thread_that_another_holder_makes_known_does_not_attach_a_copy(world: World, where: str) -> None:
    """Another holder attaches a copy through their own thread while this copy becomes unmatched: it stays unmatched in any order."""
    ann, bob, eve = [await world.account(one) for one in (ANN, BOB, "eve@firm.example")]
    await world.record(PAUL)
    await world.record("lou@law.example")
    carla = await world.record(CARLA)
    root, content = mail("0", "eve@firm.example", "lou@law.example"), mail("1", CARLA, ANN, answers="0")
    world.mails.extend((root, content))
    hers = await world.copy(ann, content)
    await world.match(hers, await world.copy(bob, content, bcc=[PAUL]), await world.copy(eve, root))
    await world.delete(carla)
    late = await world.copy(eve, content)
    hook = Once(where, lambda: world.match(late))
    await changed(world, carla, hooked(world.store, hook))
    assert hook.passed
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.rows[hers.source.id] == ("unmatched", None)
    assert snapshot.rows[late.source.id] == ("attached", content.key)


async def test_what_follows_a_thread_follows_it_through_a_mail_of_which_another_copy_comes(world: World) -> None:
    """If the mail's link exists when its ancestor's replica looks, the replica that added the link updates the rest of the thread."""
    bob = await world.account(BOB)
    await world.record(PAUL)
    await world.record(CARLA)
    first, second, third = mail("1", BOB, CARLA), mail("2", BOB, WHO, answers="1"), mail("3", MUM, BOB, answers="2")
    world.mails.extend((first, second, third))
    held, last = await world.copy(bob, second, bcc=[PAUL]), await world.copy(bob, third)
    await world.match(held, last)
    another = await world.copy(bob, second)
    hook = Once("after links.save_many", lambda: world.match(another))
    await handler.handle(
        [delivery_of(await world.copy(bob, first))], store=hooked(world.store, hook), summaries=world.summaries
    )
    assert hook.passed
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.rows[last.source.id] == ("attached", third.key)


async def test_a_copy_that_comes_in_one_batch_with_its_new_ancestor_ends_with_the_reasons_that_hold(
    world: World,
) -> None:
    """If the thread now goes through another address of the record, that address is added and the former one removed."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    ref = await world.record(CARLA, "assistant@client.example")
    first, second = mail("1", ANN, CARLA), mail("2", ANN, "assistant@client.example")
    reply = mail("3", WHO, ANN, references=("1@mail", "2@mail"))
    world.mails.extend((first, second, reply))
    await world.match(await world.copy(ann, first), await world.copy(ann, reply))
    await world.match(await world.copy(ann, second), await world.copy(bob, reply))
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.links[str(ref), reply.key][0] == (("assistant@client.example", "thread", ""),)


async def test_a_copy_that_comes_in_one_batch_with_its_new_ancestor_shares_the_link_with_other_copies(
    world: World,
) -> None:
    """Another user held the email for another reason; the link by thread becomes theirs, too."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(PAUL)
    ref = await world.record(CARLA)
    first, reply = mail("1", ANN, CARLA), mail("2", WHO, ANN, answers="1")
    world.mails.extend((first, reply))
    await world.match(await world.copy(bob, reply, bcc=[PAUL]))
    await world.match(await world.copy(ann, first), await world.copy(ann, reply))
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.links[str(ref), reply.key][1] == (ANN, BOB)


async def test_a_summary_is_not_taken_before_the_links_are_there(world: World) -> None:
    """Summaries are flushed between the note that they are due and the links: they are due again afterwards."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)

    async def flush() -> None:
        async with asyncio.timeout(30):
            while not await world.database["debts"].count_documents({}):  # noqa: ASYNC110 - another task's write
                await asyncio.sleep(0)
        for _ in range(3):
            await world.summaries.flush()
            await world.database["debts"].count_documents({})

    hook = Once("before links.save_many", flush)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await handler.handle([delivery_of(copy)], store=hooked(world.store, hook), summaries=world.summaries)
    assert hook.passed
    await world.summaries.flush()
    assert (await world.snapshot()).counts == {str(ref): 1}


async def test_what_a_crashed_try_linked_to_a_record_that_is_gone_since_is_taken_off(world: World) -> None:
    """The redelivery adds the links that apply now and checks what the crashed attempt may have left."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    paul = await world.record(PAUL)
    copy = await world.copy(ann, mail("1", CARLA, ANN, PAUL))

    with pytest.raises(CrashError):
        await handler.handle(
            [delivery_of(copy)],
            store=hooked(world.store, Once("before matcher_ledger.finish", die)),
            summaries=world.summaries,
        )
    await world.delete(paul)
    await world.changed(paul)
    await handler.handle([delivery_of(copy, redelivered=True)], store=world.store, summaries=world.summaries)
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("fetched", [True, False])
async def test_an_attempt_that_stood_still_takes_nothing_from_what_came_meanwhile(world: World, fetched: bool) -> None:
    """Its message was handled by another process, then a contact came. It goes on with one write, and dies."""
    ann = await world.account(ANN)
    copy = await world.copy(ann, mail("1", CARLA, ANN))

    async def meanwhile() -> None:
        await world.match(copy)
        await world.record(CARLA)
        if fetched:
            await world.refetch()

    frozen, dying = Once("before matcher_ledger.finish", meanwhile), Once("after matcher_ledger.finish", die)
    await interrupted_attempt(world, copy, frozen, dying)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_an_attempt_that_stood_still_does_not_attach_what_has_lost_its_record(world: World) -> None:
    """The same the other way round: the record was deleted, and the copy is unmatched."""
    ann = await world.account(ANN)
    carla = await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))

    async def meanwhile() -> None:
        await world.delete(carla)
        await world.changed(carla)
        await world.match(copy)

    frozen, dying = Once("before matcher_ledger.finish", meanwhile), Once("after matcher_ledger.finish", die)
    await interrupted_attempt(world, copy, frozen, dying)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def interrupted_attempt(world: World, copy: MailParsed, *hooks: Once) -> None:
    """Handle a copy with hooks, of which the last one dies."""

    async def hook(place: str) -> None:
        for each in hooks:
            await each(place)

    with pytest.raises(CrashError):
        await handler.handle([delivery_of(copy)], store=hooked(world.store, hook), summaries=world.summaries)
    assert all(each.passed for each in hooks)


async def test_a_contact_that_comes_while_a_copy_is_unmatched_gets_it_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contact's event finds the row still attached, and the process dies before it looks for the contact."""
    carla = await with_a_record_deleted(world)
    await world.changed(carla)
    late = await with_a_bcc(world)
    before(monkeypatch, world.store.matcher_ledger, "unmatch_rows", lambda: world.record(CARLA))
    dying = hooked(world.store, Once("after matcher_ledger.unmatch_rows", die))
    with pytest.raises(CrashError):
        await handler.handle([delivery_of(late)], store=dying, summaries=world.summaries)
    await handler.handle([delivery_of(late, redelivered=True)], store=world.store, summaries=world.summaries)
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=AT_ONCE)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert [state for state, _ in snapshot.rows.values()] == ["attached", "attached"]


async def test_a_contact_that_comes_while_its_mail_fades_gets_it_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for an email whose grace period has passed."""
    carla = await with_a_record_deleted(world)
    await world.changed(carla)
    before(monkeypatch, world.store.matcher_ledger, "unmatch_emails", lambda: world.record(CARLA))
    dying = hooked(world.store, Once("after orphaned_emails.expire", die))
    with pytest.raises(CrashError):
        await mailbox_changed.sweep_unlinked(store=dying, summaries=world.summaries, grace=NO_GRACE)
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=AT_ONCE)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert [state for state, _ in snapshot.rows.values()] == ["attached"]


@pytest.mark.parametrize(
    "where",
    ["before links.compare_and_set_many", "after links.compare_and_set_many", "before emails.mark_unlinked"],
)
async def test_a_crash_while_a_record_is_forgotten_leaves_nothing_behind(world: World, where: str) -> None:
    """Its links may be removed already, so the redelivery cannot find its mail by them; the pending work names it."""
    carla = await with_a_record_deleted(world)
    with pytest.raises(CrashError):
        await changed(world, carla, hooked(world.store, Once(where, die)))
    await world.changed(carla)
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=AT_ONCE)
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("connected", [True, False])
async def test_a_copy_whose_email_is_lost_is_fetched_again(world: World, connected: bool) -> None:
    """The process that removed the email died before it looked for copies. If the copy cannot be fetched, its row says so."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    await world.database["emails"].delete_one({})
    if not connected:
        await world.database["accounts"].update_one({}, {"$set": {"state": AccountState.DISCONNECTED.value}})
    await relink([copy.content.key], store=world.store, summaries=world.summaries)
    row = await world.store.ledger.get(copy.source.id)
    assert row is not None
    if connected:
        assert row.state == "planned"
        await world.rest()
        assert await world.snapshot() == world.truth()
    else:
        assert (row.state, row.reason, row.email) == ("skipped", "disconnected", None)
        assert (await world.snapshot()).links == {}


async def test_a_copy_that_is_attached_while_grants_are_taken_back_keeps_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy's recompute read before the copy was attached, and writes after the copy's matcher has read."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    content = mail("1", CARLA, ANN, BOB)
    await world.match(await world.copy(ann, content))
    late = await world.copy(bob, content)
    looked, attached = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        looked.set()
        await attached.wait()

    before(monkeypatch, world.store.links, "compare_and_set_many", wait)
    recompute: list[asyncio.Task[object]] = []

    async def begin() -> None:
        recompute.append(asyncio.create_task(world.store.sharing.recompute([content.key])))
        await looked.wait()

    hook = Once("before matcher_ledger.finish", begin)
    async with asyncio.timeout(60):
        await handler.handle([delivery_of(late)], store=hooked(world.store, hook), summaries=world.summaries)
        attached.set()
        await asyncio.gather(*recompute)
    await world.summaries.flush()
    assert await world.snapshot() == world.truth()


async def test_mail_that_comes_while_its_account_is_purged_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is deleted before anything else is looked at, so a matcher that attaches it now removes what it stored."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN)))
    late = await world.copy(ann, mail("2", CARLA, ANN))
    before(monkeypatch, world.store.ledger, "to_relink", lambda: world.match(late))
    await world.store.removal.purge(ann.id, by=ANN)
    await world.rest()
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=AT_ONCE)
    snapshot = await world.snapshot()
    assert (snapshot.emails, snapshot.links, snapshot.rows, snapshot.counts) == ({}, {}, {}, {})


async def twin(world: World, of: MailParsed) -> str:
    """Add a copy to the same mailbox that is attached at once, as the poller does; return its row."""
    copy = await world.copy(world.accounts[of.source.account], of.content, state="attached")
    change = {"$set": {"email": of.content.key, "relink": True}}
    await world.database["ledger"].update_one({"_id": copy.source.id}, change)
    return copy.source.id


async def test_a_moved_copy_whose_event_is_lost_gives_its_owner_the_mail_again(world: World) -> None:
    """The old copy went first, and the links were updated; another user holds the email, so nothing waits for the move's end."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    content = mail("1", CARLA, ANN, BOB)
    old = await world.copy(ann, content)
    await world.match(old, await world.copy(bob, content))
    await world.go(old.source.id)
    await world.announce_gone(old.source.id)
    await twin(world, old)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_moved_copy_that_comes_while_its_email_fades_is_not_left_without_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poller saw the email when it attached the copy; removing the email therefore looks for copies afterwards."""
    carla = await with_a_record_deleted(world)
    await world.changed(carla)
    (copy,) = world.copies.values()
    before(monkeypatch, world.store.blob_refs, "release", lambda: twin(world, copy))
    await mailbox_changed.sweep_unlinked(store=world.store, summaries=world.summaries, grace=NO_GRACE)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_moved_copy_that_comes_while_its_email_is_deleted_in_the_crm_is_skipped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for an email that is deleted in the CRM."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    skip, rows = world.store.matcher_ledger.skip_emails, list[str]()

    async def then_another(*args: Any) -> int:
        count = await skip(*args)
        if not rows:
            rows.append(await twin(world, copy))
        return count

    monkeypatch.setattr(world.store.matcher_ledger, "skip_emails", then_another)
    await world.store.orphaned_emails.tombstone([copy.content.key], by=ANN)
    world.deleted.add(copy.content.key)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot.rows == world.truth().rows
    assert len(rows) == 1


async def test_a_copy_that_goes_before_its_lost_blobs_were_fetched_again_leaves_nothing(world: World) -> None:
    """Its email is not stored in the meantime: a copy that was never attached leaves no email when it is gone."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.database["blobs.files"].delete_many({})
    await world.match(copy)
    assert (await world.snapshot()).rows[copy.source.id] == ("planned", None)
    await world.go(copy.source.id)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_copy_that_is_planned_while_its_account_is_disconnected_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late contact plans it just before; no poller could ever fetch it."""
    ann = await world.account(ANN)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    disconnected, passed = world.store.matcher_ledger._disconnected, False

    async def then_disconnect() -> list[str]:
        nonlocal passed
        before = await disconnected()
        if not passed:
            passed = True
            await world.store.removal.disconnect(ann.id, by=ANN)
        return before

    monkeypatch.setattr(world.store.matcher_ledger, "_disconnected", then_disconnect)
    await world.record(CARLA)
    row = await world.store.ledger.get(copy.source.id)
    assert row is not None
    assert (row.state, row.reason) == ("skipped", "disconnected")
