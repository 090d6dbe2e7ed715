"""My mailboxes: connected to a real Dovecot, changed, and removed, always as the signed-in user."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from schemas.accounts import AccountState, ProofKind, ServerAddress
from schemas.sharing import CompanyPolicy, Mode
from services.usecases.connecting import login_limit, saving
from services.usecases.proving import MOST_TO_ADDRESS
from testbed.local import LocalServers
from tests.console.fixtures import ANN, BOB, CARLA, EVE, Office, text_of

_WRONG = "did not accept the user name and password"


def servers_of(servers: LocalServers) -> dict[str, str]:
    """Return the form fields for the real servers over TLS."""
    return {
        "imap_host": servers.imap.host,
        "imap_port": str(servers.imap.tls_port),
        "imap_tls": "tls",
        "smtp_host": servers.smtp.host,
        "smtp_port": str(servers.smtp.tls_port),
        "smtp_tls": "tls",
    }


def form_of(user: Any, servers: LocalServers, **fields: str) -> dict[str, str]:
    """Return the completed form for a mailbox."""
    own = {"do": "save", "address": user.address, "password": user.password, "mode": "public", "domains": ""}
    return {**own, **servers_of(servers), "imap_user": user.address, "smtp_user": user.address, **fields}


@pytest.fixture
def box(new_mail_user: Callable[..., Any]) -> Any:
    """A mailbox on the real server."""
    return new_mail_user("ann")


async def test_connecting(office: Office, servers: LocalServers, box: Any) -> None:
    """The login is tried, the password is sealed, the policy is saved, and the signed-in user becomes the owner."""
    browser = await office.signed_in(ANN)
    page = (await browser.post("/mailboxes/connect", page="/mailboxes/connect", do="find", address=box.address)).text
    assert 'name="imap_host"' in page
    assert "recommended" in page
    fields = form_of(box, servers, mode="custom", domains="law.example, doctor.example")
    answer = await browser.post("/mailboxes/connect", **fields)
    assert "Your mailbox is connected" in await browser.follow(answer)
    account = await office.console.store.accounts.find(box.address)
    assert (account.owner, account.incoming.tls, account.resync_requested) == (ANN, "tls", True)
    assert account.sharing.excluded_domains == ("doctor.example", "law.example")
    opened = office.console.box.open(account.id, account.credentials)
    assert opened.password.get_secret_value() == box.password  # type: ignore[union-attr]
    assert box.address in await browser.shows("/mailboxes")
    (entry,) = await office.console.store.audit.newest(subject=f"account:{account.id}", action="account.add")
    assert (entry.action, entry.by) == ("account.add", ANN)
    again = await browser.post("/mailboxes/connect", **fields)
    assert (again.status_code, "is already connected" in again.text) == (409, True)


async def test_a_wrong_password(office: Office, servers: LocalServers, box: Any) -> None:
    """Nothing is saved; the page says what to do and keeps the form, but never shows the password."""
    browser = await office.signed_in(ANN)
    wrong = form_of(box, servers, password="hunter2-wrong", mode="private")
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", **wrong)
    assert answer.status_code == 422
    assert _WRONG in text_of(answer.text)
    assert f'value="{servers.imap.tls_port}"' in answer.text
    assert "hunter2" not in answer.text
    assert 'id="mode-private" name="mode" value="private" required checked' in answer.text
    assert box.address not in {one.address for one in await office.console.store.accounts.get_all()}
    assert "hunter2" not in office.log.getvalue()


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"address": "nobody"}, 400, "not an e-mail address"),
        ({"password": ""}, 422, "The password is empty"),
        ({"mode": ""}, 422, "Choose who may see the mail"),
        ({"mode": "custom", "domains": "com"}, 422, "public suffix"),
        ({"imap_host": "a b"}, 400, "enter the name of a server"),
        ({"imap_port": "99999"}, 400, "from 1 to 65535"),
        ({"imap_tls": "magic"}, 400, "Choose an encryption"),
        ({"imap_host": ""}, 422, "Enter both servers"),
        ({"smtp_host": ""}, 422, "Enter both servers"),
    ],
)
async def test_invalid_input(  # noqa: PLR0917 - pytest names them
    office: Office, servers: LocalServers, box: Any, fields: dict[str, str], status: int, message: str
) -> None:
    """Each mistake gives one clear sentence, before any server is contacted."""
    browser = await office.signed_in(ANN)
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers, **fields))
    assert (answer.status_code, message in text_of(answer.text)) == (status, True), text_of(answer.text)


async def test_a_mail_service_that_takes_no_passwords(office: Office) -> None:
    """The page does not ask for a password that cannot work."""
    browser = await office.signed_in(ANN)
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", do="find", address="ann@outlook.com")
    assert (answer.status_code, "accepts no passwords" in text_of(answer.text)) == (422, True)


async def test_app_password_instructions(office: Office) -> None:
    """For a known service the page shows its servers and its instructions for an app password."""
    browser = await office.signed_in(ANN)
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", do="find", address="ann@gmail.com")
    assert 'value="imap.gmail.com"' in answer.text
    assert "needs an app password here" in answer.text
    assert "https://myaccount.google.com/apppasswords" in answer.text


async def test_choosing_a_service(office: Office) -> None:
    """The popular services are links with names; the page of each has its steps, and carries the choice to the next page."""
    browser = await office.signed_in(ANN)
    page = await browser.shows("/mailboxes/connect")
    links = dict(
        re.findall(r'<a href="(/mailboxes/connect\?service=[a-z-]+)"><svg.*?</svg> <span>([^<]+)</span>', page)
    )
    assert set(links.values()) >= {"Gmail, Google Workspace", "Outlook, Microsoft 365", "Yahoo Mail", "iCloud Mail"}
    assert page.count('aria-hidden="true"') == len(links), "the marks say nothing that the names do not"
    pages = {name: text_of(await browser.shows(path)) for path, name in links.items()}
    assert "https://accounts.zoho.com, Security, App Passwords" in pages["Zoho Mail"]
    assert "IMAP access has to be on" in pages["GMX"]
    assert "takes no passwords" in pages["Outlook, Microsoft 365"]
    assert "Which service hosts it?" in await browser.shows("/mailboxes/connect?service=x")
    chosen = await browser.post(
        "/mailboxes/connect",
        page="/mailboxes/connect?service=zoho",
        do="find",
        service="zoho",
        address="ann@own.invalid",
    )
    assert 'value="imappro.zoho.com"' in chosen.text
    assert "with two-factor login it does" in chosen.text
    declared = await browser.post(
        "/mailboxes/connect", page="/mailboxes/connect?service=gmail", do="find", service="gmail", address="ann@gmx.de"
    )
    assert 'value="imap.gmx.net"' in declared.text, "the address knows better"


async def test_the_company_allows_less(office: Office, servers: LocalServers, box: Any) -> None:
    """A mode that the company forbids is not offered, and is refused when submitted anyway."""
    policy = CompanyPolicy(allowed_modes=(Mode.PRIVATE, Mode.CUSTOM), default_mode=Mode.CUSTOM)
    await office.console.store.sharing.set_company(policy, by=ANN)
    browser = await office.signed_in(ANN)
    page = await browser.shows(f"/mailboxes/{office.life.boxes[ANN]}/sharing")
    assert 'id="mode-public"' not in page
    for path, fields in (
        ("/mailboxes/connect", form_of(box, servers)),
        (f"/mailboxes/{office.life.boxes[ANN]}/sharing", {"do": "save", "mode": "public", "domains": ""}),
    ):
        answer = await browser.post(path, **fields)
        assert (answer.status_code, "does not allow public" in answer.text) == (403, True)


async def test_guessing_passwords(office: Office, box: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who makes too many attempts has to wait."""
    monkeypatch.setattr(login_limit, "MOST", 1)
    browser = await office.signed_in(ANN)
    fields = {"do": "find", "address": "a@gmail.com"}
    statuses = [
        (await browser.post("/mailboxes/connect", page="/mailboxes/connect", **fields)).status_code for _ in range(2)
    ]
    assert statuses == [200, 429]


