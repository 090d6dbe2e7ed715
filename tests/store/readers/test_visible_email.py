"""The line of an email, on given facts: everything in it comes from copies that grant and that the viewer may know of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.accounts import Account
from schemas.emails import Link, Match
from schemas.mail import Attachment, Classification, Participant, Role
from schemas.records import RecordRef
from schemas.sharing import CopyDecision, Decision, LiveCopy, Mode, SharingPolicy, Verdict
from services.store.access.guard import LinkDecision
from services.store.ledger.row_views import LiveRow
from services.store.readers.views import Reason, VisibleCopy, VisibleEmail
from services.store.readers.visible_lines import folded, visible_email
from tests.factories import account, viewer
from tests.store.fixtures import START, key

ANN, BOB, EVE, KIM = "ann@firm.example", "bob@firm.example", "eve@firm.example", "kim@client.example"
MAIL = key("mail")
RECORD = RecordRef(kind="contact", id="1")
LINE = Match(address=KIM, role=Role.TO)
LINK = Link(
    id=f"contact:1/{MAIL}",
    email=MAIL,
    record=RECORD,
    sent_at=START,
    thread="t" * 24,
    matches=(LINE,),
    owners=(ANN, BOB),
)
PEOPLE = (Participant(address=ANN, role=Role.FROM), Participant(address=KIM, name="Kim", role=Role.TO))
FILE = Attachment(name="offer.pdf", media_type="application/pdf", size=3, sha256="0" * 64)
DOCUMENT: dict[str, Any] = {
    "subject": "Offer",
    "snippet": "Dear Kim",
    "participants": [one.model_dump(mode="json") for one in PEOPLE],
    "attachments": [FILE.model_dump(mode="json")],
    "marks": {"mailing_list": True, "defects": ["date:guessed"]},
    "message_id": "offer@firm.example",
    "date": START,
}
ANNS, BOBS = account(ANN), account(BOB)
FOLDERS = {(ANNS.id, "a" * 12): "Sent", (BOBS.id, "a" * 12): "Elsewhere", (BOBS.id, "b" * 12): "INBOX"}


def row(of: Account, folder: str, *bcc: str) -> LiveRow:
    """Return a copy, flagged and labelled with the name of its owner."""
    name = of.owner.partition("@")[0]
    return LiveRow(
        id=f"{of.id}.{folder}.{1:010d}.{1:010d}",
        account=of.id,
        folder=folder,
        email=MAIL,
        flags=(name,),
        labels=(f"label-{name}",),
        bcc=bcc,
        defects=(f"charset:{name}",),
        internal_date=START,
    )


def decision(verdicts: dict[str, Verdict], *rows: LiveRow, named: tuple[Account, ...] = (ANNS, BOBS)) -> LinkDecision:
    """Return a link with what the rule says of the copies of each account."""
    accounts = {one.id: one for one in (ANNS, BOBS)}
    lines = tuple(
        CopyDecision(
            copy_of=LiveCopy(
                account=one.account,
                owner=accounts[one.account].owner,
                policy=SharingPolicy(mode=Mode.PUBLIC),
                own_addresses=(),
                bcc=one.bcc,
            ),
            match=LINE,
            decision=Decision(verdict=verdicts[one.account]),
        )
        for one in rows
    )
    return LinkDecision(LINK, lines, rows, accounts, frozenset(one.id for one in named))


def copy(of: Account, folder: str, *, own: bool) -> VisibleCopy:
    """Return what a viewer sees of a copy of ``row``."""
    name = of.owner.partition("@")[0]
    return VisibleCopy(
        owner=of.owner,
        account=of.id,
        address=of.address,
        folder=folder,
        flags=(name,),
        labels=(f"label-{name}",),
        own=own,
        defects=(f"charset:{name}",) if own else (),
    )


BOTH = {ANNS.id: Verdict.SHARED, BOBS.id: Verdict.OWN_COPY}


def line(**fields: Any) -> VisibleEmail:
    """Return the line that Bob sees."""
    values: dict[str, Any] = {
        "email": MAIL,
        "record": RECORD,
        "sent_at": START,
        "thread": "t" * 24,
        "subject": "Offer",
        "snippet": "Dear Kim",
        "direction": "out",
        "participants": PEOPLE,
        "bcc": (),
        "attachments": (FILE,),
        "marks": Classification(mailing_list=True),
        "reasons": (Reason(address=KIM, role=Role.TO),),
        "copies": (copy(BOBS, "INBOX", own=True), copy(ANNS, "Sent", own=False)),
        "holders": (BOB, ANN),
        "flags": ("bob",),
        "folder": "INBOX",
        "message_id": "offer@firm.example",
        "date": START,
    }
    return VisibleEmail(**{**values, **fields})


def test_a_line_begins_with_the_viewers_own_copy() -> None:
    """Folders are looked up per account, Bcc is that of the viewer's own copies, and how a copy was encoded stays untold."""
    rows = (row(ANNS, "a" * 12, "secret@law.example"), row(BOBS, "b" * 12))
    assert visible_email(viewer(BOB), decision(BOTH, *rows), DOCUMENT, FOLDERS, [ANN]) == line()
    sender = visible_email(
        viewer(ANN),
        decision({**BOTH, ANNS.id: Verdict.OWN_COPY, BOBS.id: Verdict.SHARED}, *rows),
        DOCUMENT,
        FOLDERS,
        [ANN],
    )
    assert sender == line(
        bcc=("secret@law.example",),
        copies=(copy(ANNS, "Sent", own=True), copy(BOBS, "INBOX", own=False)),
        holders=(ANN, BOB),
        flags=("ann",),
        folder="Sent",
    )


