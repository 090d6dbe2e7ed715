"""Wires the poller: ``python -m services.poller``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from schemas.accounts import Account, Lease
from services.amqp.stage import Stage, run_stage
from services.mailbox.providers import directory
from services.poller.account_worker import AccountWorker, Timing
from services.poller.connections.connector import Connector
from services.poller.supervisor import Supervisor
from services.poller.sync.account_context import AccountContext, Marker
from services.poller.sync.metrics import PollerMetrics
from services.runtime.periodic import periodic
from services.settings import PollerSettings
from services.store import Store
from services.wiring import make_mark_key, make_policy, make_secret_box, make_store

COMMANDS, CONNECTS = 32, 16
"""Threads: commands that are under way at the same time; connections that are being made."""
BULKS = 8
"""Backfills at the same time in one process: each has up to 12 MiB of mail in memory."""
FOLLOW_SECONDS = 1.0


def make_worker(
    account: Account,
    lease: Lease,
    *,
    stage: Stage[PollerSettings],
    store: Store,
    marker: Marker,
    metrics: PollerMetrics,
    connector: Connector,
    bulks: asyncio.Semaphore,
) -> AccountWorker:
    """Return the worker of one account."""
    settings = stage.settings
    context = AccountContext(
        account=account,
        lease=lease,
        store=store,
        bus=stage.bus,
        marker=marker,
        metrics=metrics,
        max_bytes=settings.max_message_bytes,
        log=stage.log.bind(account=account.id),
        tracing=stage.tracing,
    )
    timing = Timing(
        poll=settings.poll_seconds,
        idle=settings.idle_seconds,
        reaper=settings.reaper_seconds,
        reconcile=settings.reconcile_seconds,
        connections=settings.account_connections,
    )
    return AccountWorker(context, connector, timing, bulks)


@contextmanager
def threads(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of threads that nobody waits for at the end: one may be in a log-in that a silent server lets hang."""
    pool = ThreadPoolExecutor(count, thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


async def main(stage: Stage[PollerSettings]) -> None:
    """Hold leases and work on their accounts until told to stop."""
    settings = stage.settings
    store = make_store(stage.database, stage.crm, settings)
    await store.setup()
    mark_key = make_mark_key(settings)
    assert mark_key is not None  # the poller does not start without a secret
    metrics = PollerMetrics(stage.metrics.registry)
    with threads(COMMANDS, "imap") as commands, threads(CONNECTS, "connect") as connects:
        connector = Connector(
            make_policy(settings),
            make_secret_box(settings),
            directory(),
            commands=commands,
            connects=connects,
            metrics=metrics.imap,
        )
        make = partial(
            make_worker,
            stage=stage,
            store=store,
            marker=Marker(mark_key),
            metrics=metrics,
            connector=connector,
            bulks=asyncio.Semaphore(BULKS),
        )
        supervisor = Supervisor(
            store,
            make,
            name=settings.instance,
            lease_seconds=settings.lease_seconds,
            metrics=metrics,
            log=stage.log,
        )
        metrics.accounts(lambda: supervisor.held)
        try:
            await stage.run(
                periodic(
                    "leases",
                    supervisor.beat,
                    seconds=settings.lease_seconds / 3,
                    log=stage.log,
                    wake=supervisor.fresh,
                ),
                periodic("follow", supervisor.follow, seconds=FOLLOW_SECONDS, log=stage.log),
            )
        finally:
            await supervisor.stop()


if __name__ == "__main__":
    run_stage(PollerSettings, main)
    # Everything is closed by now. The interpreter would wait for threads that hang in a log-in, for up to 45 seconds.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
