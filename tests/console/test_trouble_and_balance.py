"""What an owner reads about trouble, and about each message of the mailbox; and what nobody else reads."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from schemas.accounts import Phase
from schemas.identity import folder_id
from schemas.ledger import RowState
from services.store.core.documents import now
from services.store.ledger.ledger_rows import row_document
from services.usecases import balance
from tests.console.fixtures import ANN, BOB, EVE, INBOX, ZOE, Office, text_of
from tests.factories import row

SENT = folder_id(b"Sent")
LATER = timedelta(hours=1)


async def trouble(office: Office, of: str, code: str, phase: Phase, detail: str) -> None:
    """Let a mailbox be in trouble with its inbox since an hour ago."""
    shown = {"code": code, "phase": phase, "folder": INBOX, "since": now() - LATER, "next_try": now() + LATER}
    told = {"detail": detail, "owner_told": False}
    await office.life.database["accounts"].update_one(
        {"_id": office.life.boxes[of]}, {"$set": {"trouble": {**shown, **told}}}
    )


async def fill(office: Office, of: str) -> dict[tuple[str, RowState, str | None], int]:
    """Replace the ledger of a mailbox by rows of each kind, as after a comparison; return how many of each."""
    account, database = office.life.boxes[of], office.life.database
    await database["ledger"].delete_many({"account": account})
    kinds = {
        (INBOX, RowState.ATTACHED, None): 11,
        (INBOX, RowState.UNMATCHED, None): 13,
        (INBOX, RowState.SKIPPED, "too-large"): 2,
        (INBOX, RowState.SKIPPED, "draft"): 3,
        (INBOX, RowState.QUARANTINED, "parser-died"): 4,
        (INBOX, RowState.PLANNED, None): 5,
        (INBOX, RowState.GONE, None): 9,
        (SENT, RowState.PUBLISHED, None): 6,
        (SENT, RowState.SKIPPED, "withheld"): 7,
    }
    uid, documents = 1000, []
    for (folder, state, reason), count in kinds.items():
        for number in range(count):
            uid += 1
            doubt = {"doubt": "unreadable", "retry_at": now() + LATER} if state == "planned" and number < 2 else {}
            short = {"short": 10} if state == "attached" and number < 1 else {}
            document = row_document(row(account, uid, state, folder=folder, reason=reason))
            email = {"email": f"v1-{uid:040x}"} if state == "attached" else {}
            documents.append({**document, **doubt, **short, **email})
    await database["ledger"].insert_many(documents)
    compared = {"selected": True, "checked_at": now() - LATER}
    for folder, expected, found in ((INBOX, 38, 38), (SENT, 13, 13)):
        await database["folders"].update_one(
            {"_id": f"{account}.{folder}"}, {"$set": {**compared, "expected": expected, "found": found}}
        )
    trash = {"account": account, "id": "0123456789ab", "raw_name": b"T", "name": "Bin", "role": "trash"}
    await database["folders"].insert_one(
        {"_id": f"{account}.0123456789ab", **trash, "selected": False, "reason": "trash"}
    )
    return kinds


async def test_each_number_is_the_stores(office: Office) -> None:
    """In all and per folder: what the server holds, and each message in exactly one place, with the reason in words."""
    kinds = await fill(office, BOB)
    account = office.life.boxes[BOB]
    rows = Counter[str]()
    async for one in office.console.store.ledger_counts.rows(account):
        rows[one.state] += 1
    page = text_of(await (await office.signed_in(BOB)).shows(f"/mailboxes/{account}/messages"))
    for line in (
        "Your mailbox: 51 of 51",
        "Leadmail knew every message",
        "Held by your server 51 Found 51 Compared",
        f"On records {rows['attached']} Not about a record {rows['unmatched']} (not stored",
        "Left out 3: not sent yet",
        "Left out 4: could not be read safely",
        "Left out 2: larger than your company's limit",
        "Left out 7: listed by your mail server but not delivered by it",
        f"Waiting {rows['planned'] + rows['published']} Tried again 2 of those waiting: your mail server fails",
        f"Together {rows.total() - rows['gone']} Incomplete 1 message came without the end",
        "Bin left out: holds deleted mail",
        "38 38 11 13 9 5",
        "13 13 0 0 7 6",
    ):
        assert line in page, line
    together, each = await balance.of_account(office.console.store, account)
    assert (
        together.totals.rows == sum(count for (_, state, _), count in kinds.items() if state is not RowState.GONE) == 51
    )
    assert together.decided + together.totals.left_out.total() + together.waiting == together.totals.rows
    assert sum(one.totals.rows for one in each) == together.totals.rows
    assert together.totals.next_try is not None


@pytest.mark.parametrize(
    ("fields", "said", "unsaid"),
    [
        ({"expected": 40}, "says that it holds 53, and names 51", "knew every message"),
        ({"checked_at": None}, "1 folder was not compared with your mail server yet", "knew every message"),
        ({"expected": 37, "found": 37}, "came or went since the comparison", "and names"),
    ],
)
async def test_what_does_not_agree_is_said(
    office: Office, fields: dict[str, int | None], said: str, unsaid: str
) -> None:
    """The page claims no balance that is not there."""
    await fill(office, BOB)
    account = office.life.boxes[BOB]
    await office.life.database["folders"].update_one({"_id": f"{account}.{INBOX}"}, {"$set": fields})
    page = text_of(await (await office.signed_in(BOB)).shows(f"/mailboxes/{account}/messages"))
    assert said in page
    assert unsaid not in page


async def test_before_the_first_comparison(office: Office) -> None:
    """Nothing is claimed."""
    page = text_of(await (await office.signed_in(BOB)).shows(f"/mailboxes/{office.life.boxes[BOB]}/messages"))
    assert "Your mailbox: not compared yet" in page
    assert "knew every message" not in page


async def test_the_page_is_its_owners(office: Office) -> None:
    """For others, administrators included, it does not exist; with a readers field, it counts nothing that the CRM hides."""
    await fill(office, BOB)
    path = f"/mailboxes/{office.life.boxes[BOB]}/messages"
    for other in (ANN, EVE, ZOE):
        assert (await (await office.signed_in(other)).get(path)).status_code == 404
    assert (await office.browser().get(path)).status_code in {303, 401}
    object.__setattr__(office.console.settings, "crm_readers_field", "readers")
    page = text_of(await (await office.signed_in(BOB)).shows(path))
    assert "Checked against the records 24" in page
    assert ("On records" in page, "38 38 24 9 5" in page) == (False, True)


async def test_trouble_is_shown_to_the_owner(office: Office) -> None:
    """What, in which folder, since when, when next, and what to do; not while it is paused."""
    await trouble(office, BOB, "empty-folder-contradicted", "backfill", "the <b>folder</b> is said to hold 5 mails")
    bob, path = await office.signed_in(BOB), f"/mailboxes/{office.life.boxes[BOB]}"
    assert "active, with a problem" in await bob.shows("/mailboxes")
    html = await bob.shows(path)
    page = text_of(html)
    for part in ("is said to hold 5 mails", "the folder INBOX", "Since ", "Next try: ", "tell your administrator"):
        assert part in page, part
    assert "<b>folder" not in html
    await bob.post(path, do="pause")
    assert "is said to hold" not in await bob.shows(path)


async def test_administrators_see_trouble_by_code(office: Office) -> None:
    """Which mailboxes, why, since when; neither what the server said nor folders. Other users do not see it."""
    ann, eve = await office.signed_in(ANN), await office.signed_in(EVE)
    assert "in trouble" not in await ann.shows("/operations")
    await trouble(office, BOB, "throttled", "live", "canary of the server")
    office.console.overview._good_until = 0.0
    page = text_of(await ann.shows("/operations"))
    assert "1 active mailbox in trouble" in page
    assert "throttled the mail server limits how fast the mailbox may be used, while following new mail" in page
    assert f"continues by itself. {BOB} " in page
    assert ("canary" in page, "INBOX" in page) == (False, False)
    for other in ("/mailboxes", f"/mailboxes/{office.life.boxes[EVE]}"):
        assert "throttled" not in await eve.shows(other)
