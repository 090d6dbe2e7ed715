"""Copies flagged as deleted grant nothing, show to no one, and return when the flag is removed."""

from __future__ import annotations

import pytest

from schemas.mail import Content
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store import NotFoundError
from tests.matcher.fixtures import World, mail

ANN, BOB, CLIENT = "ann@firm.example", "bob@firm.example", "carla@client.example"


async def seen(world: World, viewer: str, record: RecordRef) -> list[str]:
    """Return the keys of the emails on a viewer's page of a record."""
    page = await world.store.reading.visible_emails(viewer, record, limit=50)
    return sorted(one.email for one in page.emails)


async def opens(world: World, viewer: str, content: Content) -> bool:
    """Whether a viewer can open an email by its key."""
    try:
        await world.store.reading.show(viewer, content.key)
    except NotFoundError:
        return False
    return True


@pytest.fixture
async def users(world: World) -> None:
    """The two users."""
    for user in (ANN, BOB):
        await world.store.users.add(user)


async def test_the_flag_hides_at_once_and_its_end_brings_back(world: World, users: None) -> None:
    """The page is right before links follow; afterwards links, summary and pages agree, whatever graces pass."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    content = mail("offer", CLIENT, ANN)
    copy = await world.copy(ann, content)
    await world.match(copy)
    assert await seen(world, BOB, record) == await seen(world, ANN, record) == [content.key]

    await world.flag(copy.source.id)
    for viewer in (ANN, BOB):
        assert await seen(world, viewer, record) == []
        assert not await opens(world, viewer, content)
    await world.announce_gone(copy.source.id)
    await world.rest()
    assert await world.snapshot() == world.truth()
    assert (await world.snapshot()).counts == {}

    await world.flag(copy.source.id, on=False)
    await world.announce_gone(copy.source.id)
    assert await seen(world, BOB, record) == await seen(world, ANN, record) == [content.key]
    await world.rest()
    assert await world.snapshot() == world.truth()
    assert (await world.snapshot()).counts == {str(record): 1}


async def test_the_bcc_of_a_flagged_copy_hides_at_once(world: World, users: None) -> None:
    """Another copy in the same mailbox, without the Bcc, does not keep the email on the Bcc's record."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    await world.record("other@client.example")
    content = mail("offer", ANN, "other@client.example")
    blind = await world.copy(ann, content, bcc=(CLIENT,))
    await world.match(blind, await world.copy(ann, content))
    assert await seen(world, ANN, record) == [content.key]
    await world.flag(blind.source.id)
    assert await seen(world, ANN, record) == []
    await world.announce_gone(blind.source.id)
    await world.rest()
    assert await seen(world, ANN, record) == []
    await world.flag(blind.source.id, on=False)
    await world.announce_gone(blind.source.id)
    assert await seen(world, ANN, record) == [content.key]


async def test_a_flagged_copy_shares_nothing_that_others_hold(world: World, users: None) -> None:
    """What the flagged copy shared is hidden; the holder of another, private copy keeps it for themselves."""
    ann, bob = await world.account(ANN), await world.account(BOB, Mode.PRIVATE)
    record, content = await world.record(CLIENT), mail("offer", CLIENT, ANN, BOB)
    shared, private = await world.copy(ann, content), await world.copy(bob, content)
    await world.match(shared, private)
    await world.flag(shared.source.id)
    await world.announce_gone(shared.source.id)
    assert (await seen(world, ANN, record), await seen(world, BOB, record)) == ([], [content.key])
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_copy_flagged_on_its_way_grants_no_one(world: World, users: None) -> None:
    """The flag is set after the poller fetched the body and before the matcher stores it, and no event announces it."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    copy = await world.copy(ann, mail("offer", CLIENT, ANN))
    await world.flag(copy.source.id)
    await world.match(copy)
    assert await seen(world, ANN, record) == []
    assert await world.snapshot() == world.truth()


async def test_an_expunge_after_the_flag_removes_the_email(world: World, users: None) -> None:
    """The email stays stored while a flagged copy exists, and is removed with it."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    copy = await world.copy(ann, mail("offer", CLIENT, ANN))
    await world.match(copy)
    await world.flag(copy.source.id)
    await world.announce_gone(copy.source.id)
    await world.rest()
    assert len((await world.snapshot()).emails) == 1
    await world.go(copy.source.id)
    await world.announce_gone(copy.source.id)
    await world.rest()
    assert await seen(world, ANN, record) == []
    assert (await world.snapshot()).emails == {}


