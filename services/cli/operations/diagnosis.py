"""Turns findings about settings and servers into checks: what is wrong and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from schemas.routes import MIB, ROUTES
from services.amqp import REPLICAS, BrokerFacts, QueueDepth
from services.store import DatabaseFacts
from services.usecases.key_rotation import RotationStatus
from services.usecases.stages import queues_of, replicas
from services.wording import plural

OLDEST_MONGODB, OLDEST_RABBITMQ = (6, 0), (3, 10)
SKEW_SECONDS = 1.0
"""Leases and retries tolerate more, but times on record pages and in logs would be wrong."""
DISK_FULL = 0.9
GIB = 1024 * MIB
SOON = timedelta(days=14)


class State(StrEnum):
    """The result of a check."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be checked."""


class Check(NamedTuple):
    """One check."""

    name: str
    state: State
    found: str
    advice: str = ""


def settings(unknown: Mapping[str, str | None]) -> Iterable[Check]:
    """Check for environment variables that are not settings; each may have a similar setting."""
    for variable, near in unknown.items():
        yield Check(
            "settings", State.WARNING, f"{variable} is not a setting", f"Did you mean {near}?" if near else "Remove it."
        )
    if not unknown:
        yield Check("settings", State.FINE, "every LEADMAIL_ variable is a setting")


def database(facts: DatabaseFacts) -> Iterable[Check]:
    """Check MongoDB."""
    name = "MongoDB"
    if _version(facts.version) < OLDEST_MONGODB:
        yield Check(f"{name}: version", State.WRONG, facts.version, "Upgrade it to 6.0 or later.")
    else:
        kind = f"replica set {facts.replica_set}" if facts.replica_set else "sharded"
        yield Check(f"{name}: version", State.FINE, f"{facts.version}, {kind}")
    if facts.missing_indexes:
        advice = "Start any stage: it creates them, which takes a while on a large ledger."
        yield Check(f"{name}: indexes", State.WRONG, f"missing: {', '.join(facts.missing_indexes)}", advice)
    else:
        yield Check(f"{name}: indexes", State.FINE, "complete")
    if abs(facts.skew_seconds) > SKEW_SECONDS:
        where = "ahead of" if facts.skew_seconds > 0 else "behind"
        found = f"its clock is {abs(facts.skew_seconds):.1f} s {where} this machine's"
        yield Check(f"{name}: clock", State.WARNING, found, "Synchronise both clocks with NTP.")
    else:
        yield Check(f"{name}: clock", State.FINE, "the same as here")
    if facts.disk_used is None:
        yield Check(f"{name}: disk", State.UNKNOWN, "the server does not report disk usage")
    elif facts.disk_used > DISK_FULL:
        advice = "Free up space: see docs/operations.md, disk and memory."
        yield Check(f"{name}: disk", State.WARNING, f"{facts.disk_used:.0%} used", advice)
    else:
        yield Check(f"{name}: disk", State.FINE, f"{facts.disk_used:.0%} used")


def broker_advice(error: str) -> str:
    """Return what to do when RabbitMQ cannot be used."""
    if "INTERNAL_ERROR" in error:
        # https://github.com/rabbitmq/rabbitmq-server/issues/16652; from then on each connection that declares our queues ends so.
        return "Restart this RabbitMQ node: its dead-letter workers crashed, and it does not start them again (docs/gotchas.md)."
    return "Check the server and LEADMAIL_RABBITMQ_URL."


def broker(facts: BrokerFacts) -> Iterable[Check]:
    """Check RabbitMQ by its management interface."""
    if facts.error is not None:
        advice = "It is needed to check alarms, policies, versions and left-over queues."
        yield Check("RabbitMQ: management", State.UNKNOWN, facts.error, advice)
        return
    if facts.version and _version(facts.version) < OLDEST_RABBITMQ:
        yield Check("RabbitMQ: version", State.WRONG, facts.version, "Upgrade it to 3.10 or later.")
    else:
        yield Check("RabbitMQ: version", State.FINE, facts.version or "unknown")
    tag = "Give its user the tag monitoring."
    if facts.alarms is None:
        yield Check("RabbitMQ: alarms", State.UNKNOWN, "Leadmail's user may not see the nodes", tag)
    elif facts.alarms:
        advice = "Publishers wait until the alarm ends: see docs/operations.md, LeadmailBrokerAlarm."
        yield Check("RabbitMQ: alarms", State.WRONG, ", ".join(facts.alarms), advice)
    else:
        yield Check("RabbitMQ: alarms", State.FINE, "none of memory or disk")
    if facts.conflicting_policies is None:
        yield Check(
            "RabbitMQ: policies", State.UNKNOWN, "Leadmail's user may not see them", "Give it the tag policymaker."
        )
    elif facts.conflicting_policies:
        advice = "Narrow their patterns: they override length limits, TTLs or dead-lettering of Leadmail's queues."
        yield Check(
            "RabbitMQ: policies",
            State.WARNING,
            f"change Leadmail's queues: {', '.join(facts.conflicting_policies)}",
            advice,
        )
    else:
        yield Check("RabbitMQ: policies", State.FINE, "none changes Leadmail's queues")
    yield from _members(facts)
    yield from _free_disk(facts)
    if facts.unknown_queues:
        advice = "If the upgrade is complete and they are empty, delete them; otherwise keep the version that uses them running."
        yield Check(
            "RabbitMQ: other queues", State.WARNING, f"not of this version: {', '.join(facts.unknown_queues)}", advice
        )