async def test_no_access_to_other_users_mailboxes(office: Office) -> None:
    """Other users, administrators included, can neither view nor change a mailbox; its pages do not exist for them."""
    path = f"/mailboxes/{office.life.boxes[BOB]}"
    for other in (ANN, EVE):
        browser = await office.signed_in(other)
        assert BOB not in await browser.shows("/mailboxes")
        for page in ("", "/sharing", "/password", "/login", "/folders", "/addresses", "/remove"):
            assert (await browser.get(path + page)).status_code == 404
            answer = await browser.post(
                path + page, page="/mailboxes", do="pause", mode="public", password="x", confirm=BOB
            )
            assert answer.status_code == 404
    assert (await office.console.store.accounts.get(office.life.boxes[BOB])).state is AccountState.ACTIVE
    missing = await browser.get("/mailboxes/0123456789abcdef01234567")
    assert missing.text.replace("0123456789abcdef01234567", "") == (await browser.get(path)).text.replace(path, "")


async def test_pause_resume_resync(office: Office) -> None:
    """Each button does what it says, and the audit log records the user who pressed it."""
    browser, account = await office.signed_in(BOB), office.life.boxes[BOB]
    path, store = f"/mailboxes/{account}", office.console.store
    await office.life.database["accounts"].update_one({"_id": account}, {"$set": {"resync_requested": False}})
    assert "paused" in await browser.follow(await browser.post(path, do="pause"))
    assert (await store.accounts.get(account)).state is AccountState.PAUSED
    assert "active again" in await browser.follow(await browser.post(path, do="resume"))
    assert "synchronised again" in await browser.follow(await browser.post(path, do="resync"))
    after = await store.accounts.get(account)
    assert (after.state, after.resync_requested) == (AccountState.ACTIVE, True)
    assert {entry.by for entry in await store.audit.newest(subject=f"account:{account}", action="account.state")} == {
        BOB
    }
    assert (await browser.post(path, do="explode")).status_code == 400


