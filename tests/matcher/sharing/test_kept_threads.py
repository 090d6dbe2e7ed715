"""A thread that its holder keeps private stays so however it goes on: also with mail that names only newer mail of it."""

from __future__ import annotations

import itertools

import pytest

from schemas.accounts import Account
from schemas.identity import thread_id
from schemas.mail import Content
from schemas.records import RecordRef
from services.matcher import handler
from services.matcher.linking.summaries import SummaryKeeper
from services.matcher.sweepers import sweep_pending_work
from tests.matcher.fixtures import NO_GRACE, World, delivery_of, mail
from tests.matcher.hooks import CrashAt, CrashError, hooked

ANN, BOB, EVE, CLIENT = "ann@firm.example", "bob@firm.example", "eve@firm.example", "carla@client.example"


def answer(name: str, *names: str) -> Content:
    """Return a mail from the client that answers the last of some mails, and refers to the others."""
    above = tuple(f"{one}@mail" for one in names)
    thread = thread_id(message_id=f"{name}@mail", in_reply_to=None, references=above, key=name)
    return mail(name, CLIENT, ANN, references=above, thread=thread)


async def kept(world: World) -> tuple[Account, RecordRef]:
    """Return Ann's public mailbox, and the client's record. She keeps the thread of a first mail private."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    for user in (ANN, EVE):
        await world.store.users.add(user)
    await arrive(world, ann, answer("first"))
    await world.store.withdrawing.keep_private(answer("first").key, by=ANN, thread=True)
    return ann, record


async def arrive(world: World, to: Account, *contents: Content) -> None:
    """Let mail arrive, as one batch."""
    await world.match(*[await world.copy(to, content) for content in contents])


async def seen(world: World, record: RecordRef) -> set[str]:
    """Return the names of the mails that a colleague sees on the record, which are those that the summary counts."""
    await world.rest()
    page = await world.store.reading.visible_emails(EVE, record, limit=50)
    links = await world.database["links"].find({"shared_by.0": {"$exists": True}}).to_list()
    assert {link["email"] for link in links} == {one.email for one in page.emails}, "stored grants follow"
    return {one.subject.removeprefix("Subject ") for one in page.emails}


@pytest.mark.parametrize("order", list(itertools.permutations(("second", "third", "fourth"))))
async def test_mail_that_names_only_newer_mail_stays_private(world: World, order: tuple[str, ...]) -> None:
    """Each mail names only the one before it. In whatever order they arrive, none is shared; undoing it shares all of them."""
    ann, record = await kept(world)
    mails = {"second": answer("second", "first"), "third": answer("third", "second")}
    mails["fourth"] = answer("fourth", "third")
    for name in order:
        await arrive(world, ann, mails[name])
    await arrive(world, ann, answer("other"))
    assert await seen(world, record) == {"other"}
    assert await world.database["debts"].count_documents({}) == 0
    assert await world.store.withdrawing.share_again(answer("first").key, by=ANN, thread=True) == 4
    assert await world.database["withdrawals"].count_documents({}) == 0
    assert await seen(world, record) == {"first", *mails, "other"}


async def test_a_batch_may_hold_the_whole_thread(world: World) -> None:
    """A long thread in one batch, newest first, takes no more looks than a short one."""
    ann, record = await kept(world)
    names = ["first", *(f"mail {number}" for number in range(20))]
    mails = [answer(name, above) for above, name in itertools.pairwise(names)]
    await arrive(world, ann, *reversed(mails))
    assert await seen(world, record) == set()


async def test_a_forged_mail_makes_no_other_thread_private(world: World) -> None:
    """Anyone can send mail that names the private thread and another one: it is private itself, and its answers are."""
    ann, record = await kept(world)
    await arrive(world, ann, answer("other"))
    await arrive(world, ann, answer("forged", "other", "first"))
    await arrive(world, ann, answer("another", "other"), answer("after", "forged"))
    assert await seen(world, record) == {"other", "another"}


async def test_another_holder_is_not_concerned(world: World) -> None:
    """What Ann keeps private Bob shares, although both hold it; and his mail does not grow her thread."""
    ann, record = await kept(world)
    bob = await world.account(BOB)
    await arrive(world, bob, answer("second", "first"))
    await arrive(world, ann, answer("third", "second"))
    assert await seen(world, record) == {"second", "third"}
    await arrive(world, ann, answer("second", "first"))
    assert await seen(world, record) == {"second"}
    assert {one["owner"] async for one in world.database["withdrawals"].find()} == {ANN}


async def test_a_mail_kept_private_by_itself_makes_no_thread_private(world: World) -> None:
    """Its answers are shared."""
    ann, record = await kept(world)
    await arrive(world, ann, answer("single"))
    await world.store.withdrawing.keep_private(answer("single").key, by=ANN)
    await arrive(world, ann, answer("single"), answer("reply", "single"))
    assert await seen(world, record) == {"reply"}


async def test_relinking_lets_the_thread_grow(world: World) -> None:
    """A mail that was flagged as deleted when the thread became private takes its answers along when it comes back."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    for user in (ANN, EVE):
        await world.store.users.add(user)
    copy = await world.copy(ann, answer("second", "first"))
    await world.match(copy)
    await arrive(world, ann, answer("first"), answer("third", "second"), answer("fourth", "third"))
    await world.flag(copy.source.id)
    await world.announce_gone(copy.source.id)
    await world.store.withdrawing.keep_private(answer("first").key, by=ANN, thread=True)
    assert await seen(world, record) == {"third", "fourth"}
    await world.flag(copy.source.id, on=False)
    await world.announce_gone(copy.source.id)
    assert await seen(world, record) == set()


async def test_a_crash_at_any_write_shares_nothing(world: World) -> None:
    """The matcher dies before each of its calls of the store in turn; the redelivery and the sweeper finish what it began."""
    ann, record = await kept(world)
    await arrive(world, ann, answer("third", "second"), answer("fourth", "third"))
    copy, number, crashed = await world.copy(ann, answer("second", "first")), 0, True
    while crashed:
        number += 1
        store = hooked(world.store, CrashAt(number))
        try:
            await handler.handle([delivery_of(copy)], store=store, summaries=SummaryKeeper(world.store))
            crashed = False
        except CrashError:
            page = await world.store.reading.visible_emails(EVE, record)
            assert "Subject second" not in {one.subject for one in page.emails}, (
                f"shared after a crash at call {number}"
            )
    assert number > 9
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=NO_GRACE)
    await arrive(world, ann, answer("fifth", "fourth"))
    assert await seen(world, record) == set()
