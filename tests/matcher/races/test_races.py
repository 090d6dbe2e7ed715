"""Two things happen concurrently, forced into every order that matters: one of them always sees the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from schemas.messages import MailParsed, RecordChanged
from schemas.sharing import Mode
from services.matcher import handler, record_changed
from services.store.core.documents import now
from tests.factories import account as account_of
from tests.matcher.fixtures import World, delivery_of, mail
from tests.matcher.hooks import Once, hooked

ANN, BOB, CARLA, WHO = "ann@firm.example", "bob@firm.example", "carla@client.example", "who@else.example"
PLACES = [
    "after record_addresses.version",
    "after record_addresses.known",
    "before emails.save_many",
    "after emails.save_many",
    "after links.save_many",
    "before matcher_ledger.finish",
    "after matcher_ledger.finish",
    "before blob_refs.release",
]
"""Places in a batch, from the first read to the last write."""


async def interrupted(world: World, where: str, what: Callable[[], Awaitable[object]], *copies: MailParsed) -> None:
    """Handle a batch, and run something else at a place within it."""
    hook = Once(where, what)
    await handler.handle(
        [delivery_of(copy) for copy in copies], store=hooked(world.store, hook), summaries=world.summaries
    )
    assert hook.passed, f"never came to {where}"


@pytest.mark.parametrize("where", PLACES)
async def test_a_contact_that_appears_while_its_mail_is_processed_gets_it(world: World, where: str) -> None:
    """Address race, with the matcher interrupted: the contact's event is handled at any place within the batch."""
    ann = await world.account(ANN)
    await world.record("paul@partner.example")
    ref = await world.record(CARLA, known=False)
    only, both = mail("1", CARLA, ANN), mail("2", CARLA, ANN, cc=["paul@partner.example"])
    copies = [await world.copy(ann, only), await world.copy(ann, both)]
    await interrupted(world, where, lambda: world.changed(ref), *copies)
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize(
    "where",
    [
        "before record_addresses.put_many",
        "after record_addresses.put_many",
        "before matcher_ledger.replan_by_hashes",
        "after matcher_ledger.replan_by_hashes",
    ],
)
async def test_mail_that_comes_while_its_contact_is_taken_in_is_linked(world: World, where: str) -> None:
    """Address race, with the other side interrupted: a batch is handled at any place within the contact's event."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA, known=False)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    hook = Once(where, lambda: world.match(copy))
    event = delivery_of(RecordChanged(id=str(ref), kind=ref.kind, record=ref.id, at=now()))
    await record_changed.handle([event], store=hooked(world.store, hook), summaries=world.summaries)
    assert hook.passed
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("where", PLACES)
async def test_a_reply_and_its_ancestor_in_two_batches_find_each_other(world: World, where: str) -> None:
    """Thread race, both ways: each batch is handled at any place within the other."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    for number, order in enumerate(((0, 1), (1, 0))):
        first = await world.copy(ann, mail(f"a{number}", ANN, CARLA))
        reply = await world.copy(ann, mail(f"b{number}", "who@else.example", ANN, answers=f"a{number}"))
        pair = [first, reply]
        outer, inner = (pair[place] for place in order)
        await interrupted(world, where, partial(world.match, inner), outer)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert len(snapshot.emails) == 4


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("with_it", ["alone", "with another mail", "with her copy"])
async def test_a_reply_and_its_holders_copy_of_the_ancestor_find_each_other(
    world: World, where: str, with_it: str
) -> None:
    """Another user has long had the ancestor; it opens a thread for the reply's holder once they have it, too."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    for number, order in enumerate(((0, 1), (1, 0))):
        first, reply = mail(f"a{number}", BOB, CARLA, ANN), mail(f"b{number}", WHO, BOB, answers=f"a{number}")
        await world.match(await world.copy(ann, first))
        pair = [await world.copy(bob, first), await world.copy(bob, reply)]
        outer, inner = (pair[place] for place in order)
        beside = {"alone": [], "with another mail": [mail(f"c{number}", CARLA, ANN)], "with her copy": [first]}[with_it]
        others = [await world.copy(ann, content) for content in beside]
        await interrupted(world, where, partial(world.match, inner), outer, *others)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert len(snapshot.attestations) == 2


@pytest.mark.parametrize("where", PLACES)
async def test_the_holders_of_a_reply_find_each_other(world: World, where: str) -> None:
    """Ann's copy gives no link and stays in the mailbox; Bob, who sent the ancestor, gets his stored, in either order."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    for number, order in enumerate(((0, 1), (1, 0))):
        first, reply = mail(f"a{number}", BOB, CARLA), mail(f"b{number}", WHO, ANN, BOB, answers=f"a{number}")
        world.mails.append(first)
        pair = [[await world.copy(ann, reply)], [await world.copy(bob, reply), await world.copy(bob, first)]]
        outer, inner = (pair[place] for place in order)
        await interrupted(world, where, partial(world.match, *inner), *outer)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert Counter(state for state, _ in snapshot.rows.values()) == {"attached": 4, "unmatched": 2}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("first_known", [True, False])
