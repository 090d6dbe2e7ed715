"""The order of one run: a backfill for each share of relevant mail, then live mail, first alone, then during a backfill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from services.runtime.mongo import make_client
from services.runtime.settings import DatabaseSettings
from testbed.bench import backfill, live, report
from testbed.bench.accounting import children_of_this
from testbed.bench.deployment import Deployment, deployed
from testbed.bench.facts import facts
from testbed.bench.mailboxes import new_mailbox, warm, write_content
from testbed.bench.notice_proxy import NoticeProxy
from testbed.local import LocalServers
from testbed.samples.bench.mailbox import LAST_MOMENT, BenchMailbox, live_messages
from testbed.samples.bench.people import contacts

SERVERS = {"dovecot": "dovecot -F", "rabbitmq": "rabbit", "mongodb": "mongod "}
"""What the command lines of the servers hold."""
_IDLE_GAP_S = 0.75
"""Longer than the half second for which Dovecot delays its notice of new mail, so each mail gets its own notice."""
_BUSY_GAP_S = 0.4
_DAY = 86_400
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured."""

    messages: int
    seed: int
    percents: tuple[int, ...]
    """Of relevant mail; a backfill each."""
    idle: int
    """Live mails delivered while nothing else happens."""
    busy: int
    """Most live mails delivered during a backfill in which every mail is relevant."""


async def run(servers: LocalServers, plan: Plan, folder: Path, *, logs: Path, say: Say) -> dict[str, Any]:
    """Measure, and return the results.

    Args:
        servers: running, as processes.
        plan: what to measure.
        folder: for downloads; empty.
        logs: the folder for the stages' logs.
        say: called with each line of progress.

    Raises:
        BenchError: something failed, or a result is wrong.
    """
    pids = children_of_this(SERVERS)
    people = contacts(plan.seed)
    backfills: dict[str, tuple[BenchMailbox, backfill.Backfill]] = {}
    for percent in plan.percents:
        say(f"{percent}% relevant: writing {plan.messages:,} messages")
        content = await _write(servers, plan, percent)
        async with deployed(servers, logs / f"backfill-{percent}", people, pids) as deployment:
            say(f"{percent}% relevant: mbsync, the backfill, mbsync")
            measured = await backfill.measure(deployment, content, folder)
        say(
            f"{percent}% relevant: {measured.seconds:.1f} s, mbsync {', '.join(f'{s:.1f}' for s in measured.mbsync_seconds)} s"
        )
        backfills[str(percent)] = content, measured
    seen: dict[str, list[live.MailTimes]] = {}
    if plan.idle or plan.busy:
        async with deployed(servers, logs / "live", people, pids) as deployment:
            seen = await _live(deployment, plan, backfills, say)
    async with make_client(DatabaseSettings(mongo_url=SecretStr(servers.mongo_url))) as client:
        mongodb = (await client.server_info())["version"]
    return {
        **report.backfill_results(backfills),
        **report.visible_results(seen),
        "machine": facts(servers, folder, mongodb=mongodb),
    }


async def _write(servers: LocalServers, plan: Plan, percent: int) -> BenchMailbox:
    return await asyncio.to_thread(
        write_content, servers, messages=plan.messages, relevant=percent / 100, seed=plan.seed
    )


async def _live(
    deployment: Deployment, plan: Plan, backfills: dict[str, tuple[BenchMailbox, backfill.Backfill]], say: Say
) -> dict[str, list[live.MailTimes]]:
    servers, seen = deployment.servers, {}
    async with NoticeProxy(servers.imap.host, servers.imap.port) as proxy:
        mailbox = await live.connect(deployment, new_mailbox(servers, "live"), proxy)
        say(f"live mail, idle: {plan.idle} mails")
        mails = live_messages(plan.idle, seed=plan.seed, seconds=LAST_MOMENT + _DAY)
        seen["idle"] = await live.measure(mailbox, mails, gap=_IDLE_GAP_S, first=1)
        if plan.busy:
            content = backfills["100"][0] if "100" in backfills else await _write(servers, plan, 100)
            large = new_mailbox(servers, "beside", content)
            await asyncio.to_thread(warm, servers, large)
            await deployment.rest()
            say("live mail, during a backfill in which every mail is relevant")
            mails = live_messages(plan.busy, seed=plan.seed, seconds=LAST_MOMENT + 2 * _DAY)
            ended = live.Ended()
            running = await backfill.begin(deployment, large)
            async with asyncio.TaskGroup() as group:
                beside = group.create_task(_until_ended(deployment, running, ended))
                task = group.create_task(
                    live.measure(mailbox, mails, gap=_BUSY_GAP_S, first=plan.idle + 1, ended=ended)
                )
            seen["busy"] = task.result()
            say(f"live mail: {len(seen['busy'])} mails during a backfill of {beside.result():.1f} s")
    return seen


async def _until_ended(deployment: Deployment, running: backfill.Running, ended: live.Ended) -> float:
    """Wait for a backfill, report its end, and return its seconds."""
    try:
        return await backfill.finish(deployment, running)
    finally:
        ended.set()
