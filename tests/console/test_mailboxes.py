"""My mailboxes: connected on a real Dovecot, changed, taken away; everything in the name of who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.accounts import AccountState
from schemas.sharing import CompanyPolicy, Mode
from services.console.pages import connect
from testbed.local import LocalServers
from tests.console.fixtures import ANN, BOB, CARLA, EVE, Office, text_of

_WRONG = "did not accept the user name and password"


def servers_of(servers: LocalServers) -> dict[str, str]:
    """Return the fields that name the real servers, by TLS."""
    return {
        "imap_host": servers.imap.host,
        "imap_port": str(servers.imap.tls_port),
        "imap_tls": "tls",
        "smtp_host": servers.smtp.host,
        "smtp_port": str(servers.smtp.tls_port),
        "smtp_tls": "tls",
    }


def form_of(user: Any, servers: LocalServers, **fields: str) -> dict[str, str]:
    """Return the filled-in form of a mailbox."""
    own = {"do": "save", "address": user.address, "password": user.password, "mode": "public", "domains": ""}
    return {**own, **servers_of(servers), "imap_user": user.address, "smtp_user": user.address, **fields}


@pytest.fixture
def box(new_mail_user: Callable[..., Any]) -> Any:
    """A mailbox on the real server."""
    return new_mail_user("ann")


async def test_connecting(office: Office, servers: LocalServers, box: Any) -> None:
    """The servers may be changed, the login is tried, the password sealed, the policy kept, and its owner is who is signed in."""
    browser = await office.signed_in(ANN)
    page = (await browser.post("/mailboxes/connect", page="/mailboxes/connect", do="find", address=box.address)).text
    assert 'name="imap_host"' in page
    assert "recommended" in page
    fields = form_of(box, servers, mode="custom", domains="law.example, doctor.example")
    answer = await browser.post("/mailboxes/connect", **fields)
    assert "The mailbox is connected" in await browser.follow(answer)
    account = await office.console.store.accounts.find(box.address)
    assert (account.owner, account.incoming.tls, account.resync_requested) == (ANN, "tls", True)
    assert account.sharing.excluded_domains == ("doctor.example", "law.example")
    opened = office.console.box.open(account.id, account.credentials)
    assert opened.password.get_secret_value() == box.password  # type: ignore[union-attr]
    assert box.address in await browser.shows("/mailboxes")
    (entry, *_) = await office.console.store.audit.list(subject=f"account:{account.id}")
    assert (entry.action, entry.by) == ("account.add", ANN)
    again = await browser.post("/mailboxes/connect", **fields)
    assert (again.status_code, "is connected already" in again.text) == (409, True)


async def test_a_wrong_password(office: Office, servers: LocalServers, box: Any) -> None:
    """Nothing is saved; what to do is told, what was typed is kept, and the password is not shown again."""
    browser = await office.signed_in(ANN)
    wrong = form_of(box, servers, password="hunter2-wrong", mode="private")
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", **wrong)
    assert answer.status_code == 422
    assert _WRONG in text_of(answer.text)
    assert f'value="{servers.imap.tls_port}"' in answer.text
    assert "hunter2" not in answer.text
    assert 'id="mode-private" name="mode" value="private" required checked' in answer.text
    assert box.address not in {one.address for one in await office.console.store.accounts.list()}
    assert "hunter2" not in office.log.getvalue()


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"address": "nobody"}, 400, "not an e-mail address"),
        ({"password": ""}, 422, "The password is empty"),
        ({"mode": ""}, 422, "Choose who may see the mail"),
        ({"mode": "custom", "domains": "com"}, 422, "public suffix"),
        ({"imap_host": "a b"}, 400, "give a server"),
        ({"imap_port": "99999"}, 400, "from 1 to 65535"),
        ({"imap_tls": "magic"}, 400, "Choose one of"),
        ({"imap_host": ""}, 422, "Give the names of both servers"),
        ({"smtp_host": ""}, 422, "Give the names of both servers"),
    ],
)
async def test_what_cannot_be(  # noqa: PLR0917 - pytest names them
    office: Office, servers: LocalServers, box: Any, fields: dict[str, str], status: int, told: str
) -> None:
    """Each mistake is one clear sentence, before any server is asked."""
    browser = await office.signed_in(ANN)
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", **form_of(box, servers, **fields))
    assert (answer.status_code, told in text_of(answer.text)) == (status, True), text_of(answer.text)


async def test_a_mail_service_that_takes_no_passwords(office: Office) -> None:
    """A person is not asked for a password that cannot work."""
    browser = await office.signed_in(ANN)
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", do="find", address="ann@outlook.com")
    assert (answer.status_code, "takes no passwords from programs" in text_of(answer.text)) == (422, True)


async def test_the_steps_to_an_app_password(office: Office) -> None:
    """Of a known service the servers stand there at once, with its own steps to a password that works."""
    browser = await office.signed_in(ANN)
    answer = await browser.post("/mailboxes/connect", page="/mailboxes/connect", do="find", address="ann@gmail.com")
    assert 'value="imap.gmail.com"' in answer.text
    assert "wants an app-specific password here" in answer.text
    assert "https://myaccount.google.com/apppasswords" in answer.text


async def test_the_company_allows_less(office: Office, servers: LocalServers, box: Any) -> None:
    """What is not allowed is not offered, and refused when it is sent all the same."""
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
    """Who tries too often has to wait, whatever he tries."""
    monkeypatch.setattr(connect, "MOST", 1)
    browser = await office.signed_in(ANN)
    fields = {"do": "find", "address": "a@gmail.com"}
    statuses = [
        (await browser.post("/mailboxes/connect", page="/mailboxes/connect", **fields)).status_code for _ in range(2)
    ]
    assert statuses == [200, 429]


async def test_nobody_sees_or_touches_another_ones_mailbox(office: Office) -> None:
    """Its pages are not there for anybody else, an administrator included: not to look, not to change."""
    path = f"/mailboxes/{office.life.boxes[BOB]}"
    for other in (ANN, EVE):
        browser = await office.signed_in(other)
        assert BOB not in await browser.shows("/mailboxes")
        for page in ("", "/sharing", "/password", "/folders", "/addresses", "/remove"):
            assert (await browser.get(path + page)).status_code == 404
            answer = await browser.post(
                path + page, page="/mailboxes", do="pause", mode="public", password="x", confirm=BOB
            )
            assert answer.status_code == 404
    assert (await office.console.store.accounts.get(office.life.boxes[BOB])).state is AccountState.ACTIVE
    missing = await browser.get("/mailboxes/0123456789abcdef01234567")
    assert missing.text.replace("0123456789abcdef01234567", "") == (await browser.get(path)).text.replace(path, "")


async def test_pause_resume_resync(office: Office) -> None:
    """What a button says happens, and stands in the audit log under who pressed it."""
    browser, account = await office.signed_in(BOB), office.life.boxes[BOB]
    path, store = f"/mailboxes/{account}", office.console.store
    await office.life.database["accounts"].update_one({"_id": account}, {"$set": {"resync_requested": False}})
    assert "paused" in await browser.follow(await browser.post(path, do="pause"))
    assert (await store.accounts.get(account)).state is AccountState.PAUSED
    assert "active again" in await browser.follow(await browser.post(path, do="resume"))
    assert "gone through anew" in await browser.follow(await browser.post(path, do="resync"))
    after = await store.accounts.get(account)
    assert (after.state, after.resync_requested) == (AccountState.ACTIVE, True)
    assert {entry.by for entry in await store.audit.list(subject=f"account:{account}", action="account.state")} == {BOB}
    assert (await browser.post(path, do="explode")).status_code == 400


async def test_a_blocked_mailbox_says_what_to_do(office: Office) -> None:
    """Why it stopped, the service's own steps, and a way to give the new password."""
    account = office.life.boxes[BOB]
    blocked = {"state": "blocked", "reason": "app-password-needed", "provider": "gmail"}
    await office.life.database["accounts"].update_one({"_id": account}, {"$set": blocked})
    browser = await office.signed_in(BOB)
    assert "stopped: needs you" in await browser.shows("/mailboxes")
    page = text_of(await browser.shows(f"/mailboxes/{account}"))
    assert "Gmail wants an app-specific password" in page
    assert "https://myaccount.google.com/apppasswords" in page
    assert "give the new password" in page


