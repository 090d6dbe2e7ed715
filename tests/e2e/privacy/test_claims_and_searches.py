"""A user claims a client's address, and another one guesses at hidden mail by searching: real mailboxes, all stages, page and command."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.store import NewRecord
from testbed.local import LocalServers
from testbed.samples.person import User
from tests.console.fixtures import Browser
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.privacy.test_company_domains import Eyes
from tests.e2e.privacy.test_known_message_id import lying, person, raw
from tests.store.fixtures import World
from tests.store.readers.test_side_channels import same_work

pytestmark = pytest.mark.timeout(300)
KIM = "kim@client.example"
WORD, NOWHERE = f"canary{secrets.token_hex(6)}", f"canary{secrets.token_hex(6)}"
"""A word that stands only in mail that Helen may not see, and one that stands nowhere."""


@pytest.fixture
def people() -> tuple[User, User, User]:
    """Ann and Helen show all their mail, Luc none."""
    ann, helen, luc = person("ann"), person("helen"), person("luc")
    return ann, helen, User(key=luc.key, name=luc.name, addresses=luc.addresses, sharing="private")


@pytest.fixture
async def company(
    servers: LocalServers, environment: dict[str, str], tmp_path: Path, people: tuple[User, User, User]
) -> AsyncIterator[Deployment]:
    """Mailboxes with mail of a client, synchronised."""
    ann, helen, luc = people
    async with deploy(servers, environment, tmp_path) as deployment:
        deployment.environment["LEADMAIL_SWEEP_SECONDS"] = "1"
        await deployment.store.records.add("contact", NewRecord((KIM,)))
        mails = [
            lying(ann, raw("offer", ann.addresses[0], KIM, text="offer"), "Sent"),
            lying(ann, raw("reply", KIM, ann.addresses[0], text="reply", answers="offer")),
            lying(helen, raw("hello", KIM, helen.addresses[0], text="hello")),
            *(lying(luc, raw(f"h{one}", KIM, luc.addresses[0], text=f"{WORD} {one}")) for one in range(40)),
        ]
        for user in people:
            await deployment.add_user(user, mails)
        deployment.start(*STAGES)
        for user in people:
            await deployment.connect(user)
        await deployment.until(deployment.confirmed, "the backfills are confirmed")
        eyes = Eyes(deployment)

        async def fetched() -> bool:
            return await eyes.listed(helen.addresses[0], KIM) == {"offer", "reply", "hello"}

        await deployment.until(fetched, "the client's mail is on the page")
        yield deployment


async def command(company: Deployment, *arguments: str, stdin: str = "", code: int = 0) -> str:
    """Run a command as its user does; return what it printed."""

    def run() -> str:
        done = CliRunner().invoke(app, arguments, env={**company.environment}, input=stdin, prog_name="leadmail")
        assert done.exit_code == code, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    return await asyncio.to_thread(run)


async def test_neither_claims_nor_searches_open_or_close_mail(
    company: Deployment, people: tuple[User, User, User]
) -> None:
    """Two attacks on one deployment, which takes longer to start than either."""
    await a_claimed_client_stays_a_client(company, people)
    assert company.end() == dict.fromkeys(STAGES, 0)
    await a_search_costs_the_same_for_hidden_words(company, people)


async def a_claimed_client_stays_a_client(company: Deployment, people: tuple[User, User, User]) -> None:
    """Helen claims Kim's address by page, by command, and as the address of a mailbox: every page stays, and new mail comes to it."""
    ann, helen, luc = people
    hers, eyes = helen.addresses[0], Eyes(company)
    everybody = [user.addresses[0] for user in people]
    before = [await eyes.page(viewer, KIM) for viewer in everybody]
    browser, path = await eyes.browser(hers), f"/mailboxes/{company.accounts[helen.key]}/addresses"
    assert "Not proven yet" in await browser.follow(await browser.post(path, page=path, do="save", more=KIM))
    assert (await browser.post(path, page=path, do="code", code="ABCD-EFGH-JKMN")).status_code == 403
    own = ("account", "aliases", hers, "--by", hers)
    await command(company, *own, "--remove", KIM)
    await command(company, *own, "--add", KIM)
    assert "wrong or no longer valid" in await command(company, *own, "--code", "ABCD-EFGH-JKMN", code=1)
    # A second mailbox, whose server no one knows to serve Kim's domain. Its login works.
    imap, smtp, login = company.servers.imap, company.servers.smtp, f"box.{secrets.token_hex(4)}@home.example"
    await asyncio.to_thread(company.servers.add_user, login, "pass-word")
    ports = ("--imap-port", str(imap.port), "--smtp-port", str(smtp.port), "--imap-tls", "none", "--smtp-tls", "none")
    servers = ("--imap-host", imap.host, "--smtp-host", smtp.host, *ports)
    add = ("account", "add", "--owner", hers, "--email", KIM, "--username", login, "--password-stdin")
    await command(company, *add, *servers, "--sharing", "public", stdin="pass-word\n")
    claims = await company.store.accounts.get_all(hers)
    assert {one.own_addresses for one in claims} == {frozenset([hers]), frozenset()}
    company.phone(ann).put(raw("later", KIM, ann.addresses[0], text="later", answers="offer"))
    company.phone(luc).put(raw("last", KIM, luc.addresses[0], text="last"))

    async def arrived() -> bool:
        seen = await eyes.listed(hers, KIM), await eyes.listed(luc.addresses[0], KIM)
        return "later" in seen[0] and {"later", "last"} <= seen[1]

    await company.until(arrived, "mail that comes after the claims is on the page")
    new = {"later", "last"}
    for viewer, page in zip(everybody, before, strict=True):
        now = await eyes.page(viewer, KIM)
        assert [one for one in now["emails"] if one["subject"] not in new] == page["emails"]
        for email in page["emails"]:
            assert email["subject"] in await (await eyes.browser(viewer)).shows(f"/mail/{email['email']}")


async def a_search_costs_the_same_for_hidden_words(company: Deployment, people: tuple[User, User, User]) -> None:
    """Luc's mail has the word forty times. Helen's search for it examines as many documents as one for a word that is nowhere."""
    _, helen, luc = people
    hers, his, eyes = helen.addresses[0], luc.addresses[0], Eyes(company)
    browsers = {viewer: await eyes.browser(viewer) for viewer in (hers, his)}
    database = company.store._collections.database
    world = World(company.store, database, database)

    def searching(browser: Browser) -> Callable[[str], Awaitable[str]]:
        async def search(word: str) -> str:
            return await browser.shows(f"/mail?q={word}")

        return search

    async def asking(word: str) -> str:
        return await command(company, "search", word, "--viewer", hers, "--json")

    assert (await browsers[his].shows(f"/mail?q={WORD}")).count(f"{WORD} ") >= 40
    for ask in (searching(browsers[hers]), asking):
        cost = await same_work(world, ask, WORD, NOWHERE)
        # Those that she may see, to look for the word and to print lines; the one database is read as two.
        assert 4 <= cost["emails", "docsExamined"] // 2 <= 4 * 2
    for answer in (await browsers[hers].shows(f"/mail?q={WORD}"), await browsers[hers].shows(f"/mail?q={NOWHERE}")):
        assert "/mail/v" not in answer
