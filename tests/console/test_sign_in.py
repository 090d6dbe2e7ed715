"""Signing in with a one-time link: who gets one, how long it is valid, and the measures against abuse."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.console.pages import sign_in
from services.console.web import mails
from services.mailbox.connection import Code, MailServerError
from services.usecases.signing import Signer
from testbed.local import LocalServers
from testbed.servers.smtp import SentMail
from tests.console.fixtures import ANN, BOB, URL, Office, text_of, token_of

_LINK = re.compile(rf"{URL}(/sign-in/[\w-]+)")
DEADLINE = 20.0


async def within(look: Callable[[], Any]) -> Any:
    """Wait until ``look`` returns something and return that."""
    async with asyncio.timeout(DEADLINE):
        while not (found := look()):  # noqa: ASYNC110 - the mail server sends no notification
            await asyncio.sleep(0.02)
    return found


@pytest.fixture
def mailed(servers: LocalServers) -> Callable[[str], list[SentMail]]:
    """The mails that an address received since the test started; other tests share the sink."""
    before = len(servers.sink.sent())
    return lambda address: [sent for sent in servers.sink.sent()[before:] if address in sent.recipients]


async def test_a_link_by_mail_signs_in(office: Office, mailed: Callable[[str], list[SentMail]]) -> None:
    """A visitor enters an address, gets one mail, and its link opens the page that they wanted."""
    browser = office.browser()
    asked = await browser.get("/records?q=carla")
    assert asked.headers["location"] == "/sign-in?to=/records%3Fq%3Dcarla"
    sending = asyncio.create_task(office.console.mails.run())  # type: ignore[union-attr]
    await browser.get(asked.headers["location"])
    answer = await browser.post("/sign-in", address=ANN.upper(), to="/records?q=carla")
    assert answer.status_code == 200
    assert "we have sent it an email with a sign-in link" in answer.text
    (sent,) = await within(lambda: mailed(ANN))
    sending.cancel()
    mail = email.message_from_bytes(sent.raw, policy=email.policy.default)
    assert mail["Auto-Submitted"] == "auto-generated"
    bodies = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    link, other = [_LINK.search(body) for body in bodies]
    assert link
    assert other
    assert link[1] == other[1]

    page = await browser.shows(link[1])
    assert ANN in page, "it says who is to be signed in"
    entered = await browser.post(link[1])
    assert entered.headers["location"] == "/records?q=carla"
    (cookie,) = [one for one in entered.headers.get_list("set-cookie") if one.startswith("__Host-leadmail=")]
    for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=86400"):
        assert flag in cookie
    assert ANN in await browser.follow(entered)


async def test_the_response_does_not_reveal_users(office: Office, mailed: Callable[[str], list[SentMail]]) -> None:
    """The response is the same for users and strangers, but only the user gets a mail."""
    pages = {}
    for address in (ANN, "nobody@firm.example"):
        browser = office.browser()
        answer = await browser.post("/sign-in", address=address, to="/")
        pages[address] = (answer.status_code, answer.text.replace(address, "…"), sorted(answer.headers))
    assert pages[ANN] == pages["nobody@firm.example"]
    sending = asyncio.create_task(office.console.mails.run())  # type: ignore[union-attr]
    await within(lambda: mailed(ANN))
    sending.cancel()
    assert not mailed("nobody@firm.example")
    assert await office.life.database["sign_in_links"].count_documents({}) == 1


async def test_a_link_is_used_once(office: Office) -> None:
    """Opening the link does not use it; of several concurrent presses one signs in; then the link is invalid."""
    path = await office.link(BOB)
    browsers = [office.browser() for _ in range(4)]
    for browser in browsers:
        await browser.shows(path)
    answers = await asyncio.gather(*(browser.post(path) for browser in browsers))
    assert sorted(answer.status_code for answer in answers) == [303, 404, 404, 404]
    assert "no longer valid" in (await office.browser().get(path)).text
    assert await office.life.database["sessions"].count_documents({}) == 1


async def test_a_link_expires(office: Office) -> None:
    """An expired link gives the same response as one that never existed."""
    path = await office.link(BOB, lasts=timedelta(seconds=-1))
    assert (await office.browser().get(path)).status_code == 404
    browser = office.browser()
    await browser.get("/sign-in")
    assert (await browser.post(path)).status_code == 404


@pytest.mark.parametrize(
    "token",
    ["", "x", "A" * 54, "ä" * 10, Signer.of(b"another deployment's secret key!").new_link()],
    ids=["empty", "short", "long", "foreign", "another deployment's"],
)
async def test_forged_tokens_never_reach_the_database(
    office: Office, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that this deployment did not sign is refused without a query."""
    monkeypatch.setattr(type(office.console.store.sign_ins), "offered", None)
    assert (await office.browser().get(f"/sign-in/{token}")).status_code == 404
    assert not office.console.signer.is_ours(token)