async def test_a_blocked_mailbox_says_what_to_do(office: Office) -> None:
    """The page shows why it stopped, the service's instructions, and a link to enter the new password."""
    account = office.life.boxes[BOB]
    blocked = {"state": "blocked", "reason": "app-password-needed", "provider": "gmail"}
    await office.life.database["accounts"].update_one({"_id": account}, {"$set": blocked})
    browser = await office.signed_in(BOB)
    assert "stopped: action needed" in await browser.shows("/mailboxes")
    page = text_of(await browser.shows(f"/mailboxes/{account}"))
    assert "Gmail requires an app-specific password" in page
    assert "https://myaccount.google.com/apppasswords" in page
    assert "enter the new password" in page


async def test_a_new_password(office: Office, servers: LocalServers, box: Any) -> None:
    """A wrong password changes nothing; a working one is saved, and a blocked mailbox becomes active."""
    browser = await office.signed_in(ANN)
    await browser.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers))
    store = office.console.store
    account = await store.accounts.find(box.address)
    blocked = {"state": "blocked", "reason": "wrong-password"}
    await office.life.database["accounts"].update_one({"_id": account.id}, {"$set": blocked})
    path = f"/mailboxes/{account.id}/password"
    wrong = await browser.post(path, page=path, password="not-it")
    assert (wrong.status_code, _WRONG in text_of(wrong.text), "not-it" in wrong.text) == (422, True, False)
    assert (await store.accounts.get(account.id)).credentials == account.credentials
    assert "works and is saved" in await browser.follow(await browser.post(path, password=box.password))
    after = await store.accounts.get(account.id)
    assert after.state is AccountState.ACTIVE
    assert after.credentials != account.credentials
    assert (await browser.post(path, page=path, password="")).status_code == 400


