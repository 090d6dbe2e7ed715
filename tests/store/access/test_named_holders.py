"""Attacks on holders whom an email does not name: a colleague in Bcc, or on a list, has a copy and must stay unknown."""

from __future__ import annotations

import pytest

from schemas.sharing import Mode, SharingPolicy
from services.store import Obstacle, Store
from tests.store.fixtures import World, content

ANN, BOB, EVE, ROOT, LEAD = "ann@corp.com", "bob@corp.com", "eve@corp.com", "root@corp.com", "lead@x.com"


@pytest.fixture
async def office(world: World) -> World:
    """A user without a mailbox, and an administrator."""
    await world.user(EVE)
    await world.user(ROOT, admin=True)
    return world


async def test_a_colleague_in_bcc_is_named_to_nobody_else(office: World, store: Store) -> None:
    """Lines, holders and explanations name the colleague in To. Only the one in Bcc sees their own copy."""
    ann, bob = await office.account(ANN), await office.account(BOB)
    record, mail = await office.record(LEAD), content("m", LEAD, ANN)
    await office.attach(ann, mail)
    await office.attach(bob, mail, flags=["\\Flagged"])
    for viewer, holders in ((ANN, (ANN,)), (EVE, (ANN,)), (ROOT, (ANN,)), (BOB, (BOB, ANN))):
        (line,) = (await store.reading.visible_emails(viewer, record)).emails
        assert line.holders == holders
        assert (await store.reading.show(viewer, mail.key)).line.holders == holders
        for asker in {viewer, ROOT, None}:
            told = await store.explaining.explain(viewer, record, mail.key, asked_by=asker)
            assert {one.copy_of.owner for one in told.lines} == ({*holders} if asker == viewer else {ANN})
            assert not told.by_unnamed


async def test_mail_that_only_unnamed_holders_share_shows_no_copy(office: World, store: Store) -> None:
    """The viewer sees the mail, but no name, folder or flags of the copy that shares it."""
    ann, bob = await office.account(ANN, Mode.PRIVATE), await office.account(BOB)
    record, mail = await office.record(LEAD), content("m", LEAD, ANN)
    await office.attach(ann, mail)
    await office.attach(bob, mail, flags=["\\Flagged"])
    (line,) = (await store.reading.visible_emails(EVE, record)).emails
    assert (line.copies, line.holders, line.folder, line.flags) == ((), (), "", ())
    told = await store.explaining.explain(EVE, record, mail.key, asked_by=EVE)
    assert (told.lines, told.visible, told.by_unnamed) == ((), True, True)
    admins = await store.explaining.explain(EVE, record, mail.key, asked_by=ROOT)
    assert {one.copy_of.owner for one in admins.lines} == {ANN}
    assert admins.by_unnamed


async def test_a_refusal_by_an_unnamed_holder_is_explained_to_nobody(office: World, store: Store) -> None:
    """An administrator learns that the copies are those of users whom the mail does not name, and no more."""
    bob = await office.account(BOB, Mode.PRIVATE)
    record, mail = await office.record(LEAD), content("m", LEAD, "list@lists.com")
    await office.attach(bob, mail)
    told = await store.explaining.explain(EVE, record, mail.key, asked_by=ROOT)
    assert (told.visible, told.lines, told.obstacle) == (False, (), Obstacle.HOLDER_NOT_NAMED)


async def test_a_preview_is_the_same_with_and_without_an_unnamed_holder(office: World, store: Store) -> None:
    """Neither the number of users nor that of emails shows that someone else has and shares the mail."""
    ann, bob = await office.account(ANN), await office.account(BOB)
    await office.record(LEAD)
    mail = content("m", LEAD, ANN)
    await office.attach(ann, mail)
    private = SharingPolicy(mode=Mode.PRIVATE)
    alone = await store.previewing.account(ann, private)
    await office.attach(bob, mail)
    assert await store.previewing.account(ann, private) == alone
    assert (alone.hidden.emails, alone.hidden.users) == (1, 3)
