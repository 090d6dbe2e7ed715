"""Connecting a mailbox by a sign-in at its mail service, in the console, with a real identity server and Dovecot."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from schemas.accounts import AccountState, ProofKind, SealedCredentials
from services.console.sign_ins.mailbox_sign_in import CALLBACK, LASTS
from services.mailbox.connection import OAuth2Credentials, password
from services.settings import ConsoleSettings
from services.store import now
from services.usecases.connecting import login, saving
from services.usecases.connecting.login import Login
from services.usecases.connecting.saving import AccountSaver, NewAccount
from testbed.identity.part import IdentityServer
from tests.conftest import MailUser
from tests.console.fixtures import ANN, BOB, URL, Browser, Office, open_office, set_up_company, text_of
from tests.matcher.histories.history import History

START = "/mailboxes/sign-in/generic"


@pytest.fixture
async def office(life: History, sign_in_settings: ConsoleSettings) -> AsyncIterator[Office]:
    """The company, with the identity server as its own sign-in service."""
    await set_up_company(life)
    async with open_office(life, sign_in_settings, None) as opened:
        # The tests' identity server sends browsers back to this machine only.
        local = opened.console.settings.model_copy(update={"console_url": "https://localhost:8443"})
        object.__setattr__(opened.console, "settings", local)
        yield opened


@pytest.fixture
def user(new_mail_user: Callable[..., MailUser]) -> MailUser:
    """Whose mailbox it is."""
    return new_mail_user("ann")


def back(identity: IdentityServer, url: str, user: MailUser, *, deny: bool = False) -> str:
    """Act as the browser at the service; returns the path on which it comes back."""
    found = urlsplit(identity.sign_in(url, user.address, user.password, deny=deny))
    assert f"{found.scheme}://{found.netloc}{found.path}" == f"https://localhost:8443{CALLBACK}"
    return f"{found.path}?{found.query}"


async def post(browser: Browser, path: str, **fields: str) -> httpx.Response:
    """Submit the form that the browser shows."""
    browser.client.headers["origin"] = "https://localhost:8443"
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', browser.last))
    return await browser.client.post(path, data={**hidden, **fields})


async def connected(office: Office, identity: IdentityServer, user: MailUser) -> Browser:
    """Return Ann's browser after she connected a mailbox by a sign-in."""
    browser = await office.signed_in(ANN)
    url = (await browser.get(START)).headers["location"]
    await browser.shows(back(identity, url, user))
    answer = await post(browser, CALLBACK, mode="public", domains="")
    assert answer.status_code == 303, answer.text
    return browser


async def test_connecting(office: Office, identity: IdentityServer, user: MailUser) -> None:
    """The connect page offers the service; the browser goes there and comes back; the user chooses who sees the mail."""
    browser = await office.signed_in(ANN)
    assert "Continue with Example" in text_of(await browser.shows("/mailboxes/connect"))
    answer = await browser.get(f"{START}?address={user.address}")
    assert answer.status_code == 303
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["login_hint"] == [user.address]
    assert asked["redirect_uri"] == [f"https://localhost:8443{CALLBACK}"]
    path = back(identity, answer.headers["location"], user)
    page = await browser.shows(path)
    assert f"Connect {user.address}" in text_of(page)
    assert user.address not in {one.address for one in await office.console.store.accounts.get_all()}
    wrong = await post(browser, CALLBACK, mode="", domains="")
    assert (wrong.status_code, "Choose who may see the mail." in wrong.text) == (422, True)
    browser.last = wrong.text
    answer = await post(browser, CALLBACK, mode="private", domains="")
    assert "Your mailbox is connected" in await browser.follow(answer)
    account = await office.console.store.accounts.find(user.address)
    assert (account.owner, account.proof_of(user.address)) == (ANN, ProofKind.OAUTH)
    assert account.grant
    assert (await browser.get(path)).status_code == 400, "a state works once"
    assert (await post(browser, CALLBACK, mode="private", domains="")).status_code == 400
    page = await browser.shows(f"/mailboxes/{account.id}")
    assert "Sign in again" in page
    assert "New password" not in page
    assert "code=" not in office.log.getvalue()


async def test_a_state_is_its_sessions_own(office: Office, identity: IdentityServer, user: MailUser) -> None:
    """Another user who is given the link connects nothing, and neither does a forged state."""
    ann, bob = await office.signed_in(ANN), await office.signed_in(BOB)
    path = back(identity, (await ann.get(START)).headers["location"], user)
    for stranger in (path, path.replace("state=", "state=x"), f"{CALLBACK}?code=1", CALLBACK):
        answer = await bob.get(stranger)
        assert (answer.status_code, "was started in another browser" in answer.text) == (400, True)
    assert (await office.browser().get(path)).headers["location"].startswith("/sign-in?to=")
    assert (await ann.get(path)).status_code == 200


