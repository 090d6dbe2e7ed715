"""Connecting many mailboxes in the console: an administrator pastes a table, sees what would happen, and connects."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from services.console.sign_ins import importing
from services.settings import ConsoleSettings
from services.usecases.connecting import login_limit
from services.usecases.importing.table import MOST_ROWS, read_table
from testbed.identity.part import IdentityServer
from testbed.local import LocalServers
from tests.conftest import MailUser
from tests.console.fixtures import ANN, BOB, EVE, Browser, Office, open_office, set_up_company, text_of
from tests.matcher.histories.history import History

HERE = importing.HERE


@pytest.fixture
async def office(
    life: History, sign_in_settings: ConsoleSettings, identity: IdentityServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Office]:
    """The company, which lets Leadmail open mailboxes in its own name."""
    monkeypatch.setenv("LEADMAIL_OAUTH_SERVICE_ACCOUNT", identity.service_account())
    await set_up_company(life)
    async with open_office(life, ConsoleSettings.read(), None) as opened:
        yield opened


def pending(page: str) -> str:
    """Return the import that a page goes on with."""
    found = re.search(r'name="pending" value="([^"]+)"', page)
    assert found, text_of(page)
    return found[1]


async def test_importing(
    office: Office, servers: LocalServers, new_mail_user: Callable[..., MailUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dry run changes nothing; then the mailboxes are connected a few at a time, by the administrator for their owners."""
    monkeypatch.setattr(importing, "AT_ONCE", 2)
    browser, store = await office.signed_in(ANN), office.console.store
    boxes = [new_mail_user() for _ in range(3)]
    host = f"tls://{servers.imap.host}:{servers.imap.tls_port}"
    table = "address,owner,sharing,password,host\n"
    table += "".join(f"{box.address},{BOB},public,{box.password},{host}\n" for box in boxes)
    table += (
        f"wrong@example.test,{BOB},public,hunter2-wrong,{host}\nno-one@example.test,no-one@example.test,,x,{host}\n"
    )
    before = {one.address for one in await store.accounts.get_all()}
    checked = (await browser.post(HERE, page=HERE, do="check", table=table)).text
    assert "4 mailboxes can be connected" in text_of(checked)
    assert "there is no user no-one@example.test" in text_of(checked)
    assert {one.address for one in await store.accounts.get_all()} == before
    stolen = await (await office.signed_in(EVE)).post(HERE, page="/mailboxes", do="connect", pending=pending(checked))
    assert stolen.status_code == 404
    halfway = (await browser.post(HERE, do="connect", pending=pending(checked))).text
    assert "Connecting: 3 of 5" in text_of(halfway)
    assert "data-auto" in halfway
    assert (await browser.post(HERE, do="connect", pending=pending(checked))).status_code == 400
    done = (await browser.post(HERE, do="connect", pending=pending(halfway))).text
    assert "3 mailboxes connected, 2 failed" in text_of(done)
    for box in boxes:
        account = await store.accounts.find(box.address)
        (entry,) = await store.audit.newest(subject=f"account:{account.id}", action="account.add")
        assert (account.owner, entry.by) == (BOB, ANN)
    for _ in range(2):
        file = await browser.post(HERE, do="failures", pending=pending(done))
        assert file.headers["content-disposition"] == 'attachment; filename="failures.csv"'
        again = read_table(file.content.decode()).rows
        assert [row.address for row in again] == ["wrong@example.test", "no-one@example.test"]
        assert [(row.owner, row.sharing, row.host) for row in again] == [
            (BOB, "public", host),
            ("no-one@example.test", "", host),
        ]
    for secret in (*(box.password for box in boxes), "hunter2"):
        assert secret not in checked + halfway + done + file.text + office.log.getvalue()
    async for document in store._collections.pending_sign_ins.find({}):
        assert "hunter2" not in repr(document)


