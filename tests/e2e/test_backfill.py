"""All stages on real servers: the result of the demo's backfills, undisturbed and with killed stages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.local import LocalServers
from testbed.processes.parts import MAIL_SERVERS
from testbed.samples.company import LATE_CONTACT, USERS
from testbed.samples.demo_mail import DemoMail
from testbed.samples.model import SampleMail
from tests.e2e.deployment import PEOPLE, STAGES, Deployment, deploy
from tests.e2e.truth import expected_links, expected_states, stored_links, stored_states

pytestmark = pytest.mark.timeout(300)
MAILS = DemoMail(now=datetime(2026, 11, 23, 12, tzinfo=UTC)).mailboxes()
CUT = "odd-hostile"
"""The mail of ten thousand parts. Courier stores all of it and returns a sixth, so that it is another mail there."""


@pytest.fixture
def mail_server(request: pytest.FixtureRequest) -> str:
    """The mail server that has the mailboxes; tests that are about it name others."""
    return str(getattr(request, "param", MAIL_SERVERS[0]))


def mails_on(mail_server: str) -> list[SampleMail]:
    """Return the mails that a server gives back as it got them."""
    return [mail for mail in MAILS if mail_server != "courier" or mail.truth.email != CUT]


@pytest.fixture
async def company(
    servers: LocalServers, environment: dict[str, str], tmp_path: Path, mail_server: str
) -> AsyncIterator[Deployment]:
    """The demo's company: three filled mailboxes, twenty records, no stage running."""
    chosen = await asyncio.to_thread(servers.with_mail, mail_server)
    async with deploy(chosen, environment, tmp_path) as deployment:
        for user in USERS:
            await deployment.add_user(user, mails_on(mail_server))
        await deployment.add_records(*PEOPLE)
        yield deployment


async def assert_true(deployment: Deployment, mails: list[SampleMail], *, late: bool = False) -> None:
    """Check that ledger, links and confirmations are what the samples' truths demand, once everything is done."""

    async def quiet() -> bool:
        # Replies that came before what they answer are fetched after the confirmation: they left their epoch.
        return not any(
            {"planned", "published"} & states.keys() for states in (await stored_states(deployment)).values()
        )

    await deployment.until(quiet, "no copy is unfinished")
    assert await stored_states(deployment) == expected_states(mails, late=late)
    assert await stored_links(deployment, mails) == expected_links(mails, late=late)
    for user in USERS:
        assert len(set(deployment.confirmations(user))) == 1


@pytest.mark.containers
@pytest.mark.parametrize("mail_server", MAIL_SERVERS, indirect=True)
async def test_backfills_match_the_samples(company: Deployment, mail_server: str) -> None:
    """Links and states are as the truths say, with one confirmation each; a late contact gets its history; SIGTERM stops every stage."""
    mails = mails_on(mail_server)
    company.start(*STAGES)
    for user in USERS:
        await company.connect(user)
    await company.until(company.confirmed, "all backfills confirmed")
    await assert_true(company, mails)
    await company.add_records(LATE_CONTACT)
    wanted = expected_states(mails, late=True)

    async def arrived() -> bool:
        return await stored_states(company) == wanted

    await company.until(arrived, "the late contact's history")
    await assert_true(company, mails, late=True)
    assert company.end() == dict.fromkeys(STAGES, 0)


async def test_two_replicas_of_each_stage_have_the_same_result(company: Deployment) -> None:
    """Two replicas of every stage share the work and duplicate nothing; one takes over what the other leaves behind."""
    company.start(*STAGES, *(f"{stage}:2" for stage in STAGES))
    for user in USERS:
        await company.connect(user)
    await company.until(company.confirmed, "all backfills confirmed")
    await assert_true(company, MAILS)
    holders = {status.holder for status in await company.store.status.accounts()}
    assert len(holders) == 2, "both pollers have a share of three accounts"
    company.kill("poller")

    async def taken_over() -> bool:
        return len({status.holder for status in await company.store.status.accounts()} - {None}) == 1

    await company.until(taken_over, "the accounts of the poller that died are taken over", seconds=30)


@pytest.mark.parametrize("stage", STAGES)
async def test_killing_a_stage_changes_nothing(company: Deployment, stage: str) -> None:
    """SIGKILL at three moments of the backfill, each followed by a restart: the result is the same, with one confirmation each."""
    company.start(*STAGES)
    for user in USERS:
        await company.connect(user)
    total = sum(sum(states.values()) for states in expected_states(MAILS).values())

    async def done() -> int:
        states = await stored_states(company)
        return sum(
            count
            for counts in states.values()
            for state, count in counts.items()
            if state not in ("planned", "published")
        )

    for share in (0.05, 0.3, 0.7):

        async def reached(wanted: float = share * total) -> bool:
            return await done() >= wanted

        await company.until(reached, f"{share:.0%} of the backfill")
        company.kill(stage)
        company.start(stage)
    await company.until(company.confirmed, "all backfills confirmed")
    await assert_true(company, MAILS)