async def test_what_the_service_refuses_is_a_page(office: Office, identity: IdentityServer, user: MailUser) -> None:
    """A user who declines, a service that is down, another mailbox than the typed one: each in plain words."""
    browser = await office.signed_in(ANN)
    declined = await browser.get(back(identity, (await browser.get(START)).headers["location"], user, deny=True))
    assert (declined.status_code, "asks you to allow Leadmail" in text_of(declined.text)) == (422, True)
    path = back(identity, (await browser.get(START)).headers["location"], user)
    with identity.fault("token", status=503):
        down = await browser.get(path)
    assert (down.status_code, "is not available at the moment" in text_of(down.text)) == (422, True)
    path = back(identity, (await browser.get(f"{START}?address=other@example.test")).headers["location"], user)
    other = await browser.get(path)
    assert (other.status_code, "not as other@example.test" in text_of(other.text)) == (409, True)
    assert 'name="address" type="email" value="other@example.test"' in other.text, "what was typed is lost"
    path = back(identity, (await browser.get(START)).headers["location"], user) + "&iss=https%3A%2F%2Fevil.example"
    assert (await browser.get(path)).status_code == 422
    path = back(identity, (await browser.get(START)).headers["location"], user)
    identity.set(claims={"email_verified": "False"})
    unproven = await browser.get(path)
    identity.set(claims={})
    assert (unproven.status_code, user.address in office.log.getvalue()) == (422, False)
    assert user.address not in {one.address for one in await office.console.store.accounts.get_all()}
    assert (await browser.get("/mailboxes/sign-in/nowhere")).status_code == 404


async def test_signing_in_again(
    *, office: Office, identity: IdentityServer, user: MailUser, new_mail_user: Callable[..., MailUser]
) -> None:
    """The page that the mail links to signs in again; the mailbox continues. Another user's mailbox is out of reach."""
    browser = await connected(office, identity, user)
    store = office.console.store
    account = await store.accounts.find(user.address)
    await store._collections.accounts.update_one(
        {"_id": account.id}, {"$set": {"state": "blocked", "reason": "consent-revoked"}}
    )
    assert "was withdrawn" in text_of(await browser.shows(f"/mailboxes/{account.id}"))
    page = await browser.shows(f"/mailboxes/{account.id}/sign-in")
    (start,) = [unescape(one) for one in re.findall(r'href="(/mailboxes/sign-in/[^"]+)"', page)]
    wrong = await browser.get(back(identity, (await browser.get(start)).headers["location"], new_mail_user()))
    assert (wrong.status_code, "but this mailbox is" in text_of(wrong.text)) == (403, True)
    answer = await browser.get(back(identity, (await browser.get(start)).headers["location"], user))
    assert "the login works" in await browser.follow(answer)
    after = await store.accounts.get(account.id)
    assert (after.state, after.reason, after.grant != account.grant) == (AccountState.ACTIVE, None, True)
    bob = await office.signed_in(BOB)
    assert (await bob.get(start)).status_code == 404
    assert (await bob.get(f"/mailboxes/{account.id}/sign-in")).status_code == 404


