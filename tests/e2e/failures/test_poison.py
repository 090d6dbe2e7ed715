"""Mail that crashes its parser, and mail that crashes a whole stage: it is quarantined alone, and the operator decides about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from schemas.ledger import Row, RowState
from services.amqp import CRASHED
from testbed.local import LocalServers
from tests.e2e.deployment import ROOT, STAGES, USERS, Deployment, deploy
from tests.e2e.mail import CONTACT, leadmail, small

pytestmark = pytest.mark.timeout(300)
ANNA = USERS[0]
MANY = (b"QUJD" * 19 + b"\r\n") * 520_000
"""40 MB of base64: more than the parser may use in these tests, less than by default."""
OPERATOR = "ops@northwind-instruments.example"


@pytest.fixture
async def deployment(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """No mailbox yet, one record, no stage running."""
    async with deploy(servers, environment, tmp_path) as made:
        await made.add_records(CONTACT)
        yield made


async def rows_of(deployment: Deployment, key: str = ANNA.key) -> list[Row]:
    """Return every copy of a user."""
    return [row async for row in deployment.store.ledger_counts.rows(deployment.accounts[key])]


async def state_of(deployment: Deployment, row: str) -> tuple[RowState, str | None]:
    """Return the state of a copy."""
    found = await deployment.store.ledger.get(row)
    assert found is not None
    return found.state, found.reason


async def assert_audited(deployment: Deployment, letter: str, action: str) -> None:
    """Check that what the operator did to a dead letter is in the audit log."""
    entries = await deployment.store.audit.newest(subject=f"dead-letter:{letter}")
    assert [(entry.action, entry.by) for entry in entries] == [(action, OPERATOR)]


def confirmation(deployment: Deployment) -> str:
    """Return the text of the confirmation."""
    (sent,) = [sent for sent in deployment.servers.sink.sent() if deployment.accounts[ANNA.key].encode() in sent.raw]
    return sent.raw.decode().replace("=\r\n", "")


async def test_mail_that_kills_the_parser(deployment: Deployment) -> None:
    """It is quarantined, its raw form kept, its neighbours unaffected, the backfill confirmed; replayed after a fix it is attached."""
    bad = small(ANNA, "heavy", MANY, media_type=b"application/pdf\r\nContent-Transfer-Encoding: base64")
    good = [small(ANNA, f"light-{number}") for number in range(40)]
    await deployment.add_user(ANNA, [*good[:20], bad, *good[20:]])
    deployment.environment["LEADMAIL_PARSER_MEMORY_MB"] = "128"
    deployment.start(*STAGES)
    await deployment.known(CONTACT)
    await deployment.connect(ANNA)
    await deployment.until(deployment.confirmed, "the backfill is confirmed")
    states = [row.state for row in await rows_of(deployment)]
    assert (states.count(RowState.ATTACHED), states.count(RowState.QUARANTINED), len(states)) == (40, 1, 41)
    assert "1 message that could not be read safely" in confirmation(deployment)
    assert b"1 dead letter: see `leadmail dead-letters list`" in await leadmail(deployment, "status")
    assert b"1: parser-died" in await leadmail(deployment, "account", "show", ANNA.addresses[0])
    (letter,) = await deployment.store.dead_letters.newest(account=deployment.accounts[ANNA.key])
    assert await leadmail(deployment, "dead-letters", "show", letter.id, "--body") == bad.raw

    deployment.environment["LEADMAIL_PARSER_MEMORY_MB"] = "1024"
    deployment.kill("parser")
    deployment.start("parser")
    await leadmail(deployment, "dead-letters", "replay", letter.id, "--by", OPERATOR)

    async def attached() -> bool:
        return await state_of(deployment, letter.row or "") == (RowState.ATTACHED, None)

    await deployment.until(attached, "the replayed mail is attached")
    await assert_audited(deployment, letter.id, "dead-letter.replay")
    assert await deployment.store.dead_letters.count() == 0
    assert len(deployment.confirmations(ANNA)) == 1


async def test_mail_that_kills_a_stage(deployment: Deployment) -> None:
    """A stage crashes on one mail at every start: only that mail is quarantined. Dropped, it is skipped."""
    good = [small(ANNA, f"light-{number}") for number in range(60)]
    await deployment.add_user(ANNA, [*good[:30], small(ANNA, "killer", b"KILL THE STAGE"), *good[30:]])
    deployment.start("poller", "matcher", "notifier")
    await deployment.known(CONTACT)
    deployment.environment["PYTHONPATH"] = str(ROOT)
    # Two crashes instead of six in a batch, two instead of three alone: each is a start of a stage.
    host = deployment.environment["LEADMAIL_RABBITMQ_URL"].rpartition("/")[2]
    deployment.servers.broker.limit(host, r"^parser\.", **{"delivery-limit": 1})
    deaths = 0

    async def supervise() -> None:
        nonlocal deaths
        while True:
            deployment.start_module("parser", "tests.e2e.failures.mortal_parser")
            await asyncio.to_thread(deployment.running["parser"].wait)
            deaths += 1

    supervising = asyncio.create_task(supervise())
    try:
        await deployment.connect(ANNA)
        await deployment.until(deployment.confirmed, "the backfill is confirmed", seconds=240)
    finally:
        supervising.cancel()
    states = [row.state for row in await rows_of(deployment)]
    assert (states.count(RowState.ATTACHED), states.count(RowState.QUARANTINED), len(states)) == (60, 1, 61)
    (letter,) = await deployment.store.dead_letters.newest()
    assert letter.reason == CRASHED
    assert deaths >= 4, "it was the broker that gave it up, twice"
    assert b"KILL THE STAGE" in await leadmail(deployment, "dead-letters", "show", letter.id, "--body")
    assert "1 message that could not be read safely" in confirmation(deployment)
    await leadmail(deployment, "dead-letters", "drop", letter.id, "--yes", "--by", OPERATOR)
    assert await state_of(deployment, letter.row or "") == (RowState.SKIPPED, f"dropped by {OPERATOR}")
    await assert_audited(deployment, letter.id, "dead-letter.drop")
