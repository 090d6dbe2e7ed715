"""Operations: administrators look at the whole and decide on dead letters, on a real broker; to others there is no such page."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import quote

import pytest

from schemas.identity import copy_id
from schemas.routes import ROUTES
from schemas.sharing import Mode
from services.console.web.recent import Recent
from services.store import DeadLetter
from services.store.core.documents import now
from tests.console.fixtures import ANN, BOB, EVE, Office, text_of

PAGES = ("/operations", "/operations/dead-letters", "/operations/audit", "/operations/sharing")
CANARY = b"Subject: canary-of-the-dead\r\n\r\nsecret-of-the-dead\r\n"
QUEUE = next(route.queue for route in ROUTES if route.consumer == "parser")
DEADLINE = 20.0


async def letter_of(office: Office, queue: str = QUEUE) -> str:
    """Have a copy in Bob's mailbox quarantined, and return its dead letter's id."""
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
    """Whoever is none finds what he finds at any address that is not there, and can change nothing."""
    letter = await letter_of(office)
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


async def test_the_overview(manned: Office) -> None:
    """The oldest unfinished copy first, then who is in trouble; stages without replicas, queues without readers."""
    database, boxes = manned.life.database, manned.life.boxes
    await database["accounts"].update_one(
        {"_id": boxes[EVE]}, {"$set": {"state": "blocked", "reason": "wrong-password"}}
    )
    old = {"state": "published", "noticed_at": now() - timedelta(hours=2)}
    await database["ledger"].update_one({"account": boxes[BOB]}, {"$set": old})
    browser = await manned.signed_in(ANN)
    page = await browser.shows("/operations")
    text = text_of(page)
    assert "The oldest unfinished copy is 2 h old" in text
    rows = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert rows.index(BOB) < rows.index(EVE) < rows.index(ANN)
    assert "did not accept the user name and password" in text
    assert "parser 0" in text
    assert QUEUE in text


async def test_looking_often_costs_no_more() -> None:
    """What takes a second to find out is asked once in ten, and once for all who ask meanwhile."""
    moment, asked = 100.0, 0

    async def ask() -> int:
        nonlocal moment, asked
        asked += 1
        await asyncio.sleep(0)
        moment += 1.0
        return asked

    recent = Recent(ask, clock=lambda: moment)
    assert await asyncio.gather(*(recent.get() for _ in range(3))) == [1, 1, 1]
    moment += 8.9
    assert await recent.get() == 1
    moment += 0.2
    assert await recent.get() == 2


async def test_without_a_broker(office: Office) -> None:
    """Everything else is shown, and what is missing is said; nothing is sent, and nothing is lost."""
    letter = await letter_of(office)
    browser = await office.signed_in(ANN)
    text = text_of(await browser.shows("/operations"))
    assert "The console has no LEADMAIL_RABBITMQ_URL" in text
    assert BOB in text
    answer = await browser.post(f"/operations/dead-letters/{quote(letter, safe='')}", do="replay")
    assert (answer.status_code, "nothing was sent" in answer.text) == (503, True)
    assert await state_of(office) == ("quarantined", "parser-died")


async def test_a_dead_letter(office: Office) -> None:
    """Where it failed and which copy it is about; nothing of the mail, which is not the administrator's to read."""
    letter = await letter_of(office)
    browser = await office.signed_in(ANN)
    path = f"/operations/dead-letters/{quote(letter, safe='')}"
    listed = await browser.shows("/operations/dead-letters")
    assert path in listed
    page = await browser.shows(path)
    for told in (BOB, "parser-died", "message 7", letter, "leadmail.mail.fetched.v1"):
        assert told in page
    for hidden in ("canary", "secret-of-the-dead"):
        assert hidden not in listed + page
    assert (await browser.get("/operations/dead-letters/nothing")).status_code == 404


async def test_replay(manned: Office) -> None:
    """The message is in its queue again, its copy is under way, the letter is gone, and the log says who decided."""
    letter = await letter_of(manned)
    browser = await manned.signed_in(ANN)
    path = f"/operations/dead-letters/{quote(letter, safe='')}"
    assert "sent to its queue again" in await browser.follow(await browser.post(path, do="replay"))
    assert await state_of(manned) == ("published", None)
    assert await manned.console.store.dead_letters.count() == 0
    assert manned.console.broker is not None
    bus = await manned.console.broker.bus()
    assert bus is not None
    async with asyncio.timeout(DEADLINE):
        while not (await bus.queue_depths())[QUEUE].ready:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)
    (entry,) = await manned.console.store.audit.list(action="dead-letter.replay")
    assert (entry.by, entry.subject) == (ANN, f"dead-letter:{letter}")
    again = await browser.post(path, page="/operations/sharing", do="replay")
    assert again.status_code == 404


async def test_a_letter_of_no_queue_of_ours(manned: Office) -> None:
    """It can be given up, not sent."""
    letter = await letter_of(manned, "another.queue")
    browser = await manned.signed_in(ANN)
    path = f"/operations/dead-letters/{quote(letter, safe='')}"
    assert "Send it again" not in await browser.shows(path)
    assert (await browser.post(path, do="replay")).status_code == 409
    assert (await browser.post(path, page=path, do="")).status_code == 400
    await browser.follow(await browser.post(path, page=path, do="drop"))
    assert await state_of(manned) == ("skipped", f"dropped by {ANN}")
    assert "There are none." in await browser.shows("/operations/dead-letters")


async def test_the_audit_log(office: Office) -> None:
    """Newest first; by whom, or of one kind."""
    browser = await office.signed_in(ANN)
    text = text_of(await browser.shows("/operations/audit"))
    assert text.index("console.sign-in") < text.index("user.admin") < text.index("account.add")
    assert "user.admin" not in await browser.shows(f"/operations/audit?by={ANN}")
    only = await browser.shows("/operations/audit?action=user&most=1")
    assert "user.admin" in only
    assert "account.add" not in only
    assert "most=2" in only
    assert "There is no such entry." in await browser.shows("/operations/audit?by=nobody@x.example")


async def test_the_companys_sharing(office: Office) -> None:
    """Told before it is done; then it holds for everybody, and the log has what was before."""
    ann, eve = await office.signed_in(ANN), await office.signed_in(EVE)
    path, fields = "/operations/sharing", {"domains": "client.example", "allowed": ["private", "public", "custom"]}
    told = text_of((await ann.post(path, page=path, do="preview", default="public", **fields)).text)
    assert "2 emails would be hidden from 3 users" in told
    record = f"/records/contact/{office.life.refs['R1'].id}"
    assert "Subject shared" in await eve.shows(record)
    await ann.follow(await ann.post(path, do="save", default="public", **fields))
    assert "Subject shared" not in await eve.shows(record)
    (entry,) = await office.console.store.audit.list(action="company.sharing")
    assert entry.by == ANN


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"domains": "com"}, "public suffix"),
        ({"default": ""}, "Choose what is proposed"),
        ({"allowed": ["private"]}, "is not allowed: allow it, or propose another"),
        ({"allowed": []}, "is not allowed: allow it, or propose another"),
    ],
)
async def test_what_cannot_hold(office: Office, fields: dict[str, object], told: str) -> None:
    """A mistake is one sentence, and changes nothing."""
    browser = await office.signed_in(ANN)
    right: dict[str, object] = {"do": "save", "default": "public", "allowed": ["private", "public"], "domains": ""}
    answer = await browser.post("/operations/sharing", page="/operations/sharing", **(right | fields))
    assert (answer.status_code, told in text_of(answer.text)) == (400, True)
    assert not await office.console.store.audit.list(action="company.sharing")
