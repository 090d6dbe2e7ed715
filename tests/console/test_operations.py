"""Operations: administrators see the overview and decide on dead letters; for other users these pages do not exist."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from schemas.accounts import AccountState
from schemas.identity import copy_id
from schemas.ledger import RowState
from schemas.routes import ROUTES
from schemas.sharing import Mode
from services.console.web.costly_answer import CostlyAnswer
from services.store import DeadLetter, NewRecord
from services.store.core.documents import now
from services.store.ledger.ledger_rows import row_document
from services.usecases.stages import BOUNDS
from tests.console.fixtures import ANN, BOB, EVE, Office, text_of
from tests.factories import row

PAGES = ("/operations", "/operations/dead-letters", "/operations/audit", "/operations/sharing", "/operations/users")
CANARY = b"Subject: canary-of-the-dead\r\n\r\nsecret-of-the-dead\r\n"
QUEUE = next(route.queue for route in ROUTES if route.consumer == "parser")
DEADLINE = 20.0


async def add_dead_letter(office: Office, queue: str = QUEUE) -> str:
    """Quarantine a copy in Bob's mailbox and return the id of its dead letter."""
    account, folder = office.life.boxes[BOB], "0123456789ab"
    row = copy_id(account, folder, 1, 7)
    moment = now()
    document = {"_id": row, "account": account, "folder": folder, "uidvalidity": 1, "uid": 7, "epoch": None, "size": 9}
    moments = {"internal_date": moment, "noticed_at": moment, "updated_at": moment}
    state = {"state": "quarantined", "reason": "parser-died"}
    await office.life.database["ledger"].insert_one({**document, **moments, **state})
    letter = DeadLetter(
        id=f"{queue}/{row}/1",
        queue=queue,
        reason="parser-died",
        error="PermanentError parser-died",
        headers={"ce-id": f"{row}/1", "ce-type": "leadmail.mail.fetched.v1", "leadmail": '{"note": "canary-header"}'},
        content_type="message/rfc822",
        body=CANARY,
        account=account,
        row=row,
        at=moment,
    )
    await office.console.store.dead_letters.add(letter)
    return letter.id


async def state_of(office: Office) -> tuple[str, str | None]:
    """Return the state and reason of the copy."""
    row = await office.life.database["ledger"].find_one({"uid": 7, "folder": "0123456789ab"})
    assert row is not None
    return row["state"], row.get("reason")


async def test_only_for_administrators(office: Office) -> None:
    """Other users get the same page as for any address that does not exist, and can change nothing."""
    letter = await add_dead_letter(office)
    bob, ann = await office.signed_in(BOB), await office.signed_in(ANN)
    nothing = (await bob.get("/operations/nothing")).text
    for path in (*PAGES, f"/operations/dead-letters/{quote(letter, safe='')}"):
        answer = await bob.get(path)
        assert (answer.status_code, answer.text.replace(path, "")) == (404, nothing.replace("/operations/nothing", ""))
        assert (await ann.get(path)).status_code == 200
    assert "Operations" not in await bob.shows("/mailboxes")
    for path, fields in (
        (f"/operations/dead-letters/{quote(letter, safe='')}", {"do": "drop"}),
        ("/operations/sharing", {"do": "save", "allowed": "private", "default": "private", "domains": ""}),
    ):
        assert (await bob.post(path, page="/mailboxes", **fields)).status_code == 404
    assert await office.console.store.dead_letters.count() == 1
    assert Mode.PUBLIC in (await office.console.store.company.policy()).allowed_modes


async def _repeat_a_message_id(ledger: Any, account: str) -> None:
    """Have two mails of an account carry one Message-ID."""
    for number in range(2):
        copy = row(account, 900 + number, RowState.UNMATCHED, id_mark=b"id", same_id=True, marks=(b"%d" % number,))
        await ledger.insert_one(row_document(copy))


