"""Shared mailboxes in the console: connected with a password or by a member's sign-in, and their members."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from schemas.accounts import AccountState
from schemas.identity import team_of
from services.console.sign_ins.mailbox_sign_in import CALLBACK
from services.settings import ConsoleSettings
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from tests.console.fixtures import ANN, BOB, EVE, ZOE, Browser, Office, open_office, set_up_company, text_of
from tests.console.test_mailbox_sign_in import START, back, post
from tests.console.test_mailboxes import form_of
from tests.console.test_reading import email
from tests.matcher.histories.history import History

CONNECT = "/mailboxes/connect"


@pytest.fixture
def box(new_mail_user: Callable[..., Any]) -> Any:
    """The shared mailbox on the real server."""
    return new_mail_user("sales")


async def connected(office: Office, servers: LocalServers, box: Any, *, by: str, members: str) -> tuple[Browser, str]:
    """Connect the shared mailbox; return the browser and the path of its pages."""
    browser = await office.signed_in(by)
    fields = form_of(box, servers, mode="private", shared="1", members=members)
    assert "Your mailbox is connected" in await browser.follow(await browser.post(CONNECT, page=CONNECT, **fields))
    return browser, f"/mailboxes/{(await office.console.store.accounts.find(box.address)).id}"


async def test_connecting(office: Office, servers: LocalServers, box: Any) -> None:
    """It belongs to the user who connects it and to those who were named. Both see its pages, and nobody else."""
    browser = await office.signed_in(BOB)
    page = await browser.post(CONNECT, page=CONNECT, do="find", address=box.address)
    assert 'name="shared"' in page.text
    typed = form_of(box, servers, shared="1", members="nobody@firm.example")
    wrong = await browser.post(CONNECT, page=CONNECT, **typed)
    assert (wrong.status_code, "nobody@firm.example is no active user" in text_of(wrong.text)) == (422, True)
    assert 'value="nobody@firm.example"' in wrong.text
    browser, path = await connected(office, servers, box, by=BOB, members=f"{EVE.upper()}; {BOB}")
    account = await office.console.store.accounts.find(box.address)
    assert (account.owner, account.members) == (team_of(account.id), (BOB, EVE))
    for member in (BOB, EVE):
        theirs = await office.signed_in(member)
        assert f"A mailbox of {BOB}, {EVE}" in text_of(await theirs.shows("/mailboxes"))
        for more in (
            "",
            "/messages",
            "/sharing",
            "/password",
            "/login",
            "/folders",
            "/addresses",
            "/members",
            "/remove",
        ):
            await theirs.shows(path + more)
    for other in (ANN, ZOE):
        stranger = await office.signed_in(other)
        assert box.address not in await stranger.shows("/mailboxes")
        for more in ("", "/messages", "/sharing", "/password", "/login", "/folders", "/addresses", "/remove"):
            assert (await stranger.get(path + more)).status_code == 404
    assert (await stranger.get(path + "/members")).status_code == 404
    again = await browser.post(CONNECT, page=CONNECT, **form_of(box, servers))
    assert (again.status_code, "is already connected" in again.text) == (409, True)


async def test_a_users_own_address(office: Office, servers: LocalServers, box: Any) -> None:
    """It is nobody's to share."""
    await office.console.store.users.add(box.address)
    browser = await office.signed_in(BOB)
    refused = await browser.post(CONNECT, page=CONNECT, **form_of(box, servers, shared="1", members=EVE))
    assert (refused.status_code, "is the address of a user" in text_of(refused.text)) == (403, True)
    assert await office.console.store.accounts.connected(box.address) is None