async def test_another_login(
    office: Office, servers: LocalServers, box: Any, new_mail_user: Callable[..., Any]
) -> None:
    """Servers, login name and password change if they work; the saved password goes to no other server; the rest stays."""
    browser = await office.signed_in(ANN)
    await browser.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers))
    store = office.console.store
    before = await store.accounts.find(box.address)
    path = f"/mailboxes/{before.id}/login"
    same = {**servers_of(servers), "imap_user": box.address, "smtp_user": box.address, "password": ""}

    assert f'href="{path}"' in await browser.shows(f"/mailboxes/{before.id}")
    assert f'value="{servers.imap.tls_port}"' in await browser.shows(path)
    moved = new_mail_user("moved")
    for fields, status, sentence in (
        ({"imap_host": "evil.example"}, 403, "Enter the password, too"),
        ({"imap_port": "1"}, 403, "Enter the password, too"),
        ({"smtp_tls": "starttls"}, 403, "Enter the password, too"),
        ({"imap_host": ""}, 422, "Enter both servers"),
        ({"imap_user": moved.address}, 422, _WRONG),
        ({"password": "not-it"}, 422, _WRONG),
    ):
        answer = await browser.post(path, page=path, **{**same, **fields})
        assert (answer.status_code, sentence in text_of(answer.text)) == (status, True), (fields, text_of(answer.text))
        assert "not-it" not in answer.text
        assert await store.accounts.find(box.address) == before
    assert (await browser.post(path, page=path, **{**same, "imap_port": "x"})).status_code == 400

    fields = {"imap_user": moved.address, "password": moved.password, "no_smtp": "1"}
    saved = await browser.follow(await browser.post(path, page=path, **{**same, **fields}))
    assert "The new login works and is saved" in saved
    after = await store.accounts.find(box.address)
    assert (after.incoming.username, after.outgoing) == (moved.address, None)
    changed = {"incoming", "outgoing", "credentials", "provider"}
    assert after.model_dump(exclude=changed) == before.model_dump(exclude=changed)
    (entry,) = await store.audit.newest(subject=f"account:{before.id}", action="account.credentials")
    assert entry.by == ANN


async def test_the_login_of_another_user(
    office: Office, servers: LocalServers, box: Any, new_mail_user: Callable[..., Any]
) -> None:
    """Whoever knows the password of another user's mailbox cannot put it into their own, neither a new one nor a connected one."""
    browser, store, page = await office.signed_in(ANN), office.console.store, "/mailboxes/connect"
    await browser.post(page, page=page, **form_of(box, servers))
    before = await store.accounts.find(box.address)
    path, taken = f"/mailboxes/{before.id}/login", "is the address of another user or mailbox"
    user, connected = new_mail_user("colleague"), new_mail_user("connected")
    await store.users.add(user.address)
    eve = await office.signed_in(EVE)
    await eve.follow(await eve.post(page, page=page, **form_of(connected, servers)))
    for other in (user, connected):
        fields = {"imap_user": other.address.upper(), "password": other.password, "no_smtp": "1"}
        refused = await browser.post(path, page=path, **{**servers_of(servers), **fields})
        assert (refused.status_code, taken in text_of(refused.text)) == (403, True), text_of(refused.text)
        assert await store.accounts.find(box.address) == before
        fields = {**form_of(other, servers, address="new@example.test"), "imap_user": other.address}
        refused = await browser.post(page, page=page, **fields)
        assert (refused.status_code, taken in text_of(refused.text)) == (403, True), text_of(refused.text)
        assert await store.accounts.connected("new@example.test") is None
    fields = {"imap_user": user.address, "password": "not-it", "no_smtp": "1"}
    unknown = await browser.post(path, page=path, **{**servers_of(servers), **fields})
    assert taken not in text_of(unknown.text), "only who can sign in to it learns of another user's mailbox"


