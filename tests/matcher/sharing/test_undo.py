"""A deletion that is undone: the matcher puts the email back where it was, as far as its copies and records still exist."""

from __future__ import annotations

from datetime import timedelta

from services.matcher.sweepers import sweep_pending_work
from tests.matcher.fixtures import World, mail

ANN, LUC, KIM = "ann@firm.example", "luc@firm.example", "kim@client.example"


async def settle(world: World) -> None:
    """Finish all pending work."""
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=timedelta(seconds=-1))
    await world.rest()


async def test_a_restored_email_and_its_thread_are_on_the_page_again(world: World) -> None:
    """The page, the summary and the answers of the thread are as before the deletion, for a colleague, too."""
    for user in (ANN, LUC):
        await world.store.users.add(user)
    ann, ref = await world.account(ANN), await world.record(KIM)
    offer, answer = mail("offer", ANN, KIM), mail("answer", "jo@new.example", ANN, answers="offer")
    await world.match(await world.copy(ann, offer), await world.copy(ann, answer))
    await world.rest()
    before = await world.snapshot()
    page = (await world.store.reading.visible_emails(LUC, ref)).emails
    assert {line.email for line in page} == {offer.key, answer.key}
    await world.store.deleting.delete(offer.key, by=ANN)
    await settle(world)
    assert (await world.store.reading.visible_emails(LUC, ref)).emails == []
    await world.store.undoing.restore(offer.key, by=ANN)
    await settle(world)
    assert (await world.store.reading.visible_emails(LUC, ref)).emails == page
    assert await world.snapshot() == before


async def test_copies_that_came_while_it_was_deleted_are_attached(world: World) -> None:
    """A copy moved to another folder, and one of a mailbox connected later, were skipped; after the undo they count."""
    for user in (ANN, LUC):
        await world.store.users.add(user)
    ann, luc, _ = await world.account(ANN), await world.account(LUC), await world.record(KIM)
    offer = mail("offer", KIM, ANN, LUC)
    first = await world.copy(ann, offer)
    await world.match(first)
    await world.store.deleting.delete(offer.key, by=ANN)
    await world.go(first.source.id)
    moved, other = await world.copy(ann, offer), await world.copy(luc, offer)
    await world.match(moved, other)
    await settle(world)
    assert await world.store.emails.existing([offer.key]) == frozenset()
    await world.store.undoing.restore(offer.key, by=ANN)
    await settle(world)
    copies = (await world.store.ledger.copies([offer.key]))[offer.key]
    assert {copy.id for copy in copies} == {moved.source.id, other.source.id}
