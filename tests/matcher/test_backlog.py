"""The age of the oldest unfinished row as a metric."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry

from schemas.accounts import AccountState
from services.matcher.backlog import BacklogMetric
from services.store.core.documents import now
from tests.matcher.fixtures import World, mail

AGE = "leadmail_ledger_oldest_unfinished_seconds"
COUNT = "leadmail_ledger_unfinished"


def shown(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Return the samples by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


async def test_one_replica_shows_the_age_of_the_oldest_unfinished_row(world: World) -> None:
    """The age grows, rows of a paused account count separately, and a second replica shows nothing until the first has stopped."""
    ann, bob = [await world.account(name) for name in ("ann@firm.example", "bob@firm.example")]
    registries = CollectorRegistry(), CollectorRegistry()
    first, second = (
        BacklogMetric(world.store, name, registry) for name, registry in zip(("m1", "m2"), registries, strict=True)
    )
    for _ in range(2):
        await first.read()
        await second.read()
    assert shown(registries[0])[AGE, "active"] == 0
    assert shown(registries[1]) == {}

    copies = [await world.copy(owner, mail("x", "c@client.example", owner.address)) for owner in (ann, ann, bob)]
    ledger = world.database["ledger"]
    for hours, copy in zip((2, 5, 9), copies, strict=True):
        change = {"state": "published" if hours > 2 else "planned", "noticed_at": now() - timedelta(hours=hours)}
        await ledger.update_one({"_id": copy.source.id}, {"$set": change})
    await world.store.accounts.set_state(bob.id, AccountState.PAUSED, by="test")
    await first.read()
    found = shown(registries[0])
    assert 5 * 3600 <= found[AGE, "active"] < 5 * 3600 + 60
    assert 9 * 3600 <= found[AGE, "paused"] < 9 * 3600 + 60
    assert (found[COUNT, "active", "planned"], found[COUNT, "active", "published"]) == (1, 1)
    assert (found[COUNT, "paused", "published"], found[COUNT, "blocked", "published"]) == (1, 0)
    assert shown(registries[0])[AGE, "active"] > found[AGE, "active"], "it grows between two looks"

    for number in range(2):
        mark = {"same_id": True, "id_mark": b"id", "marks": [b"%d" % number]}
        await ledger.update_one({"_id": copies[number].source.id}, {"$set": mark})
    await first.read()
    assert shown(registries[0])["leadmail_ledger_repeated_message_ids",] == 1

    await first.stop()
    await second.read()
    assert shown(registries[0]) == {}
    assert shown(registries[1])[COUNT, "active", "published"] == 1
