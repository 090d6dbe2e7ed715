"""An upgrade: this version takes over the queues and the database that the version before left, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aio_pika
import pytest
import structlog

from schemas.ledger import EpochState, RowState
from schemas.routes import EXCHANGE, ROUTES
from services.amqp import open_bus
from services.runtime.metrics import Metrics
from services.runtime.settings import BrokerSettings
from services.store.core.setup import indexes
from testbed.local import LocalServers
from testbed.samples.company import USERS
from testbed.samples.demo_mail import DemoMail
from tests.e2e.deployment import PEOPLE, ROOT, STAGES, Deployment, deploy
from tests.e2e.truth import expected_links, expected_states, stored_links, stored_states
from tools.contracts.asyncapi import message_name

pytestmark = pytest.mark.timeout(300)
(ANNA, *_) = USERS
MAILS = [mail for mail in DemoMail().mailboxes() if mail.user == ANNA.key]
SAMPLES = ROOT / "tests" / "contract" / "samples"


async def put_released_messages(url: str) -> set[str]:
    """Put into each queue the released form of its message, byte for byte; returns the queues."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        exchange = await channel.get_exchange(EXCHANGE)
        for route in ROUTES:
            sample = json.loads((SAMPLES / f"{message_name(route.message)}.json").read_text(encoding="utf-8"))
            message = aio_pika.Message(
                sample["body"].encode(),
                headers=sample["headers"],
                content_type=sample["content_type"],
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(message, route.routing_key)
    return {route.queue for route in ROUTES}


async def depths(environment: dict[str, str]) -> dict[str, int]:
    """Return the number of messages that wait in each queue, including retries."""
    settings = BrokerSettings.model_validate({"rabbitmq_url": environment["LEADMAIL_RABBITMQ_URL"]})
    async with open_bus(settings, "cli", metrics=Metrics("cli"), log=structlog.get_logger()) as bus:
        return {queue: depth.ready for queue, depth in (await bus.queue_depths()).items()}


async def make_older(company: Deployment) -> None:
    """Give the database an older layout: no index of ours, no collection without mail, no record of migrations."""
    collections = company.store._collections
    for collection, _ in indexes(collections):
        await collection.drop_indexes()
    for later in (collections.migrations, collections.pending_work, collections.singleton_leases, collections.pollers):
        await later.drop()


async def test_an_upgrade_finishes_messages_and_migrates_the_database(
    servers: LocalServers, environment: dict[str, str], tmp_path: Path
) -> None:
    """Released messages in every queue, a half-done backfill, an older layout: after setup all stages finish everything."""
    async with deploy(servers, environment, tmp_path) as company:
        await company.add_user(ANNA, MAILS)
        await company.add_records(*PEOPLE)
        # given: the version before knew the CRM's addresses, its poller went through the mailbox, and no stage consumed what it found
        company.start("matcher")
        known = sum(len(person.all_addresses) for person in PEOPLE)

        async def noted() -> bool:
            return await company.store._collections.addresses.count_documents({}) == known

        await company.until(noted, "the addresses of leads and contacts are known")
        assert company.end() == {"matcher": 0}
        company.start("poller")
        await company.connect(ANNA)

        async def published() -> bool:
            (status,) = await company.store.status.accounts()
            sealed = status.epoch is not None and status.epoch.state is EpochState.SEALED
            return sealed and not status.counts.get(RowState.PLANNED) and bool(status.counts.get(RowState.PUBLISHED))

        await company.until(published, "every message has its row, and what is relevant waits for a parser")
        assert company.end() == {"poller": 0}
        queues = await put_released_messages(company.environment["LEADMAIL_RABBITMQ_URL"])
        waiting = await depths(company.environment)
        assert all(waiting[queue] for queue in queues)
        await make_older(company)

        # when: set-up runs once, then this version's stages
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "services.cli", "setup"],
            cwd=ROOT,
            env=company.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        company.start(*STAGES)

        # then: the backfill is what it would have been, and confirmed once
        await company.until(company.confirmed, "the backfill is confirmed")

        async def quiet() -> bool:
            # Replies that came before what they answer are fetched after the confirmation: they left their epoch.
            (states,) = (await stored_states(company)).values()
            return not {"planned", "published"} & states.keys() and not any(
                (await depths(company.environment)).values()
            )

        await company.until(quiet, "nothing is under way, no message waits")
        assert await stored_states(company) == expected_states(MAILS)
        assert await stored_links(company, MAILS) == expected_links(MAILS)
        assert len(set(company.confirmations(ANNA))) == 1

        # and: every released message was understood, none is dead
        assert await company.store.dead_letters.count() == 0

        # and: the database has the present layout
        wanted: dict[str, set[Any]] = {
            each.name: {index.document["name"] for index in made} for each, made in indexes(company.store._collections)
        }
        for name, names in wanted.items():
            there = await company.store._collections.database[name].index_information()
            assert names <= there.keys()
        assert set(company.end().values()) == {0}