async def test_a_dry_run_in_steps(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long dry run shows how far it is and goes on by itself; nothing is lost between steps, and it can be left."""
    monkeypatch.setattr(importing, "STEP", timedelta(0))
    monkeypatch.setattr(importing, "AT_ONCE", 2)
    browser = await office.signed_in(ANN)
    lines = ["address,owner,password,host", *(f"box{n}@example.test,{BOB},x,imap.example.test" for n in range(3))]
    lines += ["no-one@example.test,no-one@example.test,x,", f"box4@example.test,{BOB},x,imap.example.test"]
    page = (await browser.post(HERE, page=HERE, do="check", table="\n".join(lines))).text
    for checked in (2, 4):
        assert f"Checking: {checked} of 5" in text_of(page)
        assert ("data-auto" in page, '<a href="/operations/import">Stop</a>' in page) == (True, True)
        assert 'name="do" value="check"' in page
        page = (await browser.post(HERE, do="check", pending=pending(page))).text
    assert "4 mailboxes can be connected" in text_of(page)
    assert "there is no user no-one@example.test" in text_of(page)
    assert ("data-auto" in page, 'name="do" value="connect"' in page) == (False, True)


async def test_guessing_passwords_with_a_table(
    office: Office, servers: LocalServers, new_mail_user: Callable[..., MailUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed logins of a table count as those typed by hand; those that work do not, so that many can be connected."""
    monkeypatch.setattr(login_limit, "MOST", 1)
    monkeypatch.setattr(importing, "AT_ONCE", 1)
    browser, boxes = await office.signed_in(ANN), [new_mail_user() for _ in range(4)]
    host = f"tls://{servers.imap.host}:{servers.imap.tls_port}"
    typed = (boxes[0].password, boxes[1].password, "wrong", boxes[3].password)
    lines = [f"{box.address},{BOB},{password},{host}" for box, password in zip(boxes, typed, strict=True)]
    page = (
        await browser.post(HERE, page=HERE, do="check", table="\n".join(["address,owner,password,host", *lines]))
    ).text
    for _ in boxes:
        page = (await browser.post(HERE, do="connect", pending=pending(page))).text
    assert "2 mailboxes connected, 2 failed" in text_of(page)
    assert text_of(page).count("too many attempts: try again in 15 minutes") == 1
    by_hand = await browser.post("/mailboxes/connect", page="/mailboxes/connect", do="find", address="a@gmail.com")
    assert by_hand.status_code == 429


async def test_nobody_opens_another_users_mailbox(office: Office, new_mail_user: Callable[..., MailUser]) -> None:
    """An administrator cannot become the owner of a mailbox that Leadmail opens in its own name; its own user can."""
    browser, box = await office.signed_in(ANN), new_mail_user()
    table = f"address,owner,app-only\n{box.address},{ANN},yes\n{BOB},{ANN},yes\n"
    page = text_of((await browser.post(HERE, page=HERE, do="check", table=table)).text)
    assert "only the operator may give a mailbox" in page
    assert "0 mailboxes can be connected" in page
    await office.console.store.users.add(box.address)
    checked = (await browser.post(HERE, page=HERE, do="check", table=f"address,app-only\n{box.address},yes\n")).text
    done = await browser.post(HERE, do="connect", pending=pending(checked))
    assert "1 mailbox connected, 0 failed" in text_of(done.text)
    account = await office.console.store.accounts.find(box.address)
    assert (account.owner, account.app_only) == (box.address, True)
    owner = await office.signed_in(box.address)
    page = await owner.shows(f"/mailboxes/{account.id}")
    assert "Sign in again" not in page
    assert "New password" not in page
    other = new_mail_user()
    fields = {
        "imap_host": account.incoming.host,
        "imap_port": str(account.incoming.port),
        "imap_tls": "tls",
        "no_smtp": "1",
    }
    path = f"/mailboxes/{account.id}/login"
    refused = await owner.post(path, page=path, imap_user=other.address, password="", **fields)
    assert (refused.status_code, f"has to be {box.address}" in text_of(refused.text)) == (403, True), text_of(
        refused.text
    )
    assert (await office.console.store.accounts.get(account.id)).incoming.username == box.address


async def test_nobody_takes_over_what_leadmail_opens(office: Office, new_mail_user: Callable[..., MailUser]) -> None:
    """An administrator cannot connect a user's mailbox and then remove the user to get it; without it, the user can be removed."""
    browser, box, store = await office.signed_in(ANN), new_mail_user(), office.console.store
    await store.users.add(box.address)
    checked = (await browser.post(HERE, page=HERE, do="check", table=f"address,app-only\n{box.address},yes\n")).text
    await browser.post(HERE, do="connect", pending=pending(checked))
    account, page = await store.accounts.find(box.address), f"/operations/users/{box.address}"
    taking = {"do": "remove", "confirm": box.address, "fate": "transfer", "heir": ANN}
    refused = await browser.post(page, page=page, **taking)
    assert (refused.status_code, "only the operator may transfer it" in text_of(refused.text)) == (403, True)
    assert (await store.accounts.get(account.id)).owner == box.address
    assert not (await store.users.get(box.address)).disabled
    assert (await browser.post(page, **{**taking, "fate": "disconnect"})).status_code == 303
    assert await store.accounts.connected(box.address) is None


async def test_the_longest_table(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many rows as a table may have fit into the form, with all columns; other pages take no such forms."""
    monkeypatch.setattr(importing, "STEP", timedelta(minutes=5))
    browser = await office.signed_in(ANN)
    row = "first.middle.last@subsidiary.firm.example,first.last@firm.example,custom,"
    row += "f.last@firm.example sales@firm.example,first.last,correct-horse-battery,,tls://imap.subsidiary.firm.example:993\n"
    table = "address,owner,sharing,aliases,username,password,app-only,host\n" + row * MOST_ROWS
    checked = await browser.post(HERE, page=HERE, do="check", table=table)
    assert checked.status_code == 200
    assert checked.text.count("the table has this address more than once") == MOST_ROWS
    assert (await browser.post("/operations/sharing", table=table)).status_code == 413
    assert (await browser.post(HERE, do="check", table=table * 3)).status_code == 413


async def test_for_administrators_only(office: Office) -> None:
    """To everyone else the page does not exist; a table that cannot be read has a sentence."""
    eve: Browser = await office.signed_in(EVE)
    assert (await eve.get(HERE)).status_code == 404
    browser = await office.signed_in(ANN)
    assert "Connect many mailboxes" in await browser.shows("/operations/users")
    wrong = await browser.post(HERE, page=HERE, do="check", table="name\nx")
    assert (wrong.status_code, "There is no column address" in text_of(wrong.text)) == (422, True)
    for fields in ({"do": "connect", "pending": "x"}, {"do": "failures", "pending": "x"}, {"do": "other"}):
        unknown: Any = await browser.post(HERE, **fields)
        assert unknown.status_code == 400