async def test_no_secret_is_stored(office: Office) -> None:
    """The database has neither link tokens nor session secrets, and MongoDB deletes expired documents."""
    path = await office.link(BOB)
    browser = await office.signed_in(ANN)
    session = browser.client.cookies["__Host-leadmail"]
    database = office.life.database
    for name in ("sign_in_links", "sessions", "attempts"):
        documents = str(await database[name].find().to_list())
        assert session not in documents
        assert path.rpartition("/")[2] not in documents
        indexes = await database[name].index_information()
        assert indexes["until"]["expireAfterSeconds"] == 0


def link_in(sent: SentMail) -> str:
    """Return the path of the link in a mail."""
    mail = email.message_from_bytes(sent.raw, policy=email.policy.default)
    bodies = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    found = _LINK.search(bodies[0])
    assert found
    return found[1]


async def request_links(office: Office, client: str, address: str, times: int) -> set[str]:
    """Request links in one browser, let the mails be sent, and return the different pages that it showed."""
    browser, pages = office.browser(client), set()
    for _ in range(times):
        answer = await browser.post("/sign-in", page="/sign-in", address=address, to="/")
        assert answer.status_code == 200
        pages.add(answer.text)
    sending = asyncio.create_task(office.console.mails.run())  # type: ignore[union-attr]
    await office.console.mails._waiting.join()  # type: ignore[union-attr]
    sending.cancel()
    return pages


async def test_too_many_links_for_an_address(office: Office, mailed: Callable[[str], list[SentMail]]) -> None:
    """Beyond the limit no mail is sent, the page is the same, and the first link that was sent still works."""
    assert len(await request_links(office, "198.51.100.7", BOB, mails.MOST + 3)) == 1
    assert len(mailed(BOB)) == mails.MOST
    first, browser = link_in(mailed(BOB)[0]), office.browser()
    assert (await browser.post(first, page=first)).status_code == 303
    other = office.browser()
    assert BOB in await other.shows(link_in(mailed(BOB)[1])), "using one link does not withdraw the others"