async def test_members_join_and_leave(office: Office, servers: LocalServers, box: Any) -> None:
    """A member or an administrator changes them; who left finds no page any more, and one stays."""
    browser, path = await connected(office, servers, box, by=BOB, members=EVE)
    here, store = f"{path}/members", office.console.store
    assert f'href="{here}"' in await browser.shows(path)
    for fields, why in (({"more": "nobody@firm.example"}, "no active user"), ({"more": "nobody"}, "not an e-mail")):
        wrong = await browser.post(here, page=here, do="add", **fields)
        assert (wrong.status_code, why in text_of(wrong.text)) == (422, True), text_of(wrong.text)
    administrator = await office.signed_in(ANN)
    assert f'href="{here}"' in await administrator.shows("/operations/users")
    await administrator.follow(await administrator.post(here, page=here, do="add", more=ZOE))
    zoe = await office.signed_in(ZOE)
    await zoe.shows(path)
    left = await zoe.post(here, page=here, do="remove", member=ZOE)
    assert left.headers["location"] == "/mailboxes?flash=members"
    assert (await zoe.get(path)).status_code == 404
    assert (await zoe.post(here, page="/mailboxes", do="add", more=ZOE)).status_code == 404
    await browser.follow(await browser.post(here, page=here, do="remove", member=EVE))
    assert (await store.accounts.find(box.address)).members == (BOB,)
    refused = await browser.post(here, page=here, do="remove", member=BOB)
    assert (refused.status_code, "needs a member" in text_of(refused.text)) == (422, True)
    entries = [(one.by, one.details["after"]) for one in await store.audit.newest(action="account.members")]
    assert entries == [(BOB, [BOB]), (ZOE, [BOB, EVE]), (ANN, [BOB, EVE, ZOE])]


async def test_an_own_mailbox_becomes_shared(office: Office, servers: LocalServers, box: Any) -> None:
    """By its owner only. A user's personal mailbox does not."""
    browser = await office.signed_in(BOB)
    await browser.follow(await browser.post(CONNECT, page=CONNECT, **form_of(box, servers)))
    account = await office.console.store.accounts.find(box.address)
    here = f"/mailboxes/{account.id}/members"
    assert (await (await office.signed_in(ANN)).get(here)).status_code == 404
    before = text_of(await browser.shows(here))
    assert "It is yours alone" in before
    assert "They see all of its mail, older mail and what was kept private of it, too" in before
    assert EVE in text_of(await browser.follow(await browser.post(here, page=here, do="add", more=EVE)))
    assert (await office.console.store.accounts.find(box.address)).members == (BOB, EVE)
    own = f"/mailboxes/{office.life.boxes[BOB]}/members"
    refused = await browser.post(own, page=own, do="add", more=EVE)
    assert (refused.status_code, "is the address of a user" in text_of(refused.text)) == (422, True)


async def test_a_shared_mailbox_becomes_an_own_one(office: Office, servers: LocalServers, box: Any) -> None:
    """A member makes it one user's alone; the others find no page any more. Who may not change members may not do this either."""
    browser, path = await connected(office, servers, box, by=BOB, members=EVE)
    here, store = f"{path}/members", office.console.store
    assert "Make it mine alone" in text_of(await browser.shows(here))
    zoe = await office.signed_in(ZOE)
    assert (await zoe.post(here, page="/mailboxes", do="own", member=ZOE)).status_code == 404
    refused = await browser.post(here, page=here, do="own", member="nobody@firm.example")
    assert (refused.status_code, "no active user" in text_of(refused.text)) == (422, True)
    left = await browser.post(here, page=here, do="own", member=EVE)
    assert left.headers["location"] == "/mailboxes?flash=members"
    assert (await browser.get(path)).status_code == 404
    eve = await office.signed_in(EVE)
    assert "It is yours alone" in text_of(await eve.shows(here))
    assert "alone</button>" not in await eve.shows(here)
    account = await store.accounts.find(box.address)
    assert (account.owner, account.members) == (EVE, ())


async def test_what_a_team_keeps_private_elsewhere(office: Office, servers: LocalServers, box: Any) -> None:
    """It says nothing of a member's own copy: what the former owner kept private goes along, mail that the team lacks, too."""
    browser, path = await connected(office, servers, box, by=ANN, members=BOB)
    shared, store = email(office, "shared"), office.console.store
    await store.withdrawals.add(team_of(path.removeprefix("/mailboxes/")), "email", shared.removeprefix("/mail/"))
    assert "Keep this email private" in text_of(await browser.shows(shared))
    await browser.follow(await browser.post(f"{shared}/sharing", page=shared, what="email", do="private"))
    assert "You keep this email private" in text_of(await browser.shows(shared))


