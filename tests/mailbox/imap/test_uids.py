"""When the uids that are known of a folder hold."""

from __future__ import annotations

import pytest

from services.mailbox.imap import same_uids
from tests import factories


@pytest.mark.parametrize(
    ("live_next", "uidvalidity", "uidnext", "same"),
    [
        (8, 3, 8, True),
        (8, 3, 12, True),
        (8, 4, 8, False),
        (8, 4, 1, False),  # it was created again, and is empty
        (1, 4, 1, True),  # it never had mail: Courier counts anew at each look
        (1, 4, 2, False),  # its first mail
    ],
)
def test_uids_hold_under_the_same_uidvalidity_or_where_there_are_none(
    live_next: int, uidvalidity: int, uidnext: int, same: bool
) -> None:
    """A new uidvalidity makes uids void, unless the folder never had any."""
    known = factories.folder("a" * 24, uidvalidity=3, live_next=live_next)
    assert same_uids(known, uidvalidity, uidnext) is same
