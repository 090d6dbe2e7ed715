"""No order, batch or race changes the end state: it depends only on the final mail, records and policies (I8).

With ``LEADMAIL_LONG=1`` there are two hundred scenarios of each kind, and random pauses around the store's calls.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from tests.matcher.fixtures import World
from tests.matcher.hooks import hooked
from tests.matcher.scenarios import build, steps

LONG = bool(os.environ.get("LEADMAIL_LONG"))
SCENES = 200 if LONG else 12


async def at_random(place: str) -> None:
    """Sometimes pause here, so that other tasks run."""
    if random.random() < 0.2:
        await asyncio.sleep(random.uniform(0, 0.03))


@pytest.fixture(autouse=True)
def _pausing(world: World) -> None:
    if LONG:
        world.store = hooked(world.store, at_random)


async def in_order(todo: list[Callable[[], Awaitable[object]]]) -> None:
    """Run one step after the other."""
    for step in todo:
        await step()


@pytest.mark.parametrize("seed", range(SCENES))
async def test_any_order_and_any_batches_lead_to_what_the_reference_says(world: World, seed: int) -> None:
    """Copies in any order and any batches, some delivered twice, with records known before or after."""
    rng = random.Random(seed)
    scene = await build(world, rng)
    await world.changed(*scene.early)
    await in_order(steps(world, rng, scene))
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("seed", range(100, 100 + SCENES))
async def test_two_matchers_at_the_same_time_lead_to_what_the_reference_says(world: World, seed: int) -> None:
    """Two replicas handle batches that share threads and emails, while records become known."""
    rng = random.Random(seed)
    scene = await build(world, rng)
    await world.changed(*scene.early)
    todo = steps(world, rng, scene)
    await asyncio.gather(in_order(todo[::2]), in_order(todo[1::2]))
    await world.rest()
    assert await world.snapshot() == world.truth()


@pytest.mark.parametrize("seed", range(200, 200 + SCENES))
async def test_copies_and_records_that_go_leave_what_the_reference_says(world: World, seed: int) -> None:
    """Copies are removed before, while and after they are matched, and a record is deleted: only held mail stays stored."""
    rng = random.Random(seed)
    scene = await build(world, rng)
    await world.changed(*scene.early)
    todo = steps(world, rng, scene)
    rows = [copy.source.id for copy in rng.sample(scene.copies, len(scene.copies) // 3)]
    doomed = rng.choice(scene.early + scene.late)

    async def lose(row: str) -> None:
        await world.go(row)
        await world.announce_gone(row)

    async def delete() -> None:
        await world.delete(doomed)
        await world.changed(doomed)

    going: list[Callable[[], Awaitable[object]]] = [partial(lose, row) for row in rows]
    going.append(delete)
    for step in going:
        todo.insert(rng.randint(0, len(todo)), step)
    await asyncio.gather(in_order(todo[::2]), in_order(todo[1::2]))
    await world.rest()
    assert await world.snapshot() == world.truth()
