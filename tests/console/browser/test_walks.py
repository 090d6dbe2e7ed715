"""What users do in the console, in a browser: from an empty console to a confirmed mailbox, a sign-in, reading mail."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from services.settings import ConsoleSettings
from services.store import NewRecord
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from testbed.processes.ports import free_port
from tests.conftest import MailUser
from tests.console.browser.site import Site, Tabs, open_site
from tests.console.fixtures import ANN, BOB, EVE, set_up_company
from tests.console.test_process import answers
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.matcher.histories.history import History

_CLIENT = "client@customer.example"
_MAIL = (
    f"From: Kim Client <{_CLIENT}>\r\nTo: %s\r\nSubject: Our order\r\nMessage-ID: <order@customer.example>\r\n"
    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\nWhen can you deliver?\r\n"
)
_PATIENCE = 60_000


def _sent_to(servers: LocalServers, address: str) -> list[str]:
    """Return the texts of the mails that were sent to an address."""
    mine = [message_from_bytes(one.raw, policy=default) for one in servers.sink.sent() if address in one.recipients]
    return [body.get_content() for mail in mine if (body := mail.get_body(("plain",))) is not None]


async def _mailed_link(deployment: Deployment, address: str) -> str:
    """Return the sign-in link that the console mails."""
    found: list[str] = []

    async def came() -> bool:
        for mail in _sent_to(deployment.servers, address):
            found.extend(re.findall(r"http://127\.0\.0\.1:\d+/sign-in/[\w-]+", mail))
        return bool(found)

    await deployment.until(came, "the sign-in link comes by mail")
    return found[0]


async def _fill_in_servers(tab: Page, servers: LocalServers, user: MailUser) -> None:
    for protocol, server in (("imap", servers.imap), ("smtp", servers.smtp)):
        await tab.locator(f"#{protocol}_host").fill(server.host)
        await tab.locator(f"#{protocol}_port").fill(str(server.tls_port))
        await tab.locator(f"#{protocol}_tls").select_option("tls")
        assert await tab.locator(f"#{protocol}_user").input_value() == user.address


@pytest.mark.timeout(300)
async def test_from_an_empty_console_to_the_confirmation(
    *,
    chromium: Browser,
    servers: LocalServers,
    environment: dict[str, str],
    new_mail_user: Callable[..., MailUser],
    tmp_path: Path,
) -> None:
    """A new user signs in by a mailed link, connects a mailbox, watches the import to its end, and reads the mail."""
    user, port = new_mail_user("ana"), free_port()
    servers.deliver(user.address, (_MAIL % user.address).encode())
    own = {"LEADMAIL_CONSOLE_URL": f"http://127.0.0.1:{port}", "LEADMAIL_CONSOLE_PORT": str(port)}
    async with deploy(servers, {**environment, **own}, tmp_path) as deployment:
        await deployment.store.users.add(user.address, name="Ana")
        await deployment.store.records.add("contact", NewRecord((_CLIENT,), name="Kim Client"))
        deployment.start_module("console", "services.console")
        deployment.start("matcher")  # it knows the contact before the poller asks
        await answers(f"http://127.0.0.1:{port}/sign-in")
        tabs = Tabs(chromium, own["LEADMAIL_CONSOLE_URL"])
        tab = await tabs.open()
        await tab.get_by_label("Your email address").fill(user.address)
        await tab.get_by_role("button", name="Send link").click()
        await expect(tab.get_by_role("heading", name="Check your email")).to_be_visible()
        await tab.goto(await _mailed_link(deployment, user.address))
        await tab.get_by_role("button", name="Sign in").click()

        await expect(tab.get_by_role("heading", name="Connect a mailbox")).to_be_visible()
        assert await tab.get_by_label("The mailbox's address").input_value() == user.address
        await tab.get_by_role("button", name="Find the servers").click()
        await _fill_in_servers(tab, servers, user)
        await tab.get_by_label(f"Password of {user.address}").fill("wrong")
        await tab.get_by_role("button", name="Test and connect").click()
        await expect(tab.get_by_role("alert")).to_contain_text("did not accept the user name and password")
        await tab.get_by_label(f"Password of {user.address}").fill(user.password)
        await tab.get_by_role("button", name="Test and connect").click()

        await expect(tab.get_by_role("status").first).to_contain_text("Your mailbox is connected")

        async def known() -> bool:
            return bool(await deployment.store.record_addresses.known([_CLIENT]))

        await deployment.until(known, "the contact is known")
        deployment.start(*(stage for stage in STAGES if stage != "matcher"))
        # The page follows the import by itself, and knows the folders when it is over.
        await expect(tab.locator("[data-part=status]")).to_contain_text("complete", timeout=_PATIENCE)
        await expect(tab.get_by_role("region", name="Folders")).to_contain_text("INBOX")
        await expect(tab.get_by_role("region", name="Connection")).to_contain_text("Import 1")
        await expect(tab.locator("[data-part=status] dl")).to_contain_text("On records")

        async def confirmed() -> bool:
            return any(f"{tabs.origin}/mailboxes/" in mail for mail in _sent_to(servers, user.address))

        await deployment.until(confirmed, "the confirmation comes by mail")

        await tab.get_by_role("link", name="Leads and contacts").click()
        await tab.get_by_label("Name, company or address").fill("kim")
        await tab.get_by_role("button", name="Search").click()
        await tab.get_by_role("link", name="Kim Client").click()
        await tab.get_by_role("link", name="Our order").click()
        await expect(tab.get_by_text("When can you deliver?")).to_be_visible()
        assert tabs.faults == []


@pytest.fixture
async def site_with_sign_in(chromium: Browser, life: History, sign_in_settings: ConsoleSettings) -> AsyncIterator[Site]:
    """The company's console, with the identity server as its own sign-in service."""
    await set_up_company(life)
    async with open_site(chromium, life, sign_in_settings) as opened:
        yield opened
        assert opened.faults == []


