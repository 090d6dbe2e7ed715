"""Signing in at the company's identity provider: a real one, honest browsers, and others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from schemas.accounts import User
from services.console.pages import sign_in
from services.console.web.company_sign_in import CompanySignIn
from services.runtime.environment import SettingsError
from services.settings import ConsoleSettings
from services.store import ChangedMeanwhileError
from services.usecases import provisioning
from services.usecases.provisioning import NotAdmittedError
from services.usecases.signing import Signer
from services.wiring import make_policy
from testbed.identity.part import CLIENT_ID, CLIENT_SECRET, IdentityServer
from tests.console.fixtures import ANN, BOB, EVE, ZOE, Browser, Office, open_office, set_up_company, text_of
from tests.matcher.histories.history import History

NEW = "new@firm.example"


@dataclass
class Company:
    """A console whose users sign in at an identity provider, and one person's account there."""

    office: Office
    identity: IdentityServer
    address: str
    password: str = field(repr=False)

    def use(self, **settings: Any) -> None:
        """Change settings of the console."""
        console = self.office.console
        object.__setattr__(console, "settings", console.settings.model_copy(update=settings))

    async def start(self, browser: Browser, to: str = "/") -> str:
        """Begin in a browser, and return where it is sent."""
        answer = await browser.get(f"/sign-in/company?to={quote(to, safe='')}")
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def back(self, url: str, **options: Any) -> str:
        """Sign in at the identity provider, and return the page to which it sends the browser."""
        found = await asyncio.to_thread(self.identity.sign_in, url, self.address, self.password, **options)
        return found.removeprefix("https://localhost:8443")

    async def signs_in(self, browser: Browser | None = None, to: str = "/", **claims: Any) -> httpx.Response:
        """Sign in with an account of these claims, and return the console's answer."""
        claims = {"sub": f"sub of {claims.get('email')}", **claims}
        await asyncio.to_thread(self.identity.set, claims=claims)
        browser = browser or self.office.browser()
        return await browser.get(await self.back(await self.start(browser, to)))

    async def user(self, email: str) -> User:
        """Return a user as stored."""
        return await self.office.console.store.users.get(email)


@pytest.fixture
async def company(
    life: History, settings: ConsoleSettings, identity: IdentityServer, new_mail_user: Callable[..., Any]
) -> AsyncIterator[Company]:
    """The office, with an identity provider."""
    await set_up_company(life)
    person = new_mail_user("person")
    update = {
        "console_url": "https://localhost:8443",  # the identity server sends browsers back to this machine only
        "oidc_issuer": identity.issuer,
        "oidc_name": "Example <Inc.>",
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SecretStr(CLIENT_SECRET),
    }
    async with open_office(life, settings.model_copy(update=update), None) as office:
        yield Company(office, identity, person.address, person.password)


async def test_signing_in(company: Company) -> None:
    """The button leads to the provider and back to the page that the visitor wanted; nothing of it stays in the browser."""
    browser = company.office.browser()
    asked = await browser.get("/records?q=carla")
    page = await browser.shows(asked.headers["location"])
    assert "Continue with Example &lt;Inc.&gt;" in page
    assert 'href="/sign-in/company?to=%2Frecords%3Fq%3Dcarla"' in page
    entered = await company.signs_in(browser, "/records?q=carla", email=BOB.upper())
    assert (entered.status_code, entered.headers["location"]) == (303, "/records?q=carla")
    (cookie,) = [one for one in entered.headers.get_list("set-cookie") if one.startswith("__Host-leadmail=")]
    for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=28800"):
        assert flag in cookie
    assert "__Host-leadmail-flow" not in browser.client.cookies
    assert BOB in await browser.follow(entered)
    (entry,) = await company.office.console.store.audit.newest(action="console")
    assert (entry.action, entry.by, entry.details) == ("console.sign-in", BOB, {"how": "oidc"})
    documents = str(await company.office.life.database["sessions"].find().to_list())
    assert browser.client.cookies["__Host-leadmail"] not in documents


