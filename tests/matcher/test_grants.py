"""Stored flags of a link, and its line in a record's summary: the pure part."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.emails import Match
from schemas.mail import Content, Participant, Role
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services.matcher.grants import Grants, Holder, grants

ANN, BOB, CLIENT = "ann@firm.example", "bob@firm.example", "c@client.example"
PUBLIC, PRIVATE = SharingPolicy(mode=Mode.PUBLIC), SharingPolicy(mode=Mode.PRIVATE)
ONE, TWO, THREE = ("1" * 24, "2" * 24, "3" * 24)
PEOPLE = frozenset((ANN, CLIENT))
TO = Match(address=CLIENT, role=Role.TO)


def holder(account: str, owner: str, policy: SharingPolicy, bcc: tuple[str, ...] = ()) -> Holder:
    """Return a holder whose account has its owner's address only."""
    return Holder(account, owner, policy, frozenset((owner,)), bcc)


def bcc(account: str) -> Match:
    """Return a match that one account's Bcc gives."""
    return Match(address=CLIENT, role=Role.BCC, account=account)


@pytest.mark.parametrize(
    ("holders", "matches", "expected"),
    [
        ([holder(ONE, ANN, PUBLIC)], (TO,), Grants((ANN,), (ONE,))),
        ([holder(ONE, ANN, PRIVATE)], (TO,), Grants((ANN,), ())),
        ([holder(TWO, BOB, PUBLIC), holder(ONE, ANN, PRIVATE)], (TO,), Grants((ANN, BOB), (TWO,))),
        ([holder(ONE, ANN, PUBLIC), holder(THREE, ANN, PUBLIC)], (TO,), Grants((ANN,), (ONE, THREE))),
        ([holder(ONE, ANN, PUBLIC, (CLIENT,)), holder(TWO, BOB, PUBLIC)], (bcc(ONE),), Grants((ANN,), ())),
        (
            [holder(ONE, ANN, PUBLIC, (CLIENT,)), holder(TWO, BOB, PUBLIC)],
            (TO, bcc(ONE)),
            Grants((ANN, BOB), (ONE, TWO)),
        ),
        ([], (TO,), Grants((), ())),
    ],
)
def test_flags_are_the_union_over_live_copies(
    holders: list[Holder], matches: tuple[Match, ...], expected: Grants
) -> None:
    """Owners of live copies, but for another's Bcc; accounts whose policy shares by a match that is no Bcc."""
    assert grants(holders, CompanyPolicy(), matches, PEOPLE) == expected


@pytest.mark.parametrize(
    ("author", "matches", "expected"),
    [
        (CLIENT, (Match(address=CLIENT, role=Role.FROM),), "in"),
        (ANN, (TO,), "out"),
        ("other@client.example", (TO,), "out"),
        ("new@private.example", (Match(address=CLIENT, role=Role.THREAD),), "in"),
        (ANN, (Match(address=CLIENT, role=Role.THREAD),), "out"),
    ],
)
def test_the_direction_is_the_records(author: str, matches: tuple[Match, ...], expected: str) -> None:
    """`in` is what the record wrote, from an unknown address too when its thread says so."""
    content = Content(
        key="v1-" + "0" * 40,
        thread="t",
        subject="Offer",
        snippet="Dear Carla",
        sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        participants=(Participant(address=author, name="Name", role=Role.FROM),),
        raw="",
    )
    line = summary_line(content, matches, {ANN})
    assert (line.direction, line.subject, line.snippet, line.sender) == (expected, "Offer", "Dear Carla", "Name")
