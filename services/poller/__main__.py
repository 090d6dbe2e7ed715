"""Wires the poller: ``python -m services.poller``."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from schemas.accounts import Account, Lease
from services.amqp import Stage, run_stage
from services.mailbox.connection import require_usable_secret
from services.mailbox.oauth.token_refresh import TokenRefresher
from services.mailbox.providers import directory
from services.poller.account_worker import AccountWorker, Timing
from services.poller.connections.background_slots import BackgroundSlots
from services.poller.connections.backoff import BlockRule
from services.poller.connections.blocked_retry import BlockedRetry
from services.poller.connections.budgets import Limits, ServiceBudgets
from services.poller.connections.connector import Connector
from services.poller.connections.starts import Starts
from services.poller.copies.account_context import AccountContext, Marker
from services.poller.copies.metrics import PollerMetrics
from services.poller.housekeeping import Housekeeping
from services.poller.supervisor import Supervisor
from services.runtime.mongo import make_client
from services.runtime.patient_threads import PatientThreads
from services.runtime.periodic import periodic
from services.settings import PollerSettings
from services.store import Store
from services.wiring import make_blind_index_keys, make_policy, make_secret_box, make_sign_in_services, make_store

COMMAND_THREADS, CONNECT_THREADS = 32, 32
"""IMAP commands, and connection attempts, that run at the same time, besides those whose servers are silent."""
READER_THREADS = 1
"""Headers are read one slice at a time, beside the event loop: more threads would only share the interpreter's lock."""
BACKGROUND_SLOTS = 8
"""Accounts in background work at the same time: each holds up to 12 MiB of mail in memory."""


def allow_many_connections() -> None:
    """Use the highest number of open files that the system allows: each account takes one or two, and the default is 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def thread_pool(count: int, name: str) -> Iterator[PatientThreads]:
    """Yield a pool of threads. At the end its threads are not waited for: one may hang in a login to a silent server."""
    pool = PatientThreads(count, name)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


async def main(stage: Stage[PollerSettings]) -> None:
    """Lease accounts and synchronise them until the process is asked to stop."""
    allow_many_connections()
    settings = stage.settings
    async with make_client(settings) as own:
        database = own[settings.mongo_database]
        await synchronise(stage, make_store(stage.database, stage.crm, settings, for_leases=database))


async def synchronise(stage: Stage[PollerSettings], store: Store) -> None:
    """Lease accounts of the store and synchronise them."""
    settings = stage.settings
    await store.mark_keys.announce(settings.instance)  # before it is refused: the matcher's metric names it
    await store.setup()
    keys = make_blind_index_keys(settings)
    metrics = PollerMetrics(stage.metrics.registry)
    policy, box = make_policy(settings), make_secret_box(settings)
    await require_usable_secret(store.accounts.sealed(), box)
    timing = Timing(
        poll=settings.poll_seconds,
        idle=settings.idle_seconds,
        reconcile=settings.reconcile_seconds,
        connections=settings.account_connections,
        blocked_retry=3600 * settings.blocked_retry_hours,
        block=BlockRule(settings.block_refusals, settings.block_seconds),
    )
    limits = Limits(
        settings.mailbox_bytes,
        settings.host_logins,
        settings.host_commands,
        settings.host_connections,
        3600 * settings.mailbox_bytes_hours,
    )
    budgets = ServiceBudgets(store, limits, settings.lease_seconds)
    connections = budgets.connections
    with (
        thread_pool(COMMAND_THREADS, "imap") as commands,
        thread_pool(CONNECT_THREADS, "connect") as connects,
        thread_pool(READER_THREADS, "headers") as readers,
    ):
        tokens = TokenRefresher(make_sign_in_services(settings, policy), box, store.account_tokens)
        connector = Connector(
            policy, tokens, directory(), budgets, commands=commands, connects=connects, metrics=metrics.imap
        )
        marker, slots, starts = Marker(keys, list(keys)[-1]), BackgroundSlots(BACKGROUND_SLOTS), Starts()

        def make(account: Account, lease: Lease) -> AccountWorker:
            log, limit = stage.log.bind(account=account.id), settings.max_message_bytes
            context = AccountContext(
                account,
                lease,
                store,
                stage.bus,
                marker,
                metrics,
                limit,
                log,
                stage.tracing,
                readers,
                evidence=timedelta(seconds=settings.evidence_seconds),
            )
            return AccountWorker(context, connector, timing, slots, starts)

        retry = BlockedRetry(store, connector, seconds=3600 * settings.blocked_retry_hours, log=stage.log)
        lease_seconds = settings.lease_seconds
        supervisor = Supervisor(
            store,
            make,
            starts,
            name=settings.instance,
            lease_seconds=lease_seconds,
            metrics=metrics,
            log=stage.log,
        )
        housekeeping = Housekeeping(
            store,
            supervisor.leased,
            reaper=settings.reaper_seconds,
            reconcile=settings.reconcile_seconds,
            log=stage.log,
        )
        try:
            await stage.run(
                *supervisor.loops(),
                periodic(
                    "connections", connections.renew, seconds=lease_seconds / 3, log=stage.log, wake=connections.changed
                ),
                *housekeeping.loops(),
                periodic("blocked accounts", retry.run, seconds=retry.look_seconds, log=stage.log),
            )
        finally:
            await supervisor.stop()
            await connections.renew()


if __name__ == "__main__":
    run_stage(PollerSettings, main)
    # Everything is closed. The interpreter would wait up to 45 seconds for threads that hang in a login.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