async def test_a_new_password(office: Office, servers: LocalServers, box: Any) -> None:
    """A wrong one changes nothing; one that works is saved, and a mailbox that was blocked goes on."""
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


async def test_sharing_is_told_before_it_is_done(office: Office) -> None:
    """Asked what would change, nothing changes, and counts and examples are told; done, it is."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    path, store = f"/mailboxes/{account}/sharing", office.console.store
    told = text_of((await browser.post(path, page=path, do="preview", mode="private", domains="")).text)
    assert "2 emails would be hidden from 3 users, on 1 record." in told
    assert "Subject shared" in told
    assert "Nothing was changed yet." in told
    assert (await store.accounts.get(account)).sharing.mode is Mode.PUBLIC
    eve = await office.signed_in(EVE)
    record = f"/records/contact/{office.life.refs['R1'].id}"
    assert "Subject shared" in await eve.shows(record)
    page = await browser.follow(await browser.post(path, do="save", mode="private", domains=""))
    assert "Private: nobody else sees your mail" in page
    assert "Subject shared" not in await eve.shows(record)
    back = text_of((await browser.post(path, page=path, do="preview", mode="public", domains="")).text)
    assert "2 emails would be shown to 3 users" in back
    same = text_of((await browser.post(path, page=path, do="preview", mode="private", domains="")).text)
    assert "Nobody would see more or less than now." in same


async def test_domains_are_kept_while_they_do_not_count(office: Office) -> None:
    """Going to public and back to custom does not lose the list."""
    browser, account = await office.signed_in(EVE), office.life.boxes[EVE]
    path = f"/mailboxes/{account}/sharing"
    await browser.post(path, page=path, do="save", mode="public", domains="")
    sharing = (await office.console.store.accounts.get(account)).sharing
    assert (sharing.mode, sharing.excluded_domains) == (Mode.PUBLIC, ("partner.example",))
    assert 'value="partner.example"' in await browser.shows(path)
    wrong = await browser.post(path, do="save", mode="custom", domains="co.uk")
    assert (wrong.status_code, "public suffix" in wrong.text) == (400, True)


async def test_folders(office: Office) -> None:
    """What differs from before is kept by name, and the mailbox is gone through anew; by rule forgets it."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    trash = {"account": account, "id": "0123456789ab", "raw_name": b"T", "name": "Trash", "role": "trash"}
    document = {"_id": f"{account}.0123456789ab", **trash, "selected": False, "reason": "trash"}
    await office.life.database["folders"].insert_one(document)
    path = f"/mailboxes/{account}/folders"
    assert "(holds deleted mail)" in text_of(await browser.shows(path))
    await browser.follow(await browser.post(path, do="save", folder=["0123456789ab"]))
    rules = (await office.console.store.accounts.get(account)).folders
    assert (rules.include, rules.exclude) == (("Trash",), ("INBOX",))
    await browser.post(path, page=path, do="by-rule")
    assert not (await office.console.store.accounts.get(account)).folders.include