@pytest.mark.parametrize("is_declared", [False, True])
async def test_another_login_proves_the_address_again(
    *,
    office: Office,
    servers: LocalServers,
    box: Any,
    new_mail_user: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    is_declared: bool,
) -> None:
    """What the former login proved holds no longer against others; the address stays internal. The address's own login proves it."""

    async def declared(*_: Any, **__: Any) -> bool:
        return is_declared

    browser, store, other = await office.signed_in(ANN), office.console.store, new_mail_user("moved")
    await browser.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers))
    account = await store.accounts.find(box.address)
    await store.address_proofs.prove(account.id, box.address, ProofKind.SIGN_IN, by=ANN)
    monkeypatch.setattr(saving, "is_declared", declared)
    path = f"/mailboxes/{account.id}/login"
    for login, kind in ((other, ProofKind.EARLIER), (box, ProofKind.SIGN_IN if is_declared else ProofKind.EARLIER)):
        fields = {"imap_user": login.address, "password": login.password, "no_smtp": "1"}
        await browser.follow(await browser.post(path, page=path, **{**servers_of(servers), **fields}))
        after = await store.accounts.find(box.address)
        assert (after.proof_of(box.address), box.address in after.own_addresses) == (kind, True)


async def test_sharing_preview(office: Office) -> None:
    """The preview shows counts and examples and changes nothing; saving applies the change."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    path, store = f"/mailboxes/{account}/sharing", office.console.store
    preview = text_of((await browser.post(path, page=path, do="preview", mode="private", domains="")).text)
    assert "2 emails would be hidden from 3 users, on 1 record." in preview
    assert "Subject shared" in preview
    assert "Nothing has been changed yet." in preview
    assert (await store.accounts.get(account)).sharing.mode is Mode.PUBLIC
    eve = await office.signed_in(EVE)
    record = f"/records/contact/{office.life.refs['R1'].id}"
    assert "Subject shared" in await eve.shows(record)
    page = await browser.follow(await browser.post(path, do="save", mode="private", domains=""))
    assert "Private: no one else sees your mail" in page
    assert "Subject shared" not in await eve.shows(record)
    back = text_of((await browser.post(path, page=path, do="preview", mode="public", domains="")).text)
    assert "2 emails would be shown to 3 users" in back
    same = text_of((await browser.post(path, page=path, do="preview", mode="private", domains="")).text)
    assert "No one would see more or less than now, of the mail that you can see." in same


async def test_excluded_domains_are_kept_in_other_modes(office: Office) -> None:
    """Switching to public and back to custom does not lose the list."""
    browser, account = await office.signed_in(EVE), office.life.boxes[EVE]
    path = f"/mailboxes/{account}/sharing"
    await browser.post(path, page=path, do="save", mode="public", domains="")
    sharing = (await office.console.store.accounts.get(account)).sharing
    assert (sharing.mode, sharing.excluded_domains) == (Mode.PUBLIC, ("partner.example",))
    assert 'value="partner.example"' in await browser.shows(path)
    wrong = await browser.post(path, do="save", mode="custom", domains="co.uk")
    assert (wrong.status_code, "public suffix" in wrong.text) == (400, True)


async def test_folders(office: Office) -> None:
    """Changed folders are saved by name; restoring the defaults clears them."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    trash = {"account": account, "id": "0123456789ab", "raw_name": b"T", "name": "Trash", "role": "trash"}
    document = {"_id": f"{account}.0123456789ab", **trash, "selected": False, "reason": "trash"}
    await office.life.database["folders"].insert_one(document)
    path = f"/mailboxes/{account}/folders"
    assert "(holds deleted mail)" in text_of(await browser.shows(path))
    await browser.follow(await browser.post(path, do="save", folder=["0123456789ab"]))
    rules = (await office.console.store.accounts.get(account)).folders
    assert (rules.include, sorted(rules.exclude)) == (("Trash",), ["INBOX", "Sent"])
    await browser.post(path, page=path, do="by-rule")
    assert not (await office.console.store.accounts.get(account)).folders.include