async def test_the_overview(office_with_broker: Office) -> None:
    """Accounts come by oldest unfinished copy, then blocked ones; stages without replicas and queues are listed."""
    database, boxes = office_with_broker.life.database, office_with_broker.life.boxes
    await database["accounts"].update_one(
        {"_id": boxes[EVE]}, {"$set": {"state": "blocked", "reason": "wrong-password"}}
    )
    old = {"state": "published", "noticed_at": now() - timedelta(hours=2)}
    await database["ledger"].update_one({"account": boxes[BOB]}, {"$set": old})
    await _repeat_a_message_id(database["ledger"], boxes[EVE])
    browser = await office_with_broker.signed_in(ANN)
    page = await browser.shows("/operations")
    text = text_of(page)
    assert "1 Message-ID is carried by different mails" in text
    assert "The oldest unfinished copy is 2 h old" in text
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert rows.index(BOB) < rows.index(EVE) < rows.index(ANN)
    assert "did not accept the user name and password" in text
    assert "parser 0" in text
    assert "No poller and no parser and no matcher and no notifier is running: mail waits." in text
    assert 'class="number bad">0<' in page, "a queue without a consumer"
    assert f"{QUEUE} 0 {BOUNDS[QUEUE].messages:,} " in text
    assert "The oldest mail in these queues was noticed 2 h ago." in text


async def test_costly_answers_are_cached() -> None:
    """A query that takes one second runs once in ten, and once for all callers that wait for it."""
    moment, asked = 100.0, 0

    async def ask() -> int:
        nonlocal moment, asked
        asked += 1
        await asyncio.sleep(0)
        moment += 1.0
        return asked

    recent = CostlyAnswer(ask, clock=lambda: moment)
    assert await asyncio.gather(*(recent.get() for _ in range(3))) == [1, 1, 1]
    moment += 8.9
    assert await recent.get() == 1
    moment += 0.2
    assert await recent.get() == 2


async def test_without_a_broker(office: Office) -> None:
    """The page shows everything else and names the missing setting; a replay is refused and loses nothing."""
    letter = await add_dead_letter(office)
    browser = await office.signed_in(ANN)
    text = text_of(await browser.shows("/operations"))
    assert "LEADMAIL_RABBITMQ_URL is not set for the console" in text
    assert BOB in text
    answer = await browser.post(f"/operations/dead-letters/{quote(letter, safe='')}", do="replay")
    assert (answer.status_code, "nothing was sent" in answer.text) == (503, True)
    assert await state_of(office) == ("quarantined", "parser-died")


async def test_a_dead_letter(office: Office) -> None:
    """The page says where it failed and which copy it concerns, and shows none of the mail's content."""
    letter = await add_dead_letter(office)
    browser = await office.signed_in(ANN)
    path = f"/operations/dead-letters/{quote(letter, safe='')}"
    listed = await browser.shows("/operations/dead-letters")
    assert path in listed
    page = await browser.shows(path)
    for expected in (BOB, "parser-died", "message 7", letter, "leadmail.mail.fetched.v1"):
        assert expected in page
    for hidden in ("canary", "secret-of-the-dead"):
        assert hidden not in listed + page
    assert (await browser.get("/operations/dead-letters/nothing")).status_code == 404


async def test_replay(office_with_broker: Office) -> None:
    """The message is back in its queue, the copy is published, the dead letter is gone, and the audit log says who decided."""
    letter = await add_dead_letter(office_with_broker)
    browser = await office_with_broker.signed_in(ANN)
    path = f"/operations/dead-letters/{quote(letter, safe='')}"
    assert "sent to its queue again" in await browser.follow(await browser.post(path, do="replay"))
    assert await state_of(office_with_broker) == ("published", None)
    assert await office_with_broker.console.store.dead_letters.count() == 0
    assert office_with_broker.console.broker is not None
    bus = await office_with_broker.console.broker.bus()
    assert bus is not None
    async with asyncio.timeout(DEADLINE):
        while not (await bus.queue_depths())[QUEUE].ready:  # noqa: ASYNC110 - the broker sends no notification
            await asyncio.sleep(0.05)
    (entry,) = await office_with_broker.console.store.audit.newest(action="dead-letter.replay")
    assert (entry.by, entry.subject) == (ANN, f"dead-letter:{letter}")
    again = await browser.post(path, page="/operations/sharing", do="replay")
    assert again.status_code == 404


async def test_a_dead_letter_of_a_foreign_queue(office_with_broker: Office) -> None:
    """It can be dropped, but not replayed."""
    letter = await add_dead_letter(office_with_broker, "another.queue")
    browser = await office_with_broker.signed_in(ANN)
    path = f"/operations/dead-letters/{quote(letter, safe='')}"
    assert ">Replay<" not in await browser.shows(path)
    assert (await browser.post(path, do="replay")).status_code == 409
    assert (await browser.post(path, page=path, do="")).status_code == 400
    await browser.follow(await browser.post(path, page=path, do="drop"))
    assert await state_of(office_with_broker) == ("skipped", f"dropped by {ANN}")
    assert "There are no dead letters." in await browser.shows("/operations/dead-letters")


