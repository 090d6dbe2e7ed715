"""Metrics about backfills, accounts and stuck work: read from the database, shown by one matcher for all."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from prometheus_client import CollectorRegistry

from schemas.accounts import AccountState, Trouble
from services.matcher import handler, progress
from services.matcher.copy_outcomes import CopyOutcomes
from services.matcher.progress import ProgressMetric
from services.runtime.logs import setup_logs
from services.runtime.settings import ProcessSettings
from services.store import now
from tests.matcher.fixtures import World, delivery_of, mail


class Clock:
    """Stands in for the process's clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return one sample."""
    return registry.get_sample_value(f"leadmail_{name}", labels)


async def test_an_open_backfill_is_shown_until_it_is_complete(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows how many are open, their progress, and how long the slowest made none; a blocked account's does not count."""
    clock = Clock()
    monkeypatch.setattr(progress, "monotonic", clock)
    registry = CollectorRegistry()
    metric = ProgressMetric(world.store, "one", registry)
    await metric.read()
    assert value(registry, "backfills", state="enumerating") == 0
    assert value(registry, "backfill_standstill_seconds") == 0
    assert value(registry, "processes_lacking_secrets") == 0
    await world.database["key_holders"].update_one(
        {"_id": "poller"}, [{"$set": {"keys": ["other"], "at": "$$NOW"}}], upsert=True
    )
    account = await world.account("anna@company.test", provider="gmail")
    (lease,) = await world.store.leases.acquire("poller", 1)
    await world.store.epochs.start(lease, [], expected=40)
    await metric.read()
    clock.now += 100
    await metric.read()
    assert value(registry, "backfills", state="enumerating") == 1
    assert value(registry, "processes_lacking_secrets") == 1
    assert value(registry, "backfill_expected_messages") == 40
    assert value(registry, "backfill_done_messages") == 0
    assert value(registry, "backfill_standstill_seconds") == 100
    assert value(registry, "accounts_in_trouble", code="throttled") is None
    await world.store.account_troubles.note(lease, Trouble(code="throttled", phase="backfill", since=now()))
    await metric.read()
    assert value(registry, "accounts_in_trouble", code="throttled") == 1
    await world.database["folders"].update_many({}, {"$set": {"state": "enumerated"}})
    await world.store.epochs.seal(lease, 1)
    clock.now += 7
    await metric.read()
    assert value(registry, "backfills", state="sealed") == 1
    assert value(registry, "backfill_standstill_seconds") == 0
    assert value(registry, "accounts", state="active", reason="", provider="gmail") == 1
    await world.store.account_troubles.block(lease, "wrong-password", tried=account.credentials)
    await metric.read()
    assert value(registry, "backfills", state="sealed") == 0
    assert value(registry, "accounts", state="blocked", reason="wrong-password", provider="gmail") == 1
    assert value(registry, "accounts_in_trouble", code="throttled") is None
    assert value(registry, "accounts", state=AccountState.ACTIVE.value, reason="", provider="gmail") is None


async def test_one_matcher_shows_it_for_all(world: World) -> None:
    """The second shows nothing while the first holds the lease, and takes over when it stops, so sums over replicas are right."""
    first, second = CollectorRegistry(), CollectorRegistry()
    one, two = ProgressMetric(world.store, "one", first), ProgressMetric(world.store, "two", second)
    await one.read()
    await two.read()
    assert value(first, "confirmations_due") == 0
    assert value(first, "dead_letters_waiting") == 0
    assert value(second, "confirmations_due") is None
    await one.stop()
    await two.read()
    assert value(first, "confirmations_due") is None
    assert value(second, "confirmations_due") == 0


async def test_what_became_of_copies_is_counted_and_logged(world: World) -> None:
    """Final states count once per copy when the batch is done; at level debug one line per copy leads from its uid to the email."""
    registry, lines = CollectorRegistry(), StringIO()
    log = setup_logs(ProcessSettings(log_level="debug", log_format="json"), "matcher", lines)
    anna = await world.account("anna@company.test")
    await world.record("client@acme.test")
    wanted = await world.copy(anna, mail("wanted", "client@acme.test", "anna@company.test"))
    unwanted = await world.copy(anna, mail("unwanted", "stranger@else.test", "anna@company.test"))
    await handler.handle(
        [delivery_of(wanted), delivery_of(unwanted)],
        store=world.store,
        summaries=world.summaries,
        on_stored=CopyOutcomes(registry, log).record,
    )
    assert value(registry, "matcher_copies_total", state="attached", reason="") == 1
    assert value(registry, "matcher_copies_total", state="unmatched", reason="") == 1
    told = {
        line["copy"]: line for line in map(json.loads, lines.getvalue().splitlines()) if line["event"] == "copy done"
    }
    assert told[wanted.source.id]["email"] == wanted.content.key
    assert (told[unwanted.source.id]["state"], told[unwanted.source.id]["email"]) == ("unmatched", None)
    assert "@" not in lines.getvalue()