async def test_other_addresses(office: Office) -> None:
    """The owner claims and removes addresses; one that belongs to another user is refused."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    path = f"/mailboxes/{account}/addresses"
    page = text_of(await browser.follow(await browser.post(path, page=path, more="ann@alias.example")))
    assert ("saved" in page, "Not proven yet" in page) == (True, True)
    found = await office.console.store.accounts.get(account)
    assert (found.aliases, found.unproven) == (("ann@alias.example",), ("ann@alias.example",))
    assert "Not proven" in await browser.shows(f"/mailboxes/{account}")
    refused = await browser.post(path, page=path, more=BOB)
    assert (refused.status_code, "another user" in refused.text) == (409, True)
    assert (await browser.post(path, page=path, more="nobody")).status_code == 400
    await browser.post(path, page=path, more="")
    assert (await office.console.store.accounts.get(account)).aliases == ()


async def test_a_claimed_client_stays_a_client(office: Office, servers: LocalServers) -> None:
    """Eve claims Carla's address: everybody sees on Carla's page what they saw. The code goes to Carla, and names nobody."""
    ann, eve = await office.signed_in(ANN), await office.signed_in(EVE)
    record, account = f"/records/contact/{office.life.refs['R1'].id}", office.life.boxes[EVE]
    path, store = f"/mailboxes/{account}/addresses", office.console.store
    before = [await browser.shows(record) for browser in (ann, eve)]
    await eve.follow(await eve.post(path, page=path, do="save", more=CARLA))
    for guess in ("", "ABCD-EFGH-JKMN"):
        assert (await eve.post(path, page=path, do="code", code=guess)).status_code == 403
    assert "A code was sent" in await eve.follow(await eve.post(path, page=path, do="send", address=CARLA))
    (sent,) = [one for one in servers.sink.sent() if one.recipients == (CARLA,)]
    head = sent.raw.split(b"\r\n\r\n", 1)[0]
    assert (b"undisclosed-recipients:;" in head, CARLA.encode() in head, b"http" in sent.raw) == (True, False, False)
    await office.life.do(("settle",))
    assert (await store.accounts.get(account)).own_addresses == {EVE}
    assert [await browser.shows(record) for browser in (ann, eve)] == before
    other = await ann.post(f"/mailboxes/{account}/addresses", page="/mailboxes", do="send", address=CARLA)
    assert other.status_code == 404


async def test_a_code_proves_an_address(office: Office, servers: LocalServers) -> None:
    """Whoever reads the address's mail enters the code. The number of codes is limited."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    path, mine = f"/mailboxes/{account}/addresses", "ann.proven@alias.example"
    assert (await browser.post(path, page=path, do="send", address=mine)).status_code == 403, "not claimed"
    await browser.follow(await browser.post(path, page=path, do="save", more=mine))
    await browser.follow(await browser.post(path, page=path, do="send", address=mine))
    (sent,) = [one for one in servers.sink.sent() if one.recipients == (mine,)]
    code = re.search(rb"\b([A-Z2-9]{4}-){2}[A-Z2-9]{4}\b", sent.raw)
    assert code is not None
    answer = await browser.post(path, page=path, do="code", code=code[0].decode().lower())
    page = text_of(await browser.follow(answer))
    assert ("counts as yours" in page, "proven by a code" in page, "Not proven" in page) == (True, True, False)
    assert mine in (await office.console.store.accounts.get(account)).own_addresses
    second = "ann.second@alias.example"
    await browser.follow(await browser.post(path, page=path, do="save", address=mine, more=second))
    answers = [await browser.post(path, page=path, do="send", address=second) for _ in range(MOST_TO_ADDRESS + 1)]
    assert [one.status_code for one in answers] == [303] * MOST_TO_ADDRESS + [403]


