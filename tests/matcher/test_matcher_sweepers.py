"""What is done again and again, so that nothing that was lost stays lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from matcher_world import NO_GRACE, World, account_of, mail

from schemas.accounts import EpochState
from schemas.sharing import Mode
from services.matcher import mailbox_changed
from services.matcher.completion import sweep_epochs
from services.matcher.sweepers import in_turn, sweep_store
from services.runtime.memory import MemoryBus

ANN, BOB, CARLA = "ann@firm.example", "bob@firm.example", "carla@client.example"


async def test_a_backfill_whose_last_event_was_lost_is_completed_once(world: World) -> None:
    """Sealed with nothing unfinished, an empty mailbox for example: two sweepers at once announce it once."""
    ann, bob = await world.account(ANN), await world.account(BOB)
    for account in (ann, bob):
        epoch = {"account": account.id, "number": 1, "state": EpochState.SEALED.value, "notification": "none"}
        await world.database["epochs"].insert_one({"_id": f"{account.id}.1", **epoch})
    await world.copy(bob, mail("1", CARLA, BOB), epoch=1)
    bus = MemoryBus()
    await asyncio.gather(*(sweep_epochs(store=world.store, bus=bus) for _ in range(2)))
    assert [message.id for message in bus.published] == [f"{ann.id}.1"]


async def test_a_lost_mailbox_event_is_made_good_by_the_sweeper(world: World) -> None:
    """Nobody announced that the copy is gone; after the grace its email goes all the same."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    copy = await world.copy(ann, mail("1", CARLA, ANN))
    await world.match(copy)
    await world.go(copy.source.id)
    await mailbox_changed.sweep_gone(store=world.store, summaries=world.summaries, grace=timedelta(hours=1))
    assert len((await world.snapshot()).emails) == 1, "the grace is not over"
    await mailbox_changed.sweep_gone(store=world.store, summaries=world.summaries, grace=NO_GRACE)
    await world.rest()
    assert await world.snapshot() == world.truth()


async def test_a_policy_change_that_was_interrupted_is_finished(world: World) -> None:
    """The policy is stored and the links do not follow yet: the sweep brings links and summaries up to date."""
    ann = await world.account(ANN)
    await world.record(CARLA)
    await world.match(await world.copy(ann, mail("1", CARLA, ANN)))
    await world.summaries.flush()
    private = account_of(ANN, Mode.PRIVATE).sharing
    await world.store.accounts.save_sharing(ann.id, private)
    world.accounts[ann.id] = ann.model_copy(update={"sharing": private})
    assert await world.snapshot() != world.truth()
    await sweep_store(store=world.store, summaries=world.summaries)
    assert await world.snapshot() == world.truth()


async def test_of_several_replicas_one_sweeps(world: World) -> None:
    """While one is at it, the others pass; when it is done, the next one may, even if its work failed."""
    inside, release, count = asyncio.Event(), asyncio.Event(), []

    async def work() -> None:
        count.append(1)
        inside.set()
        await release.wait()
        raise ValueError("failed")

    first = asyncio.create_task(in_turn("sweep", work, store=world.store, holder="one")())
    await inside.wait()
    await in_turn("sweep", work, store=world.store, holder="two")()
    assert len(count) == 1
    release.set()
    await asyncio.wait([first])
    await asyncio.gather(in_turn("sweep", work, store=world.store, holder="two")(), return_exceptions=True)
    assert len(count) == 2