async def test_strangers_do_not_keep_a_user_from_signing_in(
    office: Office, mailed: Callable[[str], list[SentMail]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another client requests leaves a user their own links; the sum has a limit of its own, too."""
    await request_links(office, "198.51.100.7", BOB, 3 * mails.MOST)
    before = len(mailed(BOB))
    await request_links(office, "198.51.100.8", BOB, 1)
    assert len(mailed(BOB)) == before + 1
    monkeypatch.setattr(mails, "MOST_IN_ALL", before + 2)
    for client in ("2001:db8::1", "2001:db8:1::1", "2001:db8:2::1"):
        await request_links(office, client, BOB, 1)
    assert len(mailed(BOB)) == before + 2


async def test_a_mail_that_cannot_be_sent_does_not_count(
    office: Office, mailed: Callable[[str], list[SentMail]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests while the mail server is down cost a user nothing once it is back."""

    async def fail(*_: object) -> None:
        raise MailServerError(Code.UNAVAILABLE)

    sender = office.console.mails
    with monkeypatch.context() as patch:
        patch.setattr(sender, "_post", fail)
        await request_links(office, "198.51.100.7", BOB, 2 * mails.MOST)
    assert not mailed(BOB)
    await request_links(office, "198.51.100.7", BOB, mails.MOST + 1)
    assert len(mailed(BOB)) == mails.MOST


async def test_too_many_attempts_by_a_client(
    office: Office, mailed: Callable[[str], list[SentMail]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a client that tries many addresses no more mails are sent, while the page stays the same; other clients get theirs."""
    monkeypatch.setattr(sign_in, "MOST", 2)
    asked = ("a@x.example", "b@x.example", ANN)
    pages = [await request_links(office, f"2001:db8::{number}", one, 1) for number, one in enumerate(asked)]
    assert len({page.pop().replace(one, "…") for page, one in zip(pages, asked, strict=True)}) == 1
    assert not mailed(ANN), "one /64 network is one client"
    await request_links(office, "2001:db8:0:1::1", ANN, 1)
    assert len(mailed(ANN)) == 1


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", ""])
async def test_no_open_redirect(office: Office, to: str) -> None:
    """Signing in leads to a page of this site, whatever the parameter says."""
    path = await office.link(BOB, page=to)
    browser = office.browser()
    assert (await browser.post(path, page=path)).headers["location"] == "/"
    assert (await browser.client.get("/sign-in", params={"to": to})).headers["location"] == "/"


@pytest.mark.parametrize("typed", ["", "nobody", "a@b@c", "x" * 5000])
async def test_invalid_address(office: Office, typed: str) -> None:
    """An invalid address is refused, and the form keeps it."""
    answer = await office.browser().post("/sign-in", address=typed, to="/")
    assert answer.status_code == 400
    assert "This is not an email address." in answer.text


async def test_signing_out(office: Office) -> None:
    """Signing out ends this session but not those on other devices; the old cookie is useless."""
    desk, phone = await office.signed_in(ANN), await office.signed_in(ANN)
    cookie = desk.client.cookies["__Host-leadmail"]
    await desk.get("/mailboxes")
    answer = await desk.post("/sign-out")
    assert "You are signed out." in await desk.follow(answer)
    assert "__Host-leadmail" not in desk.client.cookies
    stolen = office.browser()
    stolen.client.cookies.set("__Host-leadmail", cookie)
    assert (await stolen.get("/mailboxes")).status_code == 303
    assert (await phone.get("/mailboxes")).status_code == 200


async def test_a_session_expires(office: Office) -> None:
    """A session expires even if the browser keeps the cookie."""
    browser = await office.signed_in(ANN)
    sessions = office.life.database["sessions"]
    await sessions.update_many({}, [{"$set": {"until": {"$subtract": ["$$NOW", 1]}}}])
    assert (await browser.get("/mailboxes")).headers["location"].startswith("/sign-in")


async def test_removing_a_user_ends_their_sessions(office: Office) -> None:
    """A removed user is signed out everywhere at once, and their links stop working."""
    browser, link = await office.signed_in(BOB), await office.link(BOB)
    await office.life.database["users"].delete_one({"_id": BOB})
    assert (await browser.get("/mailboxes")).status_code == 401
    assert await office.life.database["sessions"].count_documents({"user": BOB}) == 0
    assert (await office.browser().get(link)).status_code == 404


async def test_rights_are_checked_on_every_request(office: Office) -> None:
    """A user who is no longer an administrator loses access to those pages at once."""
    browser = await office.signed_in(ANN)
    await browser.shows("/operations")
    await office.console.store.users.set_admin(ANN, admin=False, by="operator")
    assert (await browser.get("/operations")).status_code == 404


async def test_signing_in_is_audited(office: Office) -> None:
    """The audit log records who signed in, but not requests for links."""
    await office.signed_in(BOB)
    (entry,) = await office.console.store.audit.newest(action="console")
    assert (entry.action, entry.by, entry.subject) == ("console.sign-in", BOB, f"user:{BOB}")


async def test_cross_site_forms_are_refused(office: Office) -> None:
    """A form without this session's token, or sent by another site, changes nothing."""
    ann, bob = await office.signed_in(ANN), await office.signed_in(BOB)
    account = office.life.boxes[ANN]
    path = f"/mailboxes/{account}"
    await ann.shows(path)
    await bob.shows("/mailboxes")
    wrong: list[httpx.Response] = [
        await ann.client.post(path, data={"do": "pause"}),
        await ann.client.post(path, data={"do": "pause", "token": token_of(bob.last)}),
        await ann.client.post(path, data={"do": "pause", "token": "0" * 64}),
        await ann.client.post(
            path, data={"do": "pause", "token": token_of(ann.last)}, headers={"Origin": "https://evil.example"}
        ),
    ]
    assert [answer.status_code for answer in wrong] == [403] * 4
    assert (await office.console.store.accounts.get(account)).state.value == "active"
    right = await ann.client.post(path, data={"do": "pause", "token": token_of(ann.last)}, headers={"Origin": URL})
    assert right.status_code == 303


async def test_the_sign_in_form_is_bound_to_its_browser(office: Office) -> None:
    """A visitor who is not signed in has their own token, so another site cannot sign them in as another user."""
    path = await office.link(BOB)
    browser, other = office.browser(), office.browser()
    await browser.shows(path)
    await other.shows(path)
    answer = await other.client.post(path, data={"token": token_of(browser.last)})
    assert answer.status_code == 403
    (cookie,) = (await office.browser().get("/sign-in")).headers.get_list("set-cookie")
    assert cookie.startswith("__Host-leadmail-form=")
    assert "SameSite=strict" in cookie


async def test_malformed_forms(office: Office) -> None:
    """Wrong content types, oversized bodies and broken text are client errors, not server errors."""
    browser = await office.signed_in(ANN)
    path = f"/mailboxes/{office.life.boxes[ANN]}"
    answers = [
        await browser.client.post(path, json={"do": "pause"}),
        await browser.client.post(path, data={"do": "x" * 70_000}),
        await browser.client.post(
            path, content=b"do=%ff", headers={"content-type": "application/x-www-form-urlencoded"}
        ),
        await browser.client.put(path, data={}),
    ]
    assert [answer.status_code for answer in answers] == [415, 413, 400, 405]
    assert "page failed" not in office.log.getvalue()


async def test_without_a_mail_server(office: Office) -> None:
    """The page says how to get a link without mail."""
    console = office.console
    object.__setattr__(console, "mails", None)
    assert "leadmail console link" in text_of(await office.browser().shows("/sign-in"))


async def test_the_log_has_no_personal_data(office: Office, mailed: Callable[[str], list[SentMail]]) -> None:
    """Even at level debug no line has an address, link, session, password or mail content; pages appear by pattern."""
    browser = await office.signed_in(ANN)
    link = await office.link(BOB)
    sending = asyncio.create_task(office.console.mails.run())  # type: ignore[union-attr]
    await office.browser().post("/sign-in", address=ANN, to="/")
    await within(lambda: mailed(ANN))
    sending.cancel()
    await office.browser().get(link)
    for path in ("/records?q=carla", "/mail?q=shared", f"/mail/{office.life.written['shared'].key}", "/operations"):
        await browser.shows(path)
    await browser.post(
        "/mailboxes/connect", page="/mailboxes/connect", do="save", address="x@firm.example", imap_host="127.0.0.1",
        imap_port="1", imap_tls="none", no_smtp="1", password="canary-password", mode="public", domains=""
    )  # fmt: skip
    log = office.log.getvalue()
    assert '"page": "/mail/{email}"' in log
    for canary in (
        *(ANN, BOB, "carla", "shared", "canary-password", "firm.example"),
        link.rpartition("/")[2],
        browser.client.cookies["__Host-leadmail"],
    ):
        assert canary not in log


async def test_a_disabled_user_is_notified_at_the_next_request(office: Office) -> None:
    """The session is over for good; enabling the user does not bring it back."""
    store, browser = office.console.store, await office.signed_in(BOB)
    assert (await browser.get("/mailboxes")).status_code == 200
    await store.user_lifecycle.disable(BOB, by=ANN)
    answer = await browser.get("/mailboxes")
    assert (answer.status_code, "disabled or removed your user" in answer.text) == (401, True)
    await store.user_lifecycle.enable(BOB, by=ANN)
    assert (await browser.get("/mailboxes")).status_code == 401
    assert (await browser.get("/sign-in")).status_code == 200