async def test_the_audit_log(office: Office) -> None:
    """Entries are listed newest first, optionally of one user or one action."""
    browser = await office.signed_in(ANN)
    text = text_of(await browser.shows("/operations/audit"))
    assert "before no, after yes" in text
    assert not re.search(r"\b(True|False|None)\b", text)
    assert text.index("console.sign-in") < text.index("user.admin") < text.index("account.add")
    assert "user.admin" not in await browser.shows(f"/operations/audit?by={ANN}")
    only = await browser.shows("/operations/audit?action=user&most=1")
    assert "user.admin" in only
    assert "account.add" not in only
    assert "most=2" in only
    assert "No matching entries." in await browser.shows("/operations/audit?by=nobody@x.example")


async def test_the_companys_sharing(office: Office) -> None:
    """The preview changes nothing; saving applies the policy to everyone and is recorded in the audit log."""
    ann, eve = await office.signed_in(ANN), await office.signed_in(EVE)
    path = "/operations/sharing"
    fields: dict[str, Any] = {"domains": "client.example", "allowed": ["private", "public", "custom"]}
    preview = text_of((await ann.post(path, page=path, do="preview", default="public", **fields)).text)
    assert "2 emails would be hidden from 3 users" in preview
    record = f"/records/contact/{office.life.refs['R1'].id}"
    assert "Subject shared" in await eve.shows(record)
    await ann.follow(await ann.post(path, do="save", default="public", **fields))
    assert "Subject shared" not in await eve.shows(record)
    (entry,) = await office.console.store.audit.newest(action="company.sharing")
    assert entry.by == ANN


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"domains": "com"}, "public suffix"),
        ({"default": ""}, "Choose the allowed modes"),
        ({"allowed": ["private"]}, "is not allowed. Allow it, or choose another default."),
        ({"allowed": []}, "is not allowed. Allow it, or choose another default."),
    ],
)
async def test_invalid_company_policy(office: Office, fields: dict[str, Any], message: str) -> None:
    """A mistake gives one sentence and changes nothing."""
    browser = await office.signed_in(ANN)
    right: dict[str, Any] = {"do": "save", "default": "public", "allowed": ["private", "public"], "domains": ""}
    answer = await browser.post("/operations/sharing", page="/operations/sharing", **(right | fields))
    assert (answer.status_code, message in text_of(answer.text)) == (400, True)
    assert not await office.console.store.audit.newest(action="company.sharing")


async def test_the_companys_domains(office: Office) -> None:
    """A colleague's record says what it does not show; a domain is confirmed at once, opened after its preview, closed at once."""
    store, here, path = office.console.store, "/operations/sharing", "/operations/sharing/domains"
    browser, bob = await office.signed_in(ANN), await office.signed_in(BOB)
    domain = BOB.rpartition("@")[2]
    assert f"Confirm {domain}" in await browser.shows(here)
    record = await store.records.add("contact", NewRecord((f"jo@{domain}",)))
    await store.record_addresses.put_many([record])
    page = f"/records/contact/{record.ref.id}"
    assert "is internal" not in await bob.shows(page)
    assert (await bob.post(path, page="/mailboxes", do="add", domain=domain)).status_code == 404
    assert (await browser.post(path, page=here, do="add", domain="gmail.com")).status_code == 400
    await browser.post(path, page=here, do="add", domain=domain)
    assert "is internal" in await bob.shows(page)
    asked = await browser.post(path, page=here, do="open", domain=domain)
    assert "1 record that you can read would cease to be internal" in asked.text
    assert "would be shown to" in asked.text
    await store.company.save(await store.company.policy())  # another administrator
    late = await browser.post(path, do="open", domain=domain, confirm=1)
    assert (late.status_code, "Nothing has been changed yet" in late.text) == (200, True)
    assert (await store.company.policy()).opened_domains == ()
    await browser.post(path, do="open", domain=domain, confirm=2)
    assert (await store.company.policy()).opened_domains == (domain,)
    saved = {"do": "save", "allowed": "public", "default": "public", "domains": ""}
    stale = await browser.post(here, page=here, **saved, version=2)
    assert (stale.status_code, "was changed in the meantime" in stale.text) == (409, True)
    assert (await browser.post(here, page=here, **saved, version=3)).status_code == 303
    assert "is internal" not in await bob.shows(page)
    await browser.post(path, page=here, do="close", domain=domain)
    assert "is internal" in await bob.shows(page)
    actions = [entry.action for entry in await store.audit.newest(action="company")]
    assert actions == ["company.domains", "company.sharing", "company.domains", "company.domains"]