async def _sign_in_there(tab: Page, identity: IdentityServer, user: MailUser, *, do: str) -> None:
    """Fill in the page of the service, and come back."""
    assert tab.url.startswith(identity.issuer)
    await tab.get_by_label("Address").fill(user.address)
    await tab.get_by_label("Password").fill(user.password)
    await tab.get_by_role("button", name=do).click()


async def test_signing_in_at_the_mail_service(
    site_with_sign_in: Site, identity: IdentityServer, new_mail_user: Callable[..., MailUser]
) -> None:
    """The browser goes to the service and comes back; a user who declines comes back, too, and can start again."""
    user, store = new_mail_user("bob"), site_with_sign_in.office.console.store
    tab = await site_with_sign_in.signed_in(BOB, "/mailboxes/connect")
    await tab.get_by_role("link", name="Continue with Example").click()
    await _sign_in_there(tab, identity, user, do="Deny")
    await expect(tab.get_by_role("alert")).to_contain_text("asks you to allow Leadmail")
    await tab.goto("/mailboxes/connect")
    await tab.get_by_role("link", name="Continue with Example").click()
    await _sign_in_there(tab, identity, user, do="Sign in and allow")
    await expect(tab.get_by_role("heading", name=f"Connect {user.address}")).to_be_visible()
    await tab.get_by_label("private").check()
    await tab.get_by_role("button", name="Connect").click()
    await expect(tab.get_by_role("status").first).to_contain_text("Your mailbox is connected")
    account = await store.accounts.find(user.address)
    assert (account.owner, account.sharing.mode.value) == (BOB, "private")

    await store._collections.accounts.update_one(
        {"_id": account.id}, {"$set": {"state": "blocked", "reason": "consent-revoked"}}
    )
    await tab.reload()
    await tab.get_by_role("alert").get_by_role("link", name="Sign in again").click()
    await tab.get_by_role("link", name="Continue with Example").click()
    assert await tab.get_by_label("Address").input_value() == user.address
    await _sign_in_there(tab, identity, user, do="Sign in and allow")
    await expect(tab.get_by_role("status").first).to_contain_text("You are signed in to the mailbox again")
    assert (await store.accounts.get(account.id)).state.value == "active"


async def test_two_users_see_different_mail(site: Site) -> None:
    """Side by side: the record page, search and a mail's address show each only what they may see; keeping private hides it."""
    ref = site.office.life.refs["R1"]
    page = f"/records/{ref.kind}/{ref.id}"
    bob, eve = await site.signed_in(BOB, page), await site.signed_in(EVE, page)
    subjects = [set(await tab.locator(".mail .head a").all_inner_texts()) for tab in (bob, eve)]
    assert subjects == [
        {"Subject shared", "Subject answer", "Subject secret"},
        {"Subject shared", "Subject answer"},
    ]
    await bob.get_by_role("link", name="Subject secret").click()
    await expect(bob.get_by_role("heading", name="Subject secret")).to_be_visible()
    await eve.goto(bob.url)
    await expect(eve.get_by_role("heading", name="Not found")).to_be_visible()
    await eve.goto("/mail?q=secret")
    await expect(eve.get_by_text("No email that you can see contains these words.")).to_be_visible()

    ann = await site.signed_in(ANN, page)
    await ann.get_by_role("link", name="Subject shared").click()
    await ann.get_by_role("button", name="Keep this email private").click()
    await expect(ann.get_by_role("status")).to_contain_text("Your copies are private")
    await eve.goto(page)
    assert await eve.locator(".mail .head a").all_inner_texts() == ["Subject answer"]