async def test_other_servers_keep_tokens_that_rotated_meanwhile(
    office: Office, identity: IdentityServer, user: MailUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A poller refreshes the tokens while the login is tried: the service knows only the new ones, and they stay."""
    await connected(office, identity, user)
    console = office.console
    account = await console.store.accounts.find(user.address)
    tried = login.check_login

    async def slowly(*arguments: Any) -> Any:
        result = await tried(*arguments)
        before = console.box.open(account.id, account.credentials)
        assert isinstance(before, OAuth2Credentials)
        rotated = before.model_copy(update={"refresh_token": SecretStr("rotated")})
        sealed = console.box.seal(account.id, rotated)
        assert await console.store.account_tokens.save(account, sealed, refresh_at=account.refresh_at, lease=None)
        return result

    monkeypatch.setattr(saving, "check_login", slowly)
    saver = AccountSaver(console.store, console.box, console.revoker, console.policy, ANN)
    result = await saver.change_login(account, Login(account.incoming, None, None), console.tokens)
    after = await console.store.accounts.get(account.id)
    credentials = console.box.open(after.id, after.credentials)
    assert isinstance(credentials, OAuth2Credentials)
    assert (result.ok, credentials.refresh_token) == (True, SecretStr("rotated"))
    assert (after.outgoing, after.grant, after.refresh_at) == (None, account.grant, account.refresh_at)


async def test_disconnecting_revokes(office: Office, identity: IdentityServer, user: MailUser) -> None:
    """The service forgets the permission."""
    browser = await connected(office, identity, user)
    account = await office.console.store.accounts.find(user.address)
    assert user.address in identity.signed_in()
    await browser.shows(f"/mailboxes/{account.id}/remove")
    assert (await post(browser, f"/mailboxes/{account.id}/remove", do="disconnect")).status_code == 303
    assert user.address not in identity.signed_in()


async def test_a_password_instead_of_a_sign_in_revokes(
    office: Office, identity: IdentityServer, user: MailUser
) -> None:
    """By the page for a password, and by the one for another login."""
    for page in ("password", "login"):
        browser = await connected(office, identity, user)
        account = await office.console.store.accounts.find(user.address)
        await browser.shows(f"/mailboxes/{account.id}/{page}")
        servers = {f"imap_{name}": str(getattr(account.incoming, name)) for name in ("host", "port", "tls")}
        more = {"no_smtp": "1", **servers} if page == "login" else {}
        answer = await post(browser, f"/mailboxes/{account.id}/{page}", password=user.password, **more)
        assert answer.status_code == 303, answer.text
        assert (await office.console.store.accounts.get(account.id)).grant == ""
        assert user.address not in identity.signed_in()
        await office.console.store.removal.purge(account.id, by=ANN)


@pytest.mark.parametrize("by_sign_in", [False, True])
async def test_a_displaced_mailbox_leaves_no_tokens(
    *, office: Office, identity: IdentityServer, user: MailUser, monkeypatch: pytest.MonkeyPatch, by_sign_in: bool
) -> None:
    """They are revoked, but not after a sign-in at the same service, which might end with them."""
    await connected(office, identity, user)
    console = office.console
    account = await console.store.accounts.find(user.address)
    await console.store._collections.accounts.update_one({"_id": account.id}, {"$set": {"proofs.0.how": "code"}})

    async def declared(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(saving, "is_declared", declared)
    credentials = console.box.open(account.id, account.credentials) if by_sign_in else password(user.password)
    new = NewAccount(BOB, user.address, (), None, account.incoming, None, credentials, account.sharing)
    await AccountSaver(console.store, console.box, console.revoker, console.policy, BOB).save(new)
    assert (await console.store.accounts.get(account.id)).state is AccountState.DISCONNECTED
    assert (user.address in identity.signed_in()) is by_sign_in


async def test_a_mailbox_that_was_transferred_meanwhile(
    office: Office, identity: IdentityServer, user: MailUser
) -> None:
    """Its former owner's sign-in is not saved."""
    browser = await connected(office, identity, user)
    store = office.console.store
    before = await store.accounts.find(user.address)
    path = back(identity, (await browser.get(f"{START}?account={before.id}")).headers["location"], user)
    await store._collections.accounts.update_one({"_id": before.id}, {"$set": {"owner": BOB}})
    assert (await browser.get(path)).status_code == 404
    after = await store.accounts.get(before.id)
    assert (after.grant, after.credentials) == (before.grant, before.credentials)


async def test_a_service_that_is_not_set_up(office: Office) -> None:
    """The page for Outlook says what the operator has to set."""
    browser = await office.signed_in(ANN)
    page = text_of(await browser.shows("/mailboxes/connect?service=outlook"))
    assert "set LEADMAIL_MICROSOFT_CLIENT_ID" in page
    assert "Continue with" not in page
    assert URL not in page


async def _everything(of: Office) -> str:
    """Return all that the database holds, as text."""
    database = of.life.database
    return str([[one async for one in database[name].find()] for name in await database.list_collection_names()])


async def _pending(of: Office) -> list[dict[str, Any]]:
    """Return the sign-ins that are not finished."""
    return [one async for one in of.life.database["pending_sign_ins"].find()]


async def test_who_never_chooses_who_sees_the_mail(office: Office, identity: IdentityServer, user: MailUser) -> None:
    """The tokens are readable nowhere, MongoDB removes them after a quarter of an hour, and no page uses them then."""
    browser = await office.signed_in(ANN)
    await browser.shows(back(identity, (await browser.get(START)).headers["location"], user))
    (left,) = await _pending(office)
    kept = left["details"]
    tokens = office.console.box.open(kept["sealed_for"], SealedCredentials.model_validate(kept["sealed"]))
    assert isinstance(tokens, OAuth2Credentials)
    assert tokens.refresh_token is not None
    stored = await _everything(office) + office.log.getvalue()
    for secret in (tokens.access_token, tokens.refresh_token):
        assert secret.get_secret_value() not in stored
    assert timedelta() < left["until"].replace(tzinfo=UTC) - now() <= LASTS
    indexes = await office.life.database["pending_sign_ins"].index_information()
    assert {"until": 0} in [{one["key"][0][0]: one.get("expireAfterSeconds")} for one in indexes.values()]
    await office.life.database["pending_sign_ins"].update_one({}, {"$set": {"until": now()}})
    assert (await post(browser, CALLBACK, mode="public", domains="")).status_code == 400
    assert user.address not in {one.address for one in await office.console.store.accounts.get_all()}


@pytest.mark.parametrize("why", ["another address", "the login fails"])
async def test_what_cannot_be_connected(office: Office, identity: IdentityServer, user: MailUser, why: str) -> None:
    """Of a sign-in to another mailbox than the typed one, or to one that the mail server refuses, nothing is kept at all."""
    browser = await office.signed_in(ANN)
    start = f"{START}?address=other@firm.example" if why == "another address" else START
    path = back(identity, (await browser.get(start)).headers["location"], user)
    if why == "the login fails":
        identity.set(faults={"introspect": {"status": 500}})
    assert (await browser.get(path)).status_code in {409, 422}
    assert await _pending(office) == []
    assert user.address not in {one.address for one in await office.console.store.accounts.get_all()}