async def test_further_addresses(office: Office) -> None:
    """Their owner says which are his; one that is somebody else's is refused."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    path = f"/mailboxes/{account}/addresses"
    assert "saved" in await browser.follow(await browser.post(path, page=path, more="ann@alias.example"))
    assert (await office.console.store.accounts.get(account)).aliases == ("ann@alias.example",)
    refused = await browser.post(path, page=path, more=BOB)
    assert (refused.status_code, "another user" in refused.text) == (409, True)
    assert (await browser.post(path, page=path, more="nobody")).status_code == 400
    await browser.post(path, page=path, more="")
    assert (await office.console.store.accounts.get(account)).aliases == ()


async def test_disconnect_and_purge(office: Office) -> None:
    """Counts are shown first. Disconnected, the mail stays; removed, which takes the address typed, it goes."""
    browser, account = await office.signed_in(ANN), office.life.boxes[ANN]
    path, store = f"/mailboxes/{account}", office.console.store
    eve, record = await office.signed_in(EVE), f"/records/contact/{office.life.refs['R1'].id}"
    assert "3 copies of 3 emails on records; 3 held by nobody else" in text_of(await browser.shows(f"{path}/remove"))
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


async def test_who_has_none_yet(office: Office) -> None:
    """Who comes the first time is led to connecting a mailbox, his own address proposed."""
    zoe, ann = await office.signed_in("zoe@firm.example"), await office.signed_in(ANN)
    page = await zoe.follow(await zoe.get("/"))
    assert 'value="zoe@firm.example"' in page
    assert "You have not connected a mailbox yet" in await zoe.shows("/mailboxes")
    assert (await ann.get("/")).headers["location"] == "/mailboxes"
    assert CARLA not in page
