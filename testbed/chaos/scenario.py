"""One scenario: a new company, backfills and live mail under faults, rest, the verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from testbed.chaos.proof import history
from testbed.chaos.proof.findings import UNFINISHED_WORK, Finding
from testbed.chaos.proof.observer import Observer
from testbed.chaos.proof.verdict import judge
from testbed.chaos.world.activity import Activity, ancestors
from testbed.chaos.world.company import Company, company
from testbed.chaos.world.evidence import Gatherer
from testbed.chaos.world.faults import EMPHASES, Fault, Injector, plan
from testbed.chaos.world.network import Network
from testbed.chaos.world.owners import Owners
from testbed.chaos.world.replicas import STAGES, Replicas
from testbed.chaos.world.token_faults import TokenFaults
from testbed.samples.bench.team import team
from testbed.samples.bench.team_mail import TeamMail, team_mail
from testbed.samples.model import rng

REPLICAS: Final = tuple(f"{stage}-{number}" for stage in STAGES for number in (1, 2))
LEASE_S: Final = 3.0
TOKEN_S: Final = 4
"""How long an access token is valid. It is refreshed at half of that."""
SETTINGS: Final = {
    "lease_seconds": str(LEASE_S),
    "poll_seconds": "2",
    "idle_seconds": "10",
    "block_seconds": "2",
    "reaper_seconds": "30",
    "parser_workers": "1",
    "log_format": "json",
    "log_level": "debug",
}
"""Short spans, so that what takes a quarter of an hour in production takes a minute here."""
_LOOK_S = 1.0
_AGAIN_S = 5.0


@dataclass(frozen=True)
class Shape:
    """How large a scenario is."""

    mails: int = 2_400
    colleagues: int = 6
    seconds: float = 75.0
    """Within which faults begin."""
    gap: float = 2.0
    """Mean seconds between two faults."""
    live: float = 0.12
    """Share of the mails that arrives meanwhile."""
    sweep: float = 5.0
    """Seconds after which the work of a process that died is taken over."""
    rest: float = 420.0
    """Seconds that everything may take to come to rest afterwards."""


@dataclass(slots=True)
class Result:
    """The result of a scenario."""

    number: int
    emphasis: str
    seed: int
    accounts: int = 0
    messages: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    activity: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    restarts: dict[str, list[int]] = field(default_factory=dict)
    """Exit codes of processes that ended by themselves."""
    seconds: float = 0.0
    rest: float = 0.0
    """From the end of the last fault to rest."""


async def run(
    network: Network,
    *,
    seed: int,
    number: int,
    shape: Shape,
    folder: Path,
    say: Callable[[str], None],
    faults: Sequence[Fault] | None = None,
) -> Result:
    """Run a scenario.

    Args:
        network: the servers behind their proxies; restored at the end.
        seed: of all random choices.
        number: which of the seed's scenarios.
        shape: how large.
        folder: for logs, and for what the database did if there are findings; new.
        say: called with each line of progress.
        faults: these instead of those of the seed.
    """
    began = time.monotonic()
    await asyncio.to_thread(folder.mkdir, parents=True)
    emphasis = list(EMPHASES)[(number - 1) % len(EMPHASES)]
    result = Result(number, emphasis, seed)
    people = team(seed * 1000 + number, shape.colleagues)
    mails = list(team_mail(people, seed=seed * 1000 + number, mails=shape.mails))
    first, live = mails[: round(len(mails) * (1 - shape.live))], mails[round(len(mails) * (1 - shape.live)) :]
    async with AsyncExitStack() as stack:
        firm = await stack.enter_async_context(company(network, people, **SETTINGS, sweep_seconds=str(shape.sweep)))
        if network.identity is not None:
            await asyncio.to_thread(partial(network.identity.set, lifetime=TOKEN_S))
        await _fill(firm, first)
        await firm.add_records(people.known)
        observer = await stack.enter_async_context(Observer(network.servers.mongo_url, firm.name))
        replicas = await stack.enter_async_context(Replicas(firm.settings_of, folder))
        gatherer = Gatherer(firm, observer)
        injector = Injector(
            network,
            owners=Owners(firm, gatherer),
            tokens=TokenFaults(firm, gatherer, replicas),
            replicas=replicas,
            say=say,
        )
        activity = Activity(firm, rng(seed, number, "activity"), ancestors(mails))
        numbers = rng(seed, number, "faults")
        if faults is None:
            keys = [each.key for each in people.colleagues]
            faults = plan(
                numbers,
                REPLICAS,
                network.links,
                keys,
                seconds=shape.seconds,
                gap=shape.gap,
                lease=LEASE_S,
                emphasis=emphasis,
            )
        say(
            f"scenario {number} ({emphasis}): {len(people.colleagues)} accounts, {len(mails)} mails, {len(faults)} faults"
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(_connect(gatherer, firm, shape.seconds * 0.6))
            group.create_task(injector.run(faults))
            group.create_task(activity.run(shape.seconds, live, people.late))
        ended = time.monotonic()
        result.findings, result.messages = await _rest(gatherer, shape.rest, say)
        result.rest = time.monotonic() - ended
        if result.findings:
            await asyncio.to_thread(history.keep, network.servers.mongo_url, (firm.name, f"{firm.name}-crm"), folder)
        result.accounts, result.activity = len(firm.accounts), activity.counts
        result.faults = Counter(fault.kind for fault in injector.done)
        result.restarts = replicas.ends()
    result.seconds = time.monotonic() - began
    return result


async def _fill(firm: Company, mails: Sequence[TeamMail]) -> None:
    boxes: dict[str, list[tuple[str, bytes, int]]] = {each.key: [] for each in firm.team.colleagues}
    for mail in mails:
        for key, folder, raw in mail.copies:
            boxes[key].append((folder, raw, mail.seconds))
    async with asyncio.TaskGroup() as group:
        for each in firm.team.colleagues:
            group.create_task(firm.add_mailbox(each, boxes[each.key]))


async def _connect(gatherer: Gatherer, firm: Company, seconds: float) -> None:
    """Connect the mailboxes one after another, so that a backfill is in progress most of the time."""
    keys = [each.key for each in firm.team.colleagues]
    for key in keys:
        await gatherer.connecting(key)
        await asyncio.sleep(seconds / len(keys))


async def _rest(gatherer: Gatherer, seconds: float, say: Callable[[str], None]) -> tuple[list[Finding], int]:
    """Wait until the system is quiet and correct. Whatever is wrong at the deadline is a finding."""
    end = time.monotonic() + seconds
    quiet, findings, messages, why, wrong = 0, [Finding(UNFINISHED_WORK, "not checked yet")], 0, "", ""
    while True:
        going_on = await gatherer.quiet()
        quiet = 0 if going_on else quiet + 1
        if going_on and going_on != why:
            say(f"  {going_on}")
        why = going_on or ""
        late = time.monotonic() > end
        if quiet > 1 or late:
            evidence = await gatherer.gather()
            findings, messages = judge(evidence), len(evidence.held)
            if going_on:
                findings.append(Finding(UNFINISHED_WORK, f"after {seconds:.0f} s of rest {going_on}"))
            if not findings or late:
                return findings, messages
            if (now := f"{len(findings)} findings, such as: {findings[0].what}") != wrong:
                say(f"  not yet right: {now}")
                wrong = now
            await asyncio.sleep(_AGAIN_S)
        await asyncio.sleep(_LOOK_S)