async def test_the_request_is_bound(company: Company) -> None:
    """PKCE with S256, a nonce and a state, new each time; the cookie is for this browser, and for ten minutes."""
    browser = company.office.browser()
    first, second = [parse_qs(urlsplit(await company.start(browser)).query) for _ in range(2)]
    assert (first["code_challenge_method"], first["response_type"]) == (["S256"], ["code"])
    assert first["redirect_uri"] == ["https://localhost:8443/sign-in/callback"]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]
        assert len(first[name][0]) >= 43
    (cookie,) = (await browser.get("/sign-in/company")).headers.get_list("set-cookie")[:1]
    for flag in ("__Host-leadmail-flow=", "HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert flag in cookie


async def test_who_is_not_admitted(company: Company) -> None:
    """Only users come in, with an address that the provider vouches for; all others learn what to do, and no session starts."""
    await company.office.console.store.user_lifecycle.disable(EVE, by=ANN)
    company.use(oidc_domains=("firm.example",))
    refused: list[tuple[dict[str, Any], str]] = [
        ({"email": NEW}, "is not a user of Leadmail"),
        ({"email": EVE}, "is not a user of Leadmail"),
        ({"email": BOB, "email_verified": False}, "is not verified"),
        ({"email": BOB, "email_verified": "false"}, "is not verified"),
        ({"email": BOB, "email_verified": None}, "is not verified"),
        ({"email": ""}, "has no email address"),
        ({"email": [BOB]}, "has no email address"),
        ({"email": "bob@firm.example.evil.example"}, "cannot sign in here"),
        ({"email": "bob@notfirm.example"}, "cannot sign in here"),
    ]
    for claims, sentence in refused:
        answer = await company.signs_in(**claims)
        assert (answer.status_code, sentence in text_of(answer.text)) == (403, True), (claims, text_of(answer.text))
    assert await company.office.life.database["sessions"].count_documents({}) == 0
    assert (await company.signs_in(email=BOB)).status_code == 303


async def test_an_address_that_was_theirs_once(company: Company) -> None:
    """At Google, only an account that the company manages counts: others keep an address after their owner has left."""
    store, settings = company.office.console.store, company.office.console.settings
    google = {"iss": "https://accounts.google.com", "sub": "1", "email": BOB, "email_verified": True}
    for more in ({}, {"hd": ""}, {"hd": None}):
        with pytest.raises(NotAdmittedError):
            await provisioning.admit(store, {**google, **more}, settings)
    for managed in ("firm.example", "main-domain.example"):
        assert (await provisioning.admit(store, {**google, "hd": managed}, settings)).email == BOB


async def test_an_address_that_another_tenant_wrote(company: Company) -> None:
    """At Entra, a guest's address counts only if its domain's owner verified it: other tenants can write any address."""
    store, settings = company.office.console.store, company.office.console.settings
    issuer, own, other = "https://login.microsoftonline.com/t-1/v2.0", "https://sts.windows.net/t-1/", "t-2"
    entra = {"iss": issuer, "tid": "t-1", "sub": "1", "oid": "o", "email": BOB}
    for guest in (
        {"idp": f"https://sts.windows.net/{other}/"},
        {"idp": "live.com"},
        {"acct": 1},
        {"xms_edov": False},
        {"xms_edov": "0", "idp": own},
    ):
        with pytest.raises(NotAdmittedError, match="guest"):
            await provisioning.admit(store, {**entra, **guest}, settings)
    for member in ({}, {"idp": own}, {"idp": issuer, "acct": 0}, {"idp": "live.com", "xms_edov": True}):
        assert (await provisioning.admit(store, {**entra, **member}, settings)).email == BOB
    elsewhere = {"iss": "https://id.firm.example", "sub": "1", "idp": "local", "email": BOB}
    assert (await provisioning.admit(store, elsewhere, settings)).email == BOB


async def test_an_address_that_looks_like_anothers(company: Company) -> None:
    """The Kelvin sign in lower case is a k: an account with it is not the user's whose address has a k."""
    store, settings = company.office.console.store, company.office.console.settings
    await store.users.add("kim@firm.example")
    with pytest.raises(NotAdmittedError):
        await provisioning.admit(store, {"iss": "x", "sub": "1", "email": "\N{KELVIN SIGN}im@firm.example"}, settings)
    assert (
        await provisioning.admit(store, {"iss": "x", "sub": "1", "email": "KIM@Firm.example"}, settings)
    ).admin is False


async def test_an_address_that_someone_else_gets(company: Company) -> None:
    """The first sign-in binds a user to one account. Whoever gets the address later is refused until an administrator lets them in."""
    store = company.office.console.store
    assert (await company.signs_in(email=BOB, sub="bob-1")).status_code == 303
    refused = await company.signs_in(email=BOB, sub="bob-2")
    assert (refused.status_code, "belonged to another account" in text_of(refused.text)) == (403, True)
    assert await company.office.life.database["sessions"].count_documents({}) == 1
    assert (await company.signs_in(email=BOB, sub="bob-1")).status_code == 303
    await store.identities.unbind(BOB, by=ANN)
    assert (await company.signs_in(email=BOB, sub="bob-2")).status_code == 303
    assert (await company.signs_in(email=BOB, sub="bob-1")).status_code == 403
    entries = await store.audit.newest(action="user.identity")
    assert [(one.by, one.details["bound"]) for one in entries] == [("oidc", True), (ANN, False), ("oidc", True)]


async def test_unbinding_in_the_console(company: Company) -> None:
    """Administrators unbind a user after they typed the address; the audit log names them. Others cannot."""
    office, store = company.office, company.office.console.store
    path = f"/operations/users/{BOB}"
    boss = await office.signed_in(ANN)
    assert "Unbind" not in await boss.shows(path)
    former = office.browser()
    assert (await company.signs_in(former, email=BOB, sub="bob-1")).status_code == 303
    await former.shows("/records")
    unconfirmed = await boss.post(path, page=path, do="unbind", confirm=ANN)
    assert unconfirmed.status_code == 400
    stranger = await office.signed_in(EVE)
    assert (await stranger.post(path, page="/mailboxes", do="unbind", confirm=BOB)).status_code == 404
    assert (await company.signs_in(email=BOB, sub="bob-2")).status_code == 403
    page = await boss.follow(await boss.post(path, page=path, do="unbind", confirm=BOB))
    assert ("can sign in by another account" in page, "Unbind the user" in page) == (True, False)
    assert (await former.get("/records")).status_code != 200, "the account that counted until then is out"
    assert (await company.signs_in(email=BOB, sub="bob-2")).status_code == 303
    entries = await store.audit.newest(action="user.identity")
    assert [(one.by, one.details["bound"]) for one in entries] == [("oidc", True), (ANN, False), ("oidc", True)]


async def test_subjects_with_spaces(company: Company) -> None:
    """Some providers name accounts as directories do. Of two such accounts, too, the one that got the address later is refused."""
    store, settings = company.office.console.store, company.office.console.settings
    first = {"iss": "https://id.firm.example", "sub": "cn=Bob Jones,o=Firm", "email": BOB}
    assert (await provisioning.admit(store, first, settings)).email == BOB
    with pytest.raises(NotAdmittedError, match="another account"):
        await provisioning.admit(store, {**first, "sub": "cn=Robert Jones,o=Firm"}, settings)
    assert (await provisioning.admit(store, first, settings)).email == BOB


async def test_a_person_whose_address_changes(company: Company) -> None:
    """They stay the user whom they were, whatever address their account has now; one who is disabled stays out."""
    store = company.office.console.store
    await company.signs_in(email=BOB, sub="bob-1")
    browser = company.office.browser()
    entered = await company.signs_in(browser, "/records", email="robert@firm.example", sub="bob-1")
    assert BOB in await browser.follow(entered)
    await company.signs_in(email=EVE, sub="eve-1")
    await store.user_lifecycle.disable(EVE, by=ANN)
    for email in (EVE, NEW, BOB):
        assert (await company.signs_in(email=email, sub="eve-1")).status_code == 403


async def test_whose_account_it_is(company: Company) -> None:
    """Another issuer is another provider, whose accounts count anew; at Microsoft the account's own id counts, not the application's."""
    store, settings = company.office.console.store, company.office.console.settings
    entra = {"iss": "https://login.microsoftonline.com/t-1/v2.0", "tid": "t-1", "email": BOB}
    for claims in (
        {**entra, "sub": "of app 1", "oid": "bob"},
        {**entra, "sub": "of app 2", "oid": "bob"},
        {"iss": "https://id.firm.example", "sub": "bob", "email": BOB},
    ):
        assert (await provisioning.admit(store, claims, settings)).email == BOB
    nobodies: tuple[dict[str, str | None], ...] = ({"sub": ""}, {"sub": None}, {"sub": "x" * 256})
    for nobody in nobodies:
        with pytest.raises(NotAdmittedError, match="which account"):
            await provisioning.admit(store, {"iss": "https://id.firm.example", "email": ANN, **nobody}, settings)


async def test_one_account_is_one_users(company: Company) -> None:
    """Of sign-ins at the same time, one binds an account; and a user who changed meanwhile is not bound."""
    store = company.office.console.store
    bob, eve = await store.users.get(BOB), await store.users.get(EVE)
    await store.identities.bind(bob, "https://id.firm.example 1", by="oidc")
    with pytest.raises(ChangedMeanwhileError):
        await store.identities.bind(eve, "https://id.firm.example 1", by="oidc")
    with pytest.raises(ChangedMeanwhileError):
        await store.identities.bind(bob, "https://id.firm.example 2", by="oidc")
    assert await store.identities.user_of("https://id.firm.example 2") is None


async def test_the_provider_is_asked_again(company: Company) -> None:
    """A session lasts as long as the shorter of both settings says."""
    for own, company_hours, seconds in ((24.0, 0.5, 1800), (1.0, 8.0, 3600)):
        company.use(console_session_hours=own, oidc_session_hours=company_hours)
        entered = await company.signs_in(email=BOB)
        assert f"Max-Age={seconds}" in str(entered.headers.get_list("set-cookie"))
        (session,) = await company.office.life.database["sessions"].find().sort("since", -1).limit(1).to_list()
        assert (session["until"] - session["since"]).total_seconds() == seconds


async def test_signing_out_at_the_provider(company: Company) -> None:
    """The page after signing out offers it; the provider sends the browser back. One that does not answer offers nothing."""
    browser = company.office.browser()
    await browser.follow(await company.signs_in(browser, "/records", email=BOB))
    page = await browser.follow(await browser.post("/sign-out", page="/records"))
    assert 'href="/sign-in/company/sign-out"' in page
    assert "sign-out" not in await browser.shows("/sign-in")
    there = (await browser.get("/sign-in/company/sign-out")).headers["location"]
    assert there.startswith(f"{company.identity.issuer}/logout?client_id=")
    back = await asyncio.to_thread(httpx.get, there, trust_env=False)
    assert back.headers["location"] == "https://localhost:8443/sign-in"
    fresh = CompanySignIn(company.office.console.settings, company.office.console.signer, company.office.console.policy)
    object.__setattr__(company.office.console, "company_sign_in", fresh)
    with company.identity.fault("configuration", status=503):
        assert "sign-out" not in await browser.shows("/sign-in?flash=signed-out")
        assert (await browser.get("/sign-in/company/sign-out")).status_code == 503


async def test_attacks(company: Company) -> None:
    """A state, code or cookie of another browser or attempt signs no one in, nor does any of them twice."""
    await asyncio.to_thread(company.identity.set, claims={"email": BOB})
    victim, attacker = company.office.browser(), company.office.browser()
    url = await company.start(attacker)
    theirs = await company.back(url)
    assert (await victim.get(theirs)).status_code == 403, "a sign-in that another browser started"
    own = await company.start(victim)
    state, code = (parse_qs(urlsplit(one).query)[name][0] for one, name in ((own, "state"), (theirs, "code")))
    injected = await victim.get(f"/sign-in/callback?state={state}&code={code}")
    assert injected.status_code == 403, "another one's code, which PKCE and the nonce refuse"
    finished = await company.back(await company.start(victim))
    for wrong in (
        finished.replace("state=", "state=x"),
        f"{finished}&iss=https%3A%2F%2Fevil.example",
        "/sign-in/callback",
    ):
        assert (await victim.get(wrong)).status_code == 403
    cookie = victim.client.cookies["__Host-leadmail-flow"]
    assert (await victim.get(finished)).status_code == 303
    assert (await victim.get(finished)).status_code == 403, "the cookie is gone"
    again = company.office.browser()
    again.client.cookies.set("__Host-leadmail-flow", cookie)
    assert (await again.get(finished)).status_code == 403, "the provider takes a code once"
    assert await company.office.life.database["sessions"].count_documents({}) == 1


async def test_forged_cookies(company: Company) -> None:
    """What is no attempt of now is over, and no defect of ours."""
    browser = company.office.browser()
    for cookie in (
        "",
        "x",
        "1.y",
        f"{10**10}.x.y",
        f"{10**11}.x.y",
        "²3.x.y",
        "-1.x.y",
        f"{int(time.time())}",
        "9" * 4000,
    ):
        headers = {"cookie": f"__Host-leadmail-flow={quote(cookie)}"}
        answer = await browser.client.get("/sign-in/callback?state=x&code=y", headers=headers)
        assert answer.status_code == 403, cookie
    assert "page failed" not in company.office.log.getvalue()


async def test_a_sign_in_ends(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten minutes it has to be started again; and a client cannot try for ever."""
    browser = company.office.browser()
    finished = await company.back(await company.start(browser))
    later = time.time() + 601
    with monkeypatch.context() as patch:
        patch.setattr("services.console.web.company_sign_in.time.time", lambda: later)
        assert "took too long" in (await browser.get(finished)).text
    monkeypatch.setattr(sign_in, "MOST", 1)
    statuses = [(await company.office.browser("198.51.100.3").get("/sign-in/company")).status_code for _ in range(3)]
    assert statuses == [303, 303, 429]


async def test_no_open_redirect(company: Company) -> None:
    """Signing in leads to a page of this site."""
    for to in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert (await company.signs_in(to=to, email=BOB)).headers["location"] == "/"


async def test_a_provider_in_trouble(company: Company) -> None:
    """Who declines, a provider that fails, and one whose clock is wrong: each gives a sentence, and the log no secret."""
    browser = company.office.browser()
    declined = await browser.get(await company.back(await company.start(browser), deny=True))
    assert (declined.status_code, "access was denied" in declined.text) == (403, True)
    await asyncio.to_thread(company.identity.set, claims={"email": BOB}, skew=-7200)
    assert (await company.signs_in(email=BOB)).status_code == 403, "an id_token that has expired"
    await asyncio.to_thread(company.identity.set, skew=0)
    for endpoint in ("token", "keys"):
        url = await company.back(await company.start(browser))
        with company.identity.fault(endpoint, status=503):
            answer = await browser.get(url)
        assert (answer.status_code, "does not answer as it should" in answer.text) == (503, True)
    log = company.office.log.getvalue()
    assert "page failed" not in log
    for secret in (CLIENT_SECRET, BOB, company.address, "code="):
        assert secret not in log


async def test_creating_users(company: Company) -> None:
    """Only if the operator allows it, and only for domains that an administrator confirmed as the company's."""
    store = company.office.console.store
    company.use(oidc_create=True)
    assert (await company.signs_in(email=NEW)).status_code == 403
    policy = (await store.company.policy()).replaced(internal_domains=("firm.example",))
    await store.sharing.set_company(policy, by=ANN)
    assert (await company.signs_in(email="x@elsewhere.example")).status_code == 403
    await store.user_lifecycle.disable(ZOE, by=ANN)
    assert (await company.signs_in(email=ZOE)).status_code == 403
    assert (await company.signs_in(email=NEW, name="New Person")).status_code == 303
    made = await company.user(NEW)
    assert (made.name, made.admin) == ("New Person", False)
    assert [one.by for one in await store.audit.newest(subject=f"user:{NEW}", action="user.add")] == ["oidc"]


async def test_groups_make_administrators(company: Company) -> None:
    """Each sign-in gives or takes the rights. A token that leaves too many groups out changes nothing, and one administrator stays."""
    groups = ["staff", "admins"]
    assert (await company.signs_in(email=BOB, groups=groups)).status_code == 303
    assert not (await company.user(BOB)).admin, "no group is named"
    company.use(oidc_admin_group="admins", oidc_groups_claim="roles")
    for claims, admin in (
        ({"groups": groups}, False),
        ({"roles": groups}, True),
        ({"_claim_names": {"roles": "src1"}}, True),
        ({"hasgroups": True}, True),
        ({"roles": "admins"}, True),
        ({}, False),
        ({"roles": groups}, True),
        ({"roles": ["admins2"]}, False),
    ):
        await company.signs_in(email=BOB, **claims)
        assert (await company.user(BOB)).admin is admin, claims
    await company.signs_in(email=ANN, roles=[])
    assert (await company.user(ANN)).admin, "the last one"
    entries = await company.office.console.store.audit.newest(action="user.admin", by="oidc")
    assert [one.details["after"] for one in entries] == [False, True, False, True]


async def test_without_mailed_links(company: Company) -> None:
    """The operator can switch them off; a link that the operator makes still works."""
    assert "Send link" in await company.office.browser().shows("/sign-in")
    company.use(console_mail_links=False)
    browser = company.office.browser()
    page = await browser.shows("/sign-in")
    assert ("Continue with" in page, "Send link" in page) == (True, False)
    link = await company.office.link(BOB)
    assert (await browser.post("/sign-in", page=link, address=BOB, to="/")).status_code == 403
    assert (await browser.post(link, page=link)).status_code == 303


def test_settings(settings: ConsoleSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot work is refused at the start, with the name of the setting."""
    for name, value in (
        ("OIDC_ISSUER", "ftp://x"),
        ("OIDC_ISSUER", "http://idp.example"),
        ("OIDC_DOMAINS", "a b"),
        ("SCIM_DELETED", "keep"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv("LEADMAIL_ALLOW_PLAINTEXT", "false")
            patch.setenv(f"LEADMAIL_{name}", value)
            with pytest.raises(SettingsError, match=f"LEADMAIL_{name}"):
                ConsoleSettings.read()
    unregistered = settings.model_copy(update={"oidc_issuer": "https://idp.example"})
    with pytest.raises(SettingsError, match="LEADMAIL_OIDC_CLIENT_ID"):
        CompanySignIn(unregistered, Signer.of(b"k" * 32), make_policy(unregistered))


async def test_without_a_provider(office: Office) -> None:
    """The pages of the sign-in do not exist."""
    for path in ("/sign-in/company", "/sign-in/callback?code=x&state=y"):
        assert (await office.browser().get(path)).status_code == 404
