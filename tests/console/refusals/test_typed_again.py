"""What was typed wrongly stays on the page that says what is wrong with it; who learns what from a refusal; empty pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from schemas.accounts import AccountState, Lease
from services.store.core.documents import now
from testbed.local import LocalServers
from tests.conftest import MailUser
from tests.console.fixtures import ANN, BOB, CARLA, EVE, ZOE, Office, put_rich, rich, text_of
from tests.console.test_mailboxes import form_of
from tests.matcher.fixtures import mail


@pytest.mark.parametrize(
    ("page", "path", "fields", "kept"),
    [
        (
            "/mailboxes/{box}/sharing",
            "",
            {"do": "save", "mode": "custom", "domains": "ok.example com"},
            ['value="ok.example com"', 'value="custom" required checked'],
        ),
        (
            "/operations/sharing",
            "",
            {"do": "save", "domains": "ok.example com", "allowed": ["private"], "default": "private"},
            ['value="ok.example com"', 'value="private" checked', '<option value="private" selected'],
        ),
        (
            "/operations/sharing",
            "/domains",
            {"do": "add", "domain": "gmail.com"},
            ['name="domain" value="gmail.com"', 'value="public" checked'],
        ),
        (
            "/mailboxes/{box}/addresses",
            "",
            {"do": "save", "more": "me@ok.example nobody"},
            ['value="me@ok.example nobody"'],
        ),
        ("/mailboxes/connect", "", {"do": "find", "address": "nobody"}, ['value="nobody"', "Which service hosts it?"]),
        ("/mailboxes/{box}/password", "", {"password": ""}, ["The password is empty.", "Test and save"]),
    ],
)
async def test_what_was_typed_stays(
    office: Office, page: str, path: str, fields: dict[str, Any], kept: list[str]
) -> None:
    """The form comes again with what was typed, and says once what is wrong. Nothing is saved."""
    browser, page = await office.signed_in(ANN), page.format(box=office.life.boxes[ANN])
    answer = await browser.post(page + path, page=page, **fields)
    assert answer.status_code == 400
    assert answer.text.count('role="alert"') == 1
    for one in kept:
        assert one in answer.text, one
    assert not await office.console.store.audit.newest(action="company.sharing")


async def test_who_cannot_sign_in_does_not_learn_that_a_mailbox_is_connected(
    office: Office, servers: LocalServers, new_mail_user: Callable[..., MailUser]
) -> None:
    """Another user's mailbox looks like one that nobody connected until its password is known; one's own is named at once."""
    box, page = new_mail_user("ann"), "/mailboxes/connect"
    ann, bob = await office.signed_in(ANN), await office.signed_in(BOB)
    await ann.follow(await ann.post(page, page=page, **form_of(box, servers)))
    answers = [
        await bob.post(page, page=page, **fields)
        for address in (box.address, f"x{box.address}")
        for fields in (
            {"do": "find", "address": address},
            form_of(box, servers, address=address, password="wrong", imap_user=address, smtp_user=address),
        )
    ]
    assert [one.status_code for one in answers] == [200, 422, 200, 422]
    texts = [text_of(one.text).replace(f"x{box.address}", box.address) for one in answers]
    assert texts[:2] == texts[2:]
    right = await bob.post(page, page=page, **form_of(box, servers))
    assert (right.status_code, "connected" in right.text) == (409, True)
    own = await ann.post(page, page=page, do="find", address=box.address)
    assert (own.status_code, "is already connected" in own.text, "Which service hosts it?" in own.text) == (
        409,
        True,
        True,
    )


async def test_the_newest_records_come_before_a_search(office: Office) -> None:
    """Leads and contacts are there at once, those that the CRM hides from the viewer are not."""
    browser = await office.signed_in(ZOE)
    page = await browser.shows("/records")
    assert re.findall(r">([^<]+)</a> <span class=\"soft\">(\w+)", page) == [
        ("Carla Rossi", "contact"),
        ("Paul Partner", "lead"),
    ]
    assert [head in page for head in ("Newest contacts", "Newest leads")] == [True, True]
    object.__setattr__(office.console.store.reading._guard._rights._config, "readers_field", "readers")
    await office.life.crm["contacts"].update_many({}, {"$set": {"readers": [ANN]}})
    assert "Carla Rossi" not in await browser.shows("/records")
    await office.life.crm["leads"].delete_many({})
    assert "There is no lead or contact that you can see." in await browser.shows("/records")


async def test_a_mailbox_that_nobody_synchronises_is_not_green(office: Office) -> None:
    """It waits until a poller has it, then it is being imported; only when that is over it is simply active."""
    browser, account = await office.signed_in(BOB), office.life.boxes[BOB]
    accounts, epochs = (office.life.database[name] for name in ("accounts", "epochs"))
    await epochs.delete_many({"account": account})
    for holder, tone, state in ((None, "warn", "waiting"), ("poller-1", "soft", "importing")):
        await accounts.update_one({"_id": account}, {"$set": {"lease": {"holder": holder, "until": now(), "token": 1}}})
        for path in ("/mailboxes", f"/mailboxes/{account}"):
            page = await browser.shows(path)
            assert f'<span class="badge {tone}">{state}</span>' in page, path
            assert "0 of 0 messages" not in page
    await office.console.store.epochs.start(Lease(account=account, holder="poller-1", token=1), (), expected=5)
    assert '<span class="badge soft">importing</span>' in await browser.shows("/mailboxes")
    await epochs.update_many({"account": account}, {"$set": {"state": "complete"}})
    assert '<span class="badge good">active</span>' in await browser.shows("/mailboxes")
    await accounts.update_one({"_id": account}, {"$set": {"state": AccountState.PAUSED.value}})
    assert 'class="badge warn">paused' in await browser.shows("/mailboxes")


async def test_links_of_a_mail_stay_outside_of_the_console(office: Office) -> None:
    """A link without a scheme would lead into the console, a data link is a page of the sender's; neither is a link here."""
    html = "".join(
        f'<a href="{link}">{name}</a>'
        for name, link in (
            ("relative", "/sign-out"),
            ("other", "../operations"),
            ("host", "//console.test/"),
            ("query", "?x=1"),
            ("part", "#a"),
            ("data", "data:text/html,x"),
            ("good", "https://ok.example/"),
            ("mail", "MAILTO:a@b.example"),
        )
    )
    linked = mail("linked", CARLA, ANN, html=html + '<blockquote cite="/x">a</blockquote>')
    await office.life.match(await office.life.copy(office.life.accounts[office.life.boxes[ANN]], linked))
    page = (await (await office.signed_in(EVE)).shows(f"/mail/{linked.key}/html")).partition("<body>")[2]
    assert re.findall(r'(?:href|cite)="([^"]+)"', page) == ["https://ok.example/", "MAILTO:a@b.example"]
    assert "relative" in page


