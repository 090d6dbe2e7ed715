"""The corpus of real mail: nothing raises, and what other parsers say of it is what ours says.

The other parsers' own quirks are in their expectations, so that rates are asserted, not equality. What the remaining
differences are: raw 8-bit headers that the others show as replacement characters, addresses without a domain, attached mail
that the others read as text, malformed multiparts that are cut at other places, malformed addresses and header lines that the
others do not read, files in uuencode and other forms of a text that they leave in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from testbed.parsing.comparison import FIELDS, read
from testbed.parsing.corpus import Expected, bounces, imap_tools, mails, sisimai, stalwart, zbateson
from tests.parser.bounds import is_bounded

ALL = mails()
pytestmark = pytest.mark.skipif(not ALL, reason="the corpus is not beside the repository")


def test_whole_corpus_is_read_within_bounds() -> None:
    """No mail of the corpus raises, and each gives bounded content."""
    assert [path for path in ALL if not is_bounded(read(path))] == []


@pytest.mark.parametrize(
    ("source", "field", "differing"),
    [
        (stalwart, "subject", 0.07),
        (stalwart, "senders", 0.0),
        (stalwart, "recipients", 0.0),
        (stalwart, "text", 0.24),
        (stalwart, "attachments", 0.25),
        (imap_tools, "subject", 0.05),
        (imap_tools, "senders", 0.05),
        (imap_tools, "recipients", 0.03),
        (imap_tools, "text", 0.19),
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