def _members(facts: BrokerFacts) -> Iterable[Check]:
    """Check that queues have members on several nodes."""
    if facts.lacking is None or facts.nodes is None:
        return
    name, count = "RabbitMQ: members", len({queue for queues in facts.lacking.values() for queue in queues})
    if not count:
        several = f"every queue is on {min(REPLICAS, len(facts.nodes))} of {len(facts.nodes)} nodes"
        yield Check(name, State.FINE, several if len(facts.nodes) > 1 else "one node runs: no queue has a replica")
        return
    host = f"'^{re.escape(facts.virtual_host)}$'"
    commands = [f"rabbitmq-queues grow {node} all --vhost-pattern {host}" for node in facts.lacking]
    yield Check(
        name,
        State.WRONG,
        f"{plural(count, 'queue has', 'queues have')} too few members, and {'is' if count == 1 else 'are'} lost with one node",
        f"On a node of RabbitMQ, run {'; '.join(f'`{one}`' for one in commands)}.",
    )


def _free_disk(facts: BrokerFacts) -> Iterable[Check]:
    """Check that the queues of stages can fill before the disk alarm stops everything."""
    if facts.free_disk is None:
        return
    name, needed = "RabbitMQ: disk", sum(route.max_bytes for route in ROUTES)
    found = f"{facts.free_disk / GIB:.1f} GiB free above the limit of the disk alarm"
    if facts.free_disk < needed:
        advice = f"Full queues of stages take {needed / GIB:.1f} GiB: give it more room, or publishers wait for all queues at once."
        yield Check(name, State.WARNING, found, advice)
    else:
        yield Check(name, State.FINE, found)


def stages(depths: Mapping[str, QueueDepth], pollers: int | None, active: int | None) -> Iterable[Check]:
    """Check which stages run: consuming stages by their queues' consumers, pollers by their heartbeats in the database."""
    for stage, count in replicas(depths).items():
        names = queues_of(stage)
        unread = [name for name in names if name not in depths or not depths[name].consumers]
        start = f"Start it: python -m services.{stage}."
        if len(unread) == len(names):
            yield Check(f"stage {stage}", State.WRONG, "its queues have no consumers", start)
        elif unread:
            found = f"no consumers on {', '.join(unread)}"
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


def secrets(status: RotationStatus) -> Iterable[Check]:
    """Check which secrets are needed."""
    name = "secrets"
    if status.missing:
        advice = "Add it to LEADMAIL_SECRET_KEYS_OLD again: stages do not start without it."
        yield Check(name, State.WRONG, f"{', '.join(status.missing)} is needed and in no setting", advice)
    if status.outdated:
        advice = "Restart it with the present settings."
        yield Check(name, State.WARNING, f"{', '.join(status.outdated)} lacks LEADMAIL_SECRET_KEY", advice)
    if status.removable:
        found = f"{', '.join(status.removable)} is no longer needed"
        yield Check(name, State.FINE, found, "You can remove it from LEADMAIL_SECRET_KEYS_OLD and restart.")
    elif status.finished:
        yield Check(name, State.FINE, "everything is under LEADMAIL_SECRET_KEY")
    elif not status.missing:
        found = "LEADMAIL_SECRET_KEY has changed, and earlier secrets are still needed"
        yield Check(
            name, State.WARNING, found, "See `leadmail secrets status`; `leadmail secrets rotate` replaces them."
        )


def certificate(name: str, end: datetime | None) -> Iterable[Check]:
    """Check when a certificate expires; None means that there is none."""
    if end is None:
        return
    left = end - datetime.now(UTC)
    if left < timedelta(0):
        yield Check(name, State.WRONG, f"expired on {end:%Y-%m-%d}", "Renew it.")
    elif left < SOON:
        yield Check(name, State.WARNING, f"expires on {end:%Y-%m-%d}, in {plural(left.days, 'day')}", "Renew it.")
    else:
        yield Check(name, State.FINE, f"valid until {end:%Y-%m-%d}")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])