async def test_images_are_offered_where_there_are_any(office: Office) -> None:
    """A mail without remote images says nothing of them."""
    plain = mail("plain", CARLA, ANN, html="<p>Dear Ann</p><img src='http://only-https.example/a'>")
    await office.life.match(await office.life.copy(office.life.accounts[office.life.boxes[ANN]], plain))
    await put_rich(office.life, ANN, rich("rich", CARLA, ANN, thread="rich"))
    browser = await office.signed_in(EVE)
    with_images = await browser.shows(f"/mail/{rich('rich', CARLA, ANN).key}")
    without = await browser.shows(f"/mail/{plain.key}")
    assert ["Load images" in one for one in (with_images, without)] == [True, False]
    assert "Remote images" not in without


async def test_domains_are_shown_as_people_write_them(office: Office) -> None:
    """On the pages of records, mailboxes and sharing. Senders keep the form in which they can imitate no other domain."""
    await office.life.do(("record", "R3", "contact", ("jo@xn--mnchen-3ya.example",)))
    browser, box = await office.signed_in(ANN), f"/mailboxes/{office.life.boxes[ANN]}"
    await browser.post(f"{box}/sharing", page=f"{box}/sharing", do="save", mode="custom", domains="b\u00fccher.example")
    await browser.post(f"{box}/addresses", page=f"{box}/addresses", do="save", more="ann@b\u00fccher.example")
    ref = office.life.refs["R3"]
    for path, shown in (
        ("/records", "jo@m\u00fcnchen.example"),
        (f"/records/{ref.kind}/{ref.id}", "jo@m\u00fcnchen.example"),
        (f"{box}/sharing", 'value="b\u00fccher.example"'),
        (f"{box}/addresses", "ann@b\u00fccher.example"),
        (box, "ann@b\u00fccher.example"),
    ):
        page = await browser.shows(path)
        assert shown in page, path
        assert "xn--" not in text_of(page), path
    imitated = mail("imitated", "kim@xn--80ak6aa92e.example", CARLA, ANN)
    await office.life.match(await office.life.copy(office.life.accounts[office.life.boxes[ANN]], imitated))
    assert "kim@xn--80ak6aa92e.example" in await browser.shows(f"/mail/{imitated.key}")