async def test_an_unconfirmed_domain_is_proposed_to_administrators(office: Office) -> None:
    """Where they look after they connected a mailbox or a user was added; no one else, who could not confirm it."""
    ann, bob = await office.signed_in(ANN), await office.signed_in(BOB)
    (account,) = await office.console.store.accounts.get_all(ANN)
    pages = ("/mailboxes", f"/mailboxes/{account.id}", "/operations/users", "/operations/sharing")
    domain = ANN.rpartition("@")[2]
    for page in pages:
        assert f"{domain} looks like the company's own domain" in text_of(await ann.shows(page)), page
    assert "shows internal mail like that of a client" in text_of(await ann.shows("/mailboxes"))
    assert "looks like" not in await bob.shows("/mailboxes")
    await ann.post("/operations/sharing/domains", page="/operations/sharing", do="add", domain=domain)
    for page in pages:
        assert "looks like" not in await ann.shows(page)


async def test_a_mailbox_says_who_paused_it(office: Office) -> None:
    """Its owner, the operator with a command, or the disabling of its owner."""
    bob, accounts = await office.signed_in(BOB), office.console.store.accounts
    (account,) = await accounts.get_all(BOB)
    for reason, words in (
        (None, "by you"),
        ("operator", "by your administrator"),
        ("owner-disabled", "while its owner"),
    ):
        await accounts.set_state(account.id, AccountState.PAUSED, by="operator", reason=reason)
        for page in ("/mailboxes", f"/mailboxes/{account.id}"):
            assert f"paused {words}" in await bob.shows(page)


async def test_users_are_disabled_enabled_and_removed(office: Office) -> None:
    """With the extent first and the address typed; sessions end at once; everything is audited by its administrator."""
    store, here = office.console.store, f"/operations/users/{BOB}"
    browser, bob = await office.signed_in(ANN), await office.signed_in(BOB)
    assert f"{BOB} (active)" in text_of(await browser.shows("/operations/users"))
    await browser.post(here, page=here, do="disable")
    locked_out = await bob.get("/mailboxes")
    assert (locked_out.status_code, "You are signed out" in locked_out.text) == (401, True)
    assert "Your access has ended" in locked_out.text
    assert f"{BOB} (paused)" in text_of(await browser.shows("/operations/users"))
    await browser.post(here, page=here, do="enable")
    assert not (await store.users.get(BOB)).disabled
    assert "1 mailbox (0 emails on records that you can see" in text_of(await browser.shows(here))
    remove = {"do": "remove", "fate": "transfer", "heir": EVE}
    assert (await browser.post(here, page=here, **remove, confirm=EVE)).status_code == 400
    assert (await browser.post(here, page=here, **{**remove, "heir": ""}, confirm=BOB)).status_code == 400
    assert (await browser.post(here, page=here, **remove, confirm=BOB)).status_code == 303
    assert {one.owner for one in await store.accounts.get_all() if one.address == BOB} == {EVE}
    (entry,) = await store.audit.newest(action="user.remove")
    assert (entry.by, entry.details["how"]) == (ANN, "transfer")
    own = f"/operations/users/{ANN}"
    last = await browser.post(own, page=own, do="disable")
    assert (last.status_code, f"{ANN} is the last administrator" in last.text) == (403, True)
    assert (await browser.get("/operations/users/nobody@firm.example")).status_code == 404


async def test_administrators_are_told_no_count_of_mail_that_they_may_not_see(office: Office) -> None:
    """Neither the overview nor the page of a user says how much of a private mailbox is on records."""
    ann = await office.signed_in(ANN)
    overview = text_of(await ann.shows("/operations"))
    assert BOB in overview
    assert "on record" not in overview
    assert "0 emails on records that you can see" in text_of(await ann.shows(f"/operations/users/{BOB}"))


async def test_owners_are_told_no_count_of_records_that_the_crm_hides(office: Office) -> None:
    """With a readers field, mailboxes do not say how much of their mail is on records, some of which their owner may not read."""
    ann, pages = await office.signed_in(ANN), ("/mailboxes", f"/mailboxes/{office.life.boxes[ANN]}")
    for field, said in (("", True), ("readers", False)):
        object.__setattr__(office.console.settings, "crm_readers_field", field)
        for page in pages:
            assert ("on records" in text_of(await ann.shows(page)).lower()) is said, page