async def test_an_ancestor_that_its_holder_loses_while_a_reply_comes_says_nothing(
    world: World, where: str, first_known: bool
) -> None:
    """Bob still has the ancestor, but not the reply."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    first, reply = mail("1", ANN, CARLA, BOB), mail("2", WHO, ANN, answers="1")
    hers, his, answer = await world.copy(ann, first), await world.copy(bob, first), await world.copy(ann, reply)
    if first_known:
        await world.match(his, hers)

    async def lose() -> None:
        await world.go(hers.source.id)
        await world.announce_gone(hers.source.id)

    await interrupted(world, where, lose, *([answer] if first_known else [answer, hers, his]))
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.rows[answer.source.id] == ("unmatched", None)


@pytest.mark.parametrize("where", PLACES)
async def test_a_second_record_in_a_thread_that_comes_meanwhile_makes_it_ambiguous(world: World, where: str) -> None:
    """The reply had exactly one record when looked up; with two it has no link, and its body is not stored."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    await world.record("paul@partner.example")
    await world.match(await world.copy(ann, mail("1", ANN, CARLA)))
    other = await world.copy(ann, mail("2", "paul@partner.example", ANN))
    reply = await world.copy(ann, mail("3", ANN, BOB, answers="1", references=("2@mail",)))
    await interrupted(world, where, lambda: world.match(other), reply)
    await world.rest()
    snapshot = await world.snapshot()
    assert snapshot == world.truth()
    assert snapshot.rows[reply.source.id] == ("unmatched", None)


@pytest.mark.parametrize("where", PLACES)
async def test_a_copy_that_goes_while_another_one_comes_takes_nothing_from_it(world: World, where: str) -> None:
    """The recompute for a gone copy does not see the copy being processed; what it removed is added again."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    content = mail("1", CARLA, ANN, BOB)
    old, new = await world.copy(ann, content), await world.copy(bob, content)
    await world.match(old)

    async def goes() -> None:
        await world.go(old.source.id)
        await world.announce_gone(old.source.id)

    await interrupted(world, where, goes, new)
    await world.summaries.flush()
    assert await world.snapshot() == world.truth()
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("where", PLACES)
async def test_an_email_deleted_in_the_crm_while_a_copy_comes_stays_deleted(world: World, where: str) -> None:
    """The second look sees the tombstone, whatever was stored before."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    await world.record(CARLA)
    content = mail("1", CARLA, ANN, BOB)
    await world.match(await world.copy(ann, content))
    new = await world.copy(bob, content)

    async def bury() -> None:
        await world.store.orphaned_emails.tombstone([content.key], by=ANN)
        world.deleted.add(content.key)

    await interrupted(world, where, bury, new)
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("where", PLACES)
async def test_a_policy_narrowed_while_mail_is_processed_applies_to_it(world: World, where: str) -> None:
    """Neither link nor summary of mail being processed says more than the policy that was set meanwhile."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    private = account_of(ANN, Mode.PRIVATE).sharing
    world.accounts[ann.id] = ann.model_copy(update={"sharing": private})
    await interrupted(world, where, lambda: world.store.sharing.set_account(ann.id, private, by=ANN), copy)
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("where", PLACES)
async def test_a_record_deleted_while_its_mail_is_processed_has_no_link(world: World, where: str) -> None:
    """A link by an address that was forgotten meanwhile is removed."""
    ann = await world.account(ANN)
    ref = await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))

    async def delete() -> None:
        await world.delete(ref)
        await world.changed(ref)

    await interrupted(world, where, delete, copy)
    await world.rest()
    assert await world.snapshot() == world.truth()