def test_a_line_without_a_copy_to_name_has_no_folder_and_no_flags() -> None:
    """A viewer without a copy sees the mail that an account shares which the mail does not name, and nothing of that copy."""
    seen = visible_email(viewer(EVE), decision(BOTH, row(ANNS, "a" * 12), named=()), DOCUMENT, FOLDERS, [])
    assert seen == line(direction="in", copies=(), holders=(), flags=(), folder="")


def test_a_folder_that_is_gone_has_no_name() -> None:
    """The row outlives its folder until the next comparison."""
    seen = visible_email(viewer(BOB), decision(BOTH, row(BOBS, "c" * 12)), DOCUMENT, FOLDERS, [ANN])
    assert (seen.folder, seen.copies) == ("", (copy(BOBS, "", own=True),))


def test_fields_that_an_early_version_did_not_store_are_empty() -> None:
    """Documents of version 0.1 have neither files nor marks if there were none."""
    bare = {"subject": "Offer", "snippet": "Dear Kim"}
    seen = visible_email(viewer(BOB), decision(BOTH, row(BOBS, "b" * 12)), bare, FOLDERS, [])
    assert (seen.participants, seen.attachments, seen.marks) == ((), (), Classification())
    assert (seen.message_id, seen.date) == (None, None)


def test_emails_that_are_one_mail_to_a_person_are_one_line() -> None:
    """The viewer's own one first, with the copies of all; the ids of the others stay known."""
    theirs = line(email=key("footer"), copies=(copy(ANNS, "Sent", own=False),), holders=(ANN,))
    mine = line(email=MAIL, copies=(copy(BOBS, "INBOX", own=True),), holders=(BOB,))
    unnamed = line(email=key("gateway"), copies=(), holders=())
    (one,) = folded([unnamed, theirs, mine])
    assert one == mine.model_copy(
        update={
            "copies": (*mine.copies, *theirs.copies),
            "holders": (BOB, ANN),
            "also": (unnamed.email, theirs.email),
        }
    )
    both = mine.model_copy(update={"copies": (*mine.copies, copy(ANNS, "Archive", own=False))})
    mine_too = line(email=key("mine"), copies=(copy(BOBS, "Old", own=True),), holders=(BOB,))
    assert [one.folder for one in folded([both, mine_too])[0].copies] == ["INBOX", "Old", "Archive"]


@pytest.mark.parametrize(
    "fields",
    [
        {"message_id": "other@firm.example"},
        {"date": START + timedelta(seconds=1)},
        {"participants": (Participant(address=EVE, role=Role.FROM), PEOPLE[1])},
    ],
)
def test_other_emails_are_lines_of_their_own(fields: dict[str, Any]) -> None:
    """A Message-ID, a date or a sender that differs makes another mail; other recipients do not."""
    first = line(participants=(*PEOPLE, Participant(address=EVE, role=Role.CC)))
    lines = [first, line(email=key("other"), **fields)]
    assert folded(lines) == lines
    assert len(folded([first, line(email=key("other"))])) == 1


@pytest.mark.parametrize("fields", [{"message_id": None}, {"date": None}, {"participants": PEOPLE[1:]}])
def test_what_lacks_an_id_a_date_or_a_sender_is_never_joined(fields: dict[str, Any]) -> None:
    """Nothing says that such emails are one mail."""
    lines = [line(email=key(name), **fields) for name in ("one", "two")]
    assert folded(lines) == lines
