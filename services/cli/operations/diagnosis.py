"""From what was found to what is wrong and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from schemas.accounts import AccountState
from services.amqp.delivery.outcomes import QueueDepth
from services.amqp.rabbitmq.broker_diagnostics import BrokerFacts
from services.store import AccountGroup, DatabaseFacts
from services.usecases.stages import queues_of, replicas
from services.wording import plural

OLDEST_MONGODB, OLDEST_RABBITMQ = (6, 0), (3, 10)
SKEW_SECONDS = 1.0
"""Leases and retries bear more, but times on record pages and in logs would be off."""
DISK_FULL = 0.9
SOON = timedelta(days=14)


class State(StrEnum):
    """What a check came to."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """Could not be checked."""


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    advice: str = ""


def settings(unknown: Mapping[str, str | None]) -> Iterable[Check]:
    """Judge environment variables that are no settings, with the setting that each may be meant for."""
    for variable, near in unknown.items():
        yield Check(
            "settings", State.WARNING, f"{variable} is no setting", f"Did you mean {near}?" if near else "Remove it."
        )
    if not unknown:
        yield Check("settings", State.FINE, "every LEADMAIL_ variable is a setting")


def database(facts: DatabaseFacts) -> Iterable[Check]:
    """Judge MongoDB."""
    name = "MongoDB"
    if _version(facts.version) < OLDEST_MONGODB:
        yield Check(f"{name}: version", State.WRONG, facts.version, "Upgrade it to 6.0 or later.")
    else:
        kind = f"replica set {facts.replica_set}" if facts.replica_set else "sharded"
        yield Check(f"{name}: version", State.FINE, f"{facts.version}, {kind}")
    if facts.missing_indexes:
        advice = "Start any stage: it makes them, which takes its time on a large ledger."
        yield Check(f"{name}: indexes", State.WRONG, f"missing: {', '.join(facts.missing_indexes)}", advice)
    else:
        yield Check(f"{name}: indexes", State.FINE, "all there")
    if abs(facts.skew_seconds) > SKEW_SECONDS:
        where = "ahead of" if facts.skew_seconds > 0 else "behind"
        found = f"its clock is {abs(facts.skew_seconds):.1f} s {where} this machine's"
        yield Check(f"{name}: clock", State.WARNING, found, "Have both set by NTP.")
    else:
        yield Check(f"{name}: clock", State.FINE, "the same as here")
    if facts.disk_used is None:
        yield Check(f"{name}: disk", State.UNKNOWN, "the server does not say how full it is")
    elif facts.disk_used > DISK_FULL:
        advice = "Make room: see docs/operations.md, disk and memory."
        yield Check(f"{name}: disk", State.WARNING, f"{facts.disk_used:.0%} used", advice)
    else:
        yield Check(f"{name}: disk", State.FINE, f"{facts.disk_used:.0%} used")


def broker(facts: BrokerFacts) -> Iterable[Check]:
    """Judge RabbitMQ by what its management interface says."""
    if facts.error is not None:
        advice = "With it alarms, policies, versions and left-over queues are checked, too."
        yield Check("RabbitMQ: management", State.UNKNOWN, facts.error, advice)
        return
    if facts.version and _version(facts.version) < OLDEST_RABBITMQ:
        yield Check("RabbitMQ: version", State.WRONG, facts.version, "Upgrade it to 3.10 or later.")
    else:
        yield Check("RabbitMQ: version", State.FINE, facts.version or "not said")
    tag = "Give its user the tag monitoring."
    if facts.alarms is None:
        yield Check("RabbitMQ: alarms", State.UNKNOWN, "our user may not see the nodes", tag)
    elif facts.alarms:
        advice = "Publishers wait until there is room: see docs/operations.md, LeadmailBrokerAlarm."
        yield Check("RabbitMQ: alarms", State.WRONG, ", ".join(facts.alarms), advice)
    else:
        yield Check("RabbitMQ: alarms", State.FINE, "none of memory or disk")
    if facts.conflicting_policies is None:
        yield Check("RabbitMQ: policies", State.UNKNOWN, "our user may not see them", "Give it the tag policymaker.")
    elif facts.conflicting_policies:
        advice = "Narrow their patterns: they change the length, time or dead-lettering that Leadmail's queues promise."
        yield Check(
            "RabbitMQ: policies", State.WARNING, f"change our queues: {', '.join(facts.conflicting_policies)}", advice
        )
    else:
        yield Check("RabbitMQ: policies", State.FINE, "none changes our queues")
    if facts.unknown_queues:
        advice = "If an upgrade is over and they are empty, delete them; else let the version that knows them run."
        yield Check(
            "RabbitMQ: other queues", State.WARNING, f"not of this version: {', '.join(facts.unknown_queues)}", advice
        )


def stages(depths: Mapping[str, QueueDepth], pollers: int | None, active: int | None) -> Iterable[Check]:
    """Judge which stages run: those that consume by their queues' consumers, pollers by their heartbeats in the database."""
    for stage, count in replicas(depths).items():
        names = queues_of(stage)
        deaf = [name for name in names if name not in depths or not depths[name].consumers]
        start = f"Start it: python -m services.{stage}."
        if len(deaf) == len(names):
            yield Check(f"stage {stage}", State.WRONG, "nobody reads its queues", start)
        elif deaf:
            found = f"nobody reads {', '.join(deaf)}"
            yield Check(f"stage {stage}", State.WRONG, found, "Replicas of different versions? Finish the upgrade.")
        else:
            yield Check(f"stage {stage}", State.FINE, plural(count, "replica"))
    if pollers is None:
        return
    if pollers:
        yield Check("stage poller", State.FINE, f"{plural(pollers, 'poller')} alive")
    else:
        state = State.WRONG if active else State.WARNING
        found = f"no poller is alive, {plural(active or 0, 'account')} active"
        yield Check("stage poller", state, found, "Start it: python -m services.poller.")


def mail(accounts: Mapping[AccountGroup, int], letters: int) -> Iterable[Check]:
    """Judge what waits for somebody."""
    blocked = sum(count for group, count in accounts.items() if group.state is AccountState.BLOCKED)
    if blocked:
        advice = "`leadmail account list` says which and why; docs/operations.md, blocked accounts, what to do."
        yield Check("accounts", State.WARNING, f"{blocked} blocked", advice)
    else:
        yield Check("accounts", State.FINE, "none is blocked")
    if letters:
        yield Check("dead letters", State.WARNING, f"{letters} wait for a decision", "`leadmail dead-letters list`")
    else:
        yield Check("dead letters", State.FINE, "none")


def certificate(name: str, end: datetime | None) -> Iterable[Check]:
    """Judge until when a certificate is good; None is no certificate."""
    if end is None:
        return
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        yield Check(name, State.WRONG, f"ended on {end:%Y-%m-%d}", "Renew it.")
    elif left < SOON:
        yield Check(name, State.WARNING, f"ends on {end:%Y-%m-%d}, in {plural(left.days, 'day')}", "Renew it.")
    else:
        yield Check(name, State.FINE, f"good until {end:%Y-%m-%d}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