async def test_operations_name_the_members(office: Office, servers: LocalServers, box: Any) -> None:
    """The administrator's table has no internal name; removing the last member asks what becomes of it."""
    await connected(office, servers, box, by=BOB, members="")
    administrator = await office.signed_in(ANN)
    page = text_of(await administrator.shows("/operations"))
    assert (f"shared: {BOB}" in page, "team:" in page) == (True, False)
    assert "2 mailboxes" in text_of(await administrator.shows(f"/operations/users/{BOB}"))
    store = office.console.store
    await store.user_lifecycle.disable(BOB, by=ANN)
    assert (await store.accounts.find(box.address)).state is AccountState.PAUSED


@pytest.fixture
async def signing(life: History, sign_in_settings: ConsoleSettings) -> AsyncIterator[Office]:
    """The company, with the identity server as its own sign-in service."""
    await set_up_company(life)
    async with open_office(life, sign_in_settings, None) as opened:
        local = opened.console.settings.model_copy(update={"console_url": "https://localhost:8443"})
        object.__setattr__(opened.console, "settings", local)
        yield opened


async def test_a_members_sign_in(
    signing: Office, identity: IdentityServer, box: Any, new_mail_user: Callable[..., Any]
) -> None:
    """Ann signs in as herself, and the service lets her into the shared mailbox. It cannot become her own one."""
    ann, store = new_mail_user("ann"), signing.console.store
    browser = await signing.signed_in(ANN)
    start = f"{START}?address={box.address}&shared=1"
    refused = await browser.get(back(identity, (await browser.get(start)).headers["location"], ann))
    assert refused.status_code == 422, "the service does not let her in"
    identity.set(opens={ann.address: box.address})
    answer = await browser.get(start)
    assert "login_hint" not in answer.headers["location"]
    page = await browser.shows(back(identity, answer.headers["location"], ann))
    assert f"Connect {box.address}" in text_of(page)
    assert re.search(r'name="shared" value="1" checked', page)
    alone = await post(browser, CALLBACK, mode="private", domains="")
    assert (alone.status_code, "can only be a shared mailbox" in text_of(alone.text)) == (422, True)
    browser.last = alone.text
    saved = await post(browser, CALLBACK, mode="private", domains="", shared="1", members=EVE)
    assert saved.status_code == 303, saved.text
    account = await store.accounts.find(box.address)
    assert (account.members, account.incoming.username, account.proofs) == ((ANN, EVE), box.address, ())
    eve = await signing.signed_in(EVE)
    other = new_mail_user("eve")
    again = (await eve.get(f"{START}?account={account.id}")).headers["location"]
    assert (await eve.get(back(identity, again, other))).status_code == 422, "the service does not let Eve in"
    identity.set(opens={other.address: box.address})
    again = (await eve.get(f"{START}?account={account.id}")).headers["location"]
    assert (await eve.get(back(identity, again, other))).status_code == 303
    assert (await store.accounts.get(account.id)).grant != account.grant


async def test_nobody_opens_a_users_mailbox_so(
    signing: Office, identity: IdentityServer, box: Any, new_mail_user: Callable[..., Any]
) -> None:
    """Not even where the mail service would let them in, as an assistant."""
    ann = new_mail_user("ann")
    await signing.console.store.users.add(box.address)
    identity.set(opens={ann.address: box.address})
    browser = await signing.signed_in(ANN)
    start = f"{START}?address={box.address}&shared=1"
    refused = await browser.get(back(identity, (await browser.get(start)).headers["location"], ann))
    assert (refused.status_code, "is the address of a user" in text_of(refused.text)) == (403, True)
    assert f'name="address" type="email" value="{box.address}"' in refused.text, "what was typed is lost"
