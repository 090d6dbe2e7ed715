"""The corpus of real mail: nothing raises, and what other parsers say of it is what ours says.

The other parsers' own quirks are in their expectations, so that rates are asserted, not equality. What the remaining
differences are: raw 8-bit headers that the others show as replacement characters, addresses without a domain, attached mail
that the others read as text, malformed multiparts that are cut at other places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.addresses import normal_address_or_none
from schemas.mail import Content, Role
from services.parser.content.parse import parse_mail
from tests.parser.corpus import Expected, bounces, imap_tools, mails, sisimai, stalwart, zbateson
from tests.parser.samples import ACCOUNT
from tests.parser.test_hostile import is_bounded

ALL = mails()
pytestmark = pytest.mark.skipif(not ALL, reason="the corpus is not beside the repository")


def read(path: Path) -> Content:
    """Parse a mail of the corpus."""
    return parse_mail(path.read_bytes(), account=ACCOUNT, internal_date=datetime(2026, 1, 1, tzinfo=UTC)).content


def squeezed(text: str) -> str:
    """Return text with its white space collapsed and without NUL."""
    return " ".join(text.replace("\x00", "").split())


def addresses(found: Iterable[str]) -> list[str]:
    """Return addresses in normal form, those that are none left out."""
    return sorted({normal for each in found if (normal := normal_address_or_none(each))})


FIELDS: dict[str, Callable[[Expected, Content], tuple[object, object] | None]] = {
    "subject": lambda expected, content: (
        None if expected.subject is None else (squeezed(expected.subject), squeezed(content.subject))
    ),
    "senders": lambda expected, content: (
        None if expected.senders is None else (addresses(expected.senders), roles(content, Role.FROM))
    ),
    "recipients": lambda expected, content: (
        None if expected.recipients is None else (addresses(expected.recipients), roles(content, Role.TO))
    ),
    "text": lambda expected, content: (
        None if expected.text is None else (squeezed(expected.text), squeezed(content.text))
    ),
    "attachments": lambda expected, content: (
        None if expected.attachments is None else (names(expected.attachments), names_of(content, expected.attachments))
    ),
}


def roles(content: Content, role: Role) -> list[str]:
    """Return the addresses in one role."""
    return sorted({person.address for person in content.participants if person.role is role})


def names(found: Iterable[str]) -> list[str]:
    """Return file names without paths; a nameless one is a star."""
    return sorted(squeezed(name.rpartition("/")[2].rpartition("\\")[2]) or "*" for name in found)


def names_of(content: Content, expected: Iterable[str]) -> list[str]:
    """Return the names of attachments; one that we made up where the other parser says none is a star."""
    theirs = set(names(expected))
    made_up = [
        each.name.startswith("attachment-") or each.media_type == "message/rfc822" for each in content.attachments
    ]
    return sorted(
        "*" if ours and each.name not in theirs else each.name
        for each, ours in zip(content.attachments, made_up, strict=True)
    )


def test_whole_corpus_is_read_within_bounds() -> None:
    """No mail of the corpus raises, and each gives bounded content."""
    assert [path for path in ALL if not is_bounded(read(path))] == []


@pytest.mark.parametrize(
    ("source", "field", "differing"),
    [
        (stalwart, "subject", 0.07),
        (stalwart, "senders", 0.0),
        (stalwart, "recipients", 0.0),
        (stalwart, "text", 0.20),
        (stalwart, "attachments", 0.25),
        (imap_tools, "subject", 0.04),
        (imap_tools, "senders", 0.04),
        (imap_tools, "recipients", 0.03),
        (imap_tools, "text", 0.17),
        (imap_tools, "attachments", 0.10),
        (zbateson, "subject", 0.02),
        (zbateson, "senders", 0.02),
        (zbateson, "recipients", 0.04),
        (zbateson, "text", 0.08),
    ],
)
def test_other_parsers_say_the_same(source: Callable[[], Iterable[Expected]], field: str, differing: float) -> None:
    """The rate of mails in which a field differs from another parser's reading stays where it was measured."""
    pairs = [pair for expected in source() if (pair := FIELDS[field](expected, read(expected.path))) is not None]
    different = [pair for pair in pairs if pair[0] != pair[1]]
    assert len(pairs) > 30
    assert len(different) / len(pairs) <= differing, different


def test_bounced_addresses_are_those_of_another_reader() -> None:
    """Of the bounces that flufl.bounce knows, four in five name the same addresses here."""
    pairs = [(set(addresses), set(read(path).marks.bounced)) for path, addresses in bounces()]
    assert sum(expected == found for expected, found in pairs) / len(pairs) >= 0.8


def test_bounces_are_distinguished_from_mail() -> None:
    """Nine in ten of sisimai's bounces are marked; of 1,700 ordinary mails at most one."""
    marked = [read(path).marks.bounce for path in sisimai()]
    assert sum(marked) / len(marked) >= 0.9
    ordinary = [path for path in ALL if "easy-ham" in path.parts or "hard-ham" in str(path) or "easy-ham" in str(path)]
    assert len(ordinary) > 1000
    assert sum(read(path).marks.bounce for path in ordinary) <= 1
