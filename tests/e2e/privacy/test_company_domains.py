"""A colleague's address as a contact opens nobody's internal mail until an administrator opens the domain; real mailboxes."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from schemas.records import RecordRef
from services.cli.app import app
from services.console.app import make_app, make_console
from services.console.web.endpoints import request_histogram
from services.runtime.logs import setup_logs
from services.settings import ConsoleSettings
from testbed.local import LocalServers
from testbed.samples.company import DOMAIN, USERS
from tests.console.fixtures import URL, Browser, text_of
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.mail import leadmail
from tests.e2e.privacy.canaries import lying

pytestmark = pytest.mark.timeout(300)
ANNA, LUC, HELEN = (replace(user, sharing="public", excluded_domains=()) for user in USERS)
"""All with the recommended setting. Anna is an administrator."""
ANNAS, LUCS, HELENS = (user.addresses[0] for user in (ANNA, LUC, HELEN))
LENA = f"lena.vogt@{DOMAIN}"
"""A colleague who is no user and has no mailbox here."""
JO = "jo@new.example"
SALARY, REVIEW, ANSWER = "The salary of Lena", "The review of Luc", "Re: The salary of Lena"
CHANGE = ("company", "domains", "--by", ANNAS)


def internal(subject: str, sender: str, to: str, name: str, answers: str = "") -> bytes:
    """Return a mail."""
    fields = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{name}@mail.example>\r\n"
    if answers:
        fields += f"In-Reply-To: <{answers}@mail.example>\r\n"
    return f"{fields}Date: Mon, 2 Nov 2026 09:00:00 +0000\r\n\r\nConfidential\r\n".encode()


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """Three mailboxes with internal mail, synchronised before anyone entered a colleague as a contact."""
    async with deploy(servers, environment, tmp_path) as deployment:
        deployment.environment["LEADMAIL_SWEEP_SECONDS"] = "1"
        salary, review = internal(SALARY, ANNAS, LENA, "salary"), internal(REVIEW, ANNAS, LUCS, "review")
        mails = [
            *lying(ANNA, "Sent", [salary, review]),
            *lying(ANNA, "INBOX", [internal(ANSWER, JO, ANNAS, "answer", "salary")]),
            *lying(LUC, "INBOX", [review]),
        ]
        for user in (ANNA, LUC, HELEN):
            await deployment.add_user(user, mails)
        deployment.start(*STAGES)
        for user in (ANNA, LUC, HELEN):
            await deployment.connect(user)
        await deployment.until(deployment.confirmed, "the backfills are confirmed")
        yield deployment


class Eyes:
    """What users see of the two records, by command and in the console."""

    def __init__(self, company: Deployment) -> None:
        self.company = company
        settings = ConsoleSettings.model_validate(
            {
                name.removeprefix("LEADMAIL_").lower(): value
                for name, value in {**company.environment, "LEADMAIL_CONSOLE_URL": URL}.items()
                if name.startswith("LEADMAIL_")
            }
        )
        registry, log = CollectorRegistry(), setup_logs(settings, "console", io.StringIO())
        self.console = make_console(company.store, settings, broker=None, registry=registry, log=log)
        self.app = make_app(self.console, request_histogram(registry))
        self.browsers: dict[str, Browser] = {}

    async def browser(self, user: str) -> Browser:
        """Return the browser of a signed-in user."""
        if user not in self.browsers:
            self.browsers[user] = browser = Browser.of(self.app)
            token = self.console.signer.new_link()
            await self.company.store.sign_ins.offer(user, token, lasts=timedelta(minutes=1))
            assert (await browser.post(f"/sign-in/{token}", page=f"/sign-in/{token}")).status_code == 303
            browser.last = ""
        return self.browsers[user]

    async def told(self, *arguments: str) -> Any:
        """Return what a command prints for programs. Dozens of them in processes of their own would take minutes."""

        def run() -> str:
            done = CliRunner().invoke(
                app, [*arguments, "--json"], env={**self.company.environment}, prog_name="leadmail"
            )
            assert done.exit_code == 0, done.stderr
            return done.stdout

        return json.loads(await asyncio.to_thread(run))

    async def page(self, viewer: str, address: str) -> dict[str, Any]:
        """Return a record page as the command prints it."""
        (found,) = await self.told("emails", address, "--viewer", viewer)
        page: dict[str, Any] = found
        return page

    async def listed(self, viewer: str, address: str) -> set[str]:
        """Return the subjects on a record page. For what is still changing."""
        return {one["subject"] for one in (await self.page(viewer, address))["emails"]}

    async def subjects(self, viewer: str, address: str) -> set[str]:
        """Return the subjects on a record page; command and console agree, and so does the search."""
        page = await self.page(viewer, address)
        found = {one["subject"] for one in page["emails"]}
        ref = RecordRef(**page["record"]["ref"])
        browser = await self.browser(viewer)
        html = await browser.shows(f"/records/{ref.kind}/{ref.id}")
        for subject in (SALARY, REVIEW, ANSWER):
            assert (f">{subject}<" in html) is (subject in found), subject
        searched = await self.told("search", "confidential", "--viewer", viewer)
        on = {one["subject"] for one in searched if any(record["id"] == ref.id for record in one["records"])}
        assert on == found
        assert page["count"] == len(found)
        return found


async def test_a_colleague_as_contact(company: Deployment) -> None:
    """Closed: holders only, and no count, search or suggestion tells others. Opened after the dry run: links appear. Closed: gone."""
    assert f"{DOMAIN} looks like the company's own domain" in (await leadmail(company, "setup")).decode()
    await leadmail(company, *CHANGE, "--add", DOMAIN)
    for address in (LENA, LUCS):
        assert f"{address} is internal" in (await leadmail(company, "contact", "add", address)).decode()
    eyes = Eyes(company)

    async def fetched() -> bool:
        return await eyes.listed(ANNAS, LENA) == {SALARY} and await eyes.listed(ANNAS, LUCS) == {REVIEW}

    await company.until(fetched, "the late contacts have their history, for its holders")
    assert (await eyes.subjects(ANNAS, LENA), await eyes.subjects(ANNAS, LUCS)) == ({SALARY}, {REVIEW})
    closed: dict[tuple[str, str], set[str]] = {(HELENS, LENA): set(), (HELENS, LUCS): set(), (LUCS, LENA): set()}
    assert {key: await eyes.subjects(*key) for key in closed} == closed
    assert (await eyes.page(HELENS, LENA))["suggested_addresses"] == []
    told = (await leadmail(company, *CHANGE, "--open", DOMAIN, "--dry-run")).decode()
    assert "2 records that you can read would cease to be internal" in told
    assert "2 emails would be shown to 2 users, on 2 records." in told
    assert {key: await eyes.subjects(*key) for key in closed} == closed, "a dry run changes nothing"

    path, here = "/operations/sharing/domains", "/operations/sharing"
    anna = await eyes.browser(ANNAS)
    asked = await anna.post(path, page=here, do="open", domain=DOMAIN)
    assert "2 emails would be shown to 2 users, on 2 records." in text_of(asked.text)
    version = (await company.store.company.policy()).version
    assert (await anna.post(path, do="open", domain=DOMAIN, confirm=version)).status_code == 303
    assert await eyes.subjects(HELENS, LUCS) == {REVIEW}
    assert SALARY in await eyes.subjects(HELENS, LENA)

    async def answered() -> bool:
        return await eyes.listed(HELENS, LENA) == {SALARY, ANSWER}

    await company.until(answered, "the thread of a mail to an external person is open")
    assert await eyes.subjects(HELENS, LENA) == {SALARY, ANSWER}
    assert [one["address"] for one in (await eyes.page(HELENS, LENA))["suggested_addresses"]] == [JO]

    await leadmail(company, *CHANGE, "--close", DOMAIN)
    assert {key: await eyes.subjects(*key) for key in closed} == closed, "closing hides at once"

    async def unlinked() -> bool:
        return await eyes.listed(ANNAS, LENA) == {SALARY}

    await company.until(unlinked, "the thread is no longer about a record")
    assert company.end() == dict.fromkeys(STAGES, 0)
