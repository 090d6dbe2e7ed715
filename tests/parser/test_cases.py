"""The collection of small mails that were once read wrongly, each for a kind of fault, next to the repository.

Mails of the same kinds are in the tests of each subject, which do not need the collection.
"""

from __future__ import annotations

import pytest

from tests.parser.cases import CASES, FILES, RIGHT, facts

pytestmark = pytest.mark.skipif(not FILES, reason="the collection of cases is not beside the repository")

NOT_YET: frozenset[str] = frozenset()
"""Mails that are still read wrongly. One that is right now must leave the set."""


def wrong(name: str) -> dict[str, tuple[object, object]]:
    """Return what differs in a mail: what it says, and what is right."""
    found = facts(CASES / name)
    return {key: (found[key], right) for key, right in RIGHT[name].items() if found[key] != right}


@pytest.mark.parametrize("name", FILES)
def test_mail_of_the_collection_is_read_right(name: str) -> None:
    """Each mail says what is right, but for those that are known to be wrong."""
    if name in NOT_YET:
        assert wrong(name), f"{name} is right now: take it out of NOT_YET"
    else:
        assert wrong(name) == {}


def test_every_mail_of_the_collection_is_judged() -> None:
    """A mail of the collection has its expectation here, and no expectation is for a mail that is not there."""
    assert set(RIGHT) == set(FILES)
    assert set(FILES) >= NOT_YET