async def test_a_thread_follows_the_flag(world: World, users: None) -> None:
    """A reply that names no record is on the record while the mail it answers is live in its holder's mailbox."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    first = mail("offer", ANN, CLIENT)
    reply = mail("reply", "assistant@elsewhere.example", ANN, answers="offer")
    copies = [await world.copy(ann, first), await world.copy(ann, reply)]
    await world.match(*copies)
    assert len(await seen(world, BOB, record)) == 2
    await world.flag(copies[0].source.id)
    for viewer in (ANN, BOB):  # before links follow
        assert await seen(world, viewer, record) == []
        assert not await opens(world, viewer, reply)
    await world.announce_gone(copies[0].source.id)
    assert await seen(world, BOB, record) == []
    await world.flag(copies[0].source.id, on=False)
    await world.announce_gone(copies[0].source.id)
    await world.rest()
    assert len(await seen(world, BOB, record)) == 2
    assert await world.snapshot() == world.truth()


async def test_a_lost_event_is_covered(world: World, users: None) -> None:
    """The row stays marked until its links are updated, so the sweep finds it in both directions."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    content = mail("offer", CLIENT, ANN)
    copy = await world.copy(ann, content)
    await world.match(copy)
    for on in (True, False):
        await world.flag(copy.source.id, on=on)
        await world.rest()
        assert await world.snapshot() == world.truth()
    assert await seen(world, BOB, record) == [content.key]
    assert await world.store.ledger.to_relink() == {}


async def test_a_thread_of_several_steps_closes_at_once(world: World, users: None) -> None:
    """Each step is checked as it is now: the flag on the first own mail closes all that is behind it, and back."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    names = [
        ("offer", ANN, CLIENT, None),
        ("r1", "x@else.example", ANN, "offer"),
        ("own", ANN, "x@else.example", "offer"),
    ]
    mails = [mail(name, sender, to, answers=answers) for name, sender, to, answers in names]
    mails.append(mail("r2", "x@else.example", ANN, answers="own"))
    copies = [await world.copy(ann, one) for one in mails]
    await world.match(*copies)
    assert len(await seen(world, ANN, record)) == len(await seen(world, BOB, record)) == 4
    await world.flag(copies[2].source.id)
    assert await seen(world, BOB, record) == sorted(one.key for one in mails[:2])
    await world.flag(copies[2].source.id, on=False)
    await world.flag(copies[0].source.id)
    for viewer in (ANN, BOB):
        assert await seen(world, viewer, record) == []
    await world.flag(copies[0].source.id, on=False)
    assert len(await seen(world, BOB, record)) == 4
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_copy_elsewhere_does_not_keep_a_thread_open(world: World, users: None) -> None:
    """Only the copy in the Sent folder says that the owner sent the mail; the one that came back to their inbox does not."""
    ann, record = await world.account(ANN), await world.record(CLIENT)
    offer, reply = mail("offer", ANN, CLIENT), mail("reply", "assistant@elsewhere.example", ANN, answers="offer")
    sent, back = await world.copy(ann, offer), await world.copy(ann, offer, sent=False)
    await world.match(sent, back, await world.copy(ann, reply))
    assert len(await seen(world, ANN, record)) == 2
    await world.flag(sent.source.id)
    assert await seen(world, ANN, record) == await seen(world, BOB, record) == [offer.key]
    assert not await opens(world, ANN, reply)
