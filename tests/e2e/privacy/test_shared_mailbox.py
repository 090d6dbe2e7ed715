"""A real shared mailbox, all stages: two members see its mail, a third user does not, one leaves and one joins."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.store import NewRecord
from testbed.local import LocalServers
from testbed.samples.person import User
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.privacy.test_known_message_id import lying, person, raw

pytestmark = pytest.mark.timeout(300)
KIM, ASSISTANT = "kim@client.example", "assistant@far.example"


@pytest.fixture
async def company(servers: LocalServers, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Deployment]:
    """A deployment that knows one client."""
    async with deploy(servers, environment, tmp_path) as deployment:
        await deployment.store.records.add("contact", NewRecord((KIM,)))
        yield deployment


async def command(company: Deployment, *arguments: str, stdin: str = "") -> str:
    """Run a command; return what it printed."""

    def run() -> str:
        done = CliRunner().invoke(app, arguments, env={**company.environment}, input=stdin, prog_name="leadmail")
        assert done.exit_code == 0, (done.stdout, done.stderr)
        return done.stdout

    return await asyncio.to_thread(run)


async def seen(company: Deployment, *viewers: str) -> list[set[str]]:
    """Return the subjects that each user sees on the client's page."""
    pages = [json.loads(await command(company, "emails", KIM, "--viewer", one, "--json")) for one in viewers]
    return [{mail["subject"] for page in found for mail in page["emails"]} for found in pages]


async def test_a_team_reads_its_mailbox(company: Deployment) -> None:
    """Its private mail, with what was sent from it and the thread that opens; each member is told once that it is synchronised."""
    ann, bob, eve = (person(name).addresses[0] for name in ("ann", "bob", "eve"))
    for user in (ann, bob, eve):
        await company.store.users.add(user)
    sales = User(key="sales", name="Sales", addresses=(f"sales.{secrets.token_hex(4)}@crm.example",), sharing="private")
    address = sales.addresses[0]
    company.passwords["sales"], company.addresses["sales"] = secrets.token_hex(8), f"box.{address}"
    await asyncio.to_thread(company.servers.add_user, company.addresses["sales"], company.passwords["sales"])
    mails = [
        lying(sales, raw("offer", address, KIM, text="offer"), "Sent"),
        lying(sales, raw("hello", KIM, address, text="hello")),
        lying(sales, raw("answer", ASSISTANT, address, text="answer", answers="offer")),
    ]
    await asyncio.to_thread(company.phone(sales).fill, mails)
    company.start(*STAGES)
    imap, smtp = company.servers.imap, company.servers.smtp
    ports = ("--imap-port", str(imap.port), "--smtp-port", str(smtp.port), "--imap-tls", "none", "--smtp-tls", "none")
    shown = await command(
        company,
        *("account", "add", "--member", ann, "--member", bob, "--email", address, "--sharing", "private", "--json"),
        *("--username", company.addresses["sales"], "--password-stdin"),
        *("--imap-host", imap.host, "--smtp-host", smtp.host, *ports),
        stdin=company.passwords["sales"],
    )
    account: dict[str, Any] = json.loads(shown)
    company.accounts["sales"] = account["id"]
    await company.until(company.confirmed, "the backfill is confirmed")
    # An administrator says whose address it is: only then is what it sent its own, and a thread opens.
    root = "root@crm.example"
    await company.store.users.add(root, admin=True)
    await command(company, "account", "confirm-address", address, address, "--by", root)

    async def fetched() -> bool:
        return (await seen(company, ann))[0] == {"offer", "hello", "answer"}

    await company.until(fetched, "the thread is on the page")
    assert await seen(company, bob, eve) == [{"offer", "hello", "answer"}, set()]
    name = f"<sync.{account['id']}.1@"
    confirmed = [sent for sent in company.servers.sink.sent() if name.encode() in sent.raw]
    assert sorted(to for sent in confirmed for to in sent.recipients) == sorted((ann, bob))
    await command(company, "account", "members", address, "--add", eve, "--remove", bob, "--by", ann)
    assert await seen(company, ann, bob, eve) == [{"offer", "hello", "answer"}, set(), {"offer", "hello", "answer"}]
    company.phone(sales).put(raw("later", KIM, address, text="later"))

    async def arrived() -> bool:
        return "later" in (await seen(company, eve))[0]

    await company.until(arrived, "new mail is on the page of who joined")
    assert (await seen(company, bob)) == [set()]
    assert company.end() == dict.fromkeys(STAGES, 0)
