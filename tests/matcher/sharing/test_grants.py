"""Whether a copy shares a link of its email: the pure part."""

from __future__ import annotations

import pytest

from schemas.emails import Match
from schemas.mail import Role
from schemas.sharing import CompanyPolicy, LiveCopy, Mode, SharingPolicy, Subject
from services.matcher.linking.rule import shares_link

ANN, CLIENT, OTHER = "ann@firm.example", "c@client.example", "o@other.example"
ACCOUNT = "1" * 24
PUBLIC, PRIVATE = SharingPolicy(mode=Mode.PUBLIC), SharingPolicy(mode=Mode.PRIVATE)
CUSTOM = SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("client.example",))
TO, BCC = Match(address=CLIENT, role=Role.TO), Match(address=CLIENT, role=Role.BCC, account=ACCOUNT)
CC = Match(address=OTHER, role=Role.CC)


@pytest.mark.parametrize(
    ("policy", "matches", "people", "shared"),
    [
        (PUBLIC, (TO,), {ANN, CLIENT}, True),
        (PRIVATE, (TO,), {ANN, CLIENT}, False),
        (PUBLIC, (BCC,), {ANN}, False),
        (PUBLIC, (BCC, TO), {ANN, CLIENT}, True),
        (CUSTOM, (TO,), {ANN, CLIENT}, False),
        (CUSTOM, (TO, CC), {ANN, CLIENT, OTHER}, True),
        (PUBLIC, (), {ANN, CLIENT}, False),
    ],
)
def test_a_copy_shares_a_link_by_any_match_that_is_no_bcc(
    *, policy: SharingPolicy, matches: tuple[Match, ...], people: set[str], shared: bool
) -> None:
    """One match that the policy shares is enough; a Bcc match never shares."""
    holder = LiveCopy(account=ACCOUNT, owner=ANN, policy=policy, own_addresses=(ANN,))
    assert (
        shares_link(holder, matches, Subject(participants=frozenset(people), internal=frozenset()), CompanyPolicy())
        is shared
    )