async def test_a_squatter_does_not_keep_out_the_owner(office: Office, servers: LocalServers, box: Any) -> None:
    """Eve connected a mailbox under the address of a user to be. It makes nothing hers, and ends when the owner connects."""
    eve, store = await office.signed_in(EVE), office.console.store
    await eve.follow(await eve.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers)))
    squat = await store.accounts.find(box.address)
    assert (squat.owner, squat.own_addresses, squat.unproven) == (EVE, frozenset(), (box.address,))
    assert not await store.colleagues.own_among([box.address])
    bob = await office.signed_in(BOB)
    refused = await bob.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers))
    assert (refused.status_code, "connected already" in refused.text) == (409, True), "his claim is no better"
    await store.users.add(box.address)
    owner = await office.signed_in(box.address)
    await owner.follow(await owner.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers)))
    own = await store.accounts.find(box.address)
    assert (own.owner, own.own_addresses) == (box.address, frozenset({box.address}))
    assert (await store.accounts.get(squat.id)).state is AccountState.DISCONNECTED
    again = await eve.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers))
    assert (again.status_code, "already connected" in again.text) == (409, True)


async def test_signing_in_at_the_declared_server_proves_the_address(
    office: Office, servers: LocalServers, box: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wins over a weaker proof of somebody else's. A login name that is not the address proves nothing."""
    asked = []

    async def declared(address: str, server: ServerAddress, **_: Any) -> bool:
        asked.append((address, server.host))
        return True

    monkeypatch.setattr(saving, "is_declared", declared)
    store, eve, ann = office.console.store, await office.signed_in(EVE), await office.signed_in(ANN)
    page = "/mailboxes/connect"
    await eve.follow(await eve.post(page, page=page, **form_of(box, servers, address="other@example.test")))
    assert (asked, (await store.accounts.find("other@example.test")).unproven) == ([], ("other@example.test",))
    held = await store.accounts.find(EVE)
    await store.address_proofs.prove(held.id, box.address, ProofKind.ADMINISTRATOR, by="operator")
    await ann.follow(await ann.post(page, page=page, **form_of(box, servers)))
    assert asked == [(box.address, servers.imap.host)]
    assert (await store.accounts.find(box.address)).proof_of(box.address) is ProofKind.SIGN_IN
    assert (await store.accounts.get(held.id)).proof_of(box.address) is None


async def test_disconnect_and_purge(office: Office) -> None:
    """The page shows counts first. Disconnecting keeps the mail; purging, confirmed by the address, deletes it."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    path, store = f"/mailboxes/{account}", office.console.store
    eve, record = await office.signed_in(EVE), f"/records/contact/{office.life.refs['R1'].id}"
    counts = text_of(await browser.shows(f"{path}/remove"))
    assert (
        "3 copies of 3 emails on records. For 3 of these emails, you cannot see that anyone else has a copy." in counts
    )
    unsure = await browser.post(f"{path}/remove", do="purge", confirm="yes")
    assert (unsure.status_code, "Nothing was removed" in unsure.text) == (400, True)
    await browser.follow(await browser.post(f"{path}/remove", page=f"{path}/remove", do="disconnect"))
    assert (await store.accounts.get(account)).state is AccountState.DISCONNECTED
    assert "Subject shared" in await eve.shows(record)
    assert (await browser.post(path, page=f"{path}/remove", do="pause")).status_code == 409
    assert (await browser.get(f"{path}/password")).status_code == 409
    assert "disconnected" in await browser.shows(path)
    await browser.follow(await browser.post(f"{path}/remove", page=f"{path}/remove", do="purge", confirm=ANN))
    assert "Subject shared" not in await eve.shows(record)
    assert (await browser.get(path)).status_code == 404


async def test_first_visit(office: Office) -> None:
    """A user without a mailbox is sent to connect one, with their own address filled in."""
    zoe, ann = await office.signed_in("zoe@firm.example"), await office.signed_in(ANN)
    page = await zoe.follow(await zoe.get("/"))
    assert 'value="zoe@firm.example"' in page
    assert "You have not connected a mailbox yet" in await zoe.shows("/mailboxes")
    assert (await ann.get("/")).headers["location"] == "/mailboxes"
    assert CARLA not in page
