"""The corpus of real mail: nothing raises, and where ours differs from other parsers it is not ours that is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from testbed.parsing import bounces
from testbed.parsing.agreement import counted, judged
from testbed.parsing.comparison import FIELDS, Loose, compared, read
from testbed.parsing.corpus import Expected, ListedFile, mails
from testbed.parsing.oracles import oracles
from testbed.parsing.replies import talon, talon_mails
from testbed.parsing.verdicts import SETS, verdicts
from tests.parser.bounds import is_bounded
from tests.parser.samples import mail, mixed, part

ALL = mails()
JUDGED = Path(__file__).parent / "reply" / "judged.tsv"
needs_corpus = pytest.mark.skipif(not ALL, reason="the corpus is not beside the repository")
GOALS = {"subject": 0.985, "senders": 0.993, "recipients": 0.993, "text": 0.92, "attachments": 0.89, "types": 0.95}


@needs_corpus
def test_whole_corpus_is_read_within_bounds() -> None:
    """No mail of the corpus raises, and each gives bounded content."""
    assert [path for path in ALL if not is_bounded(read(path))] == []


@needs_corpus
def test_other_parsers_say_the_same() -> None:
    """The shares of mails that agree, over all recorded expectations, stay where they were measured."""
    expectations = [expected for source in SETS.values() for expected in source()]
    by_field = counted(expectations)
    for field, goal in GOALS.items():
        counts = by_field[field]
        assert counts["agree"] / (counts["agree"] + counts["differ"] + counts["fail"]) >= goal, (field, counts)


@needs_corpus
def test_no_difference_where_ours_is_wrong() -> None:
    """Each difference was read, and ours is right or follows another convention."""
    assert [(path, verdict) for path, verdict in verdicts() if verdict.right not in ("ours", "either")] == []


@needs_corpus
def test_document_says_what_agrees_with_the_verdicts() -> None:
    """The table in the document is the one that the report derives from the verdicts."""
    page = (Path(__file__).parents[2] / "docs" / "parsing.md").read_text("utf-8")
    assert "\n".join(judged()) in page


@needs_corpus
@pytest.mark.parametrize(
    ("name", "field", "least"),
    [
        ("flufl.bounce", "recognised", 0.97),
        ("flufl.bounce", "addresses", 0.96),
        ("sisimai", "recognised", 0.99),
        ("sisimai", "addresses", 0.99),
        ("sisimai", "kind", 0.925),
    ],
)
def test_bounces_are_read(name: str, field: str, least: float) -> None:
    """Most bounces that others collected are recognised, with the right addresses, and as hard or soft as they say."""
    results = [result[0] for judged in bounces.SETS[name]() if (result := judged.results[field]) is not None]
    assert len(results) > 80
    assert sum(results) / len(results) >= least


@needs_corpus
def test_ordinary_mail_is_no_bounce() -> None:
    """Of 1,700 ordinary mails at most one is marked."""
    ordinary = [path for path in ALL if "easy-ham" in str(path) or "hard-ham" in str(path)]
    assert len(ordinary) > 1000
    assert sum(read(path).marks.bounce for path in ordinary) <= 1


def test_replacement_characters_of_others_stand_for_any() -> None:
    """What another parser could not read is no difference; what ours could not read is one."""
    assert Loose("Fr\ufffd\ufffdsche und H\ufffd") == "Frösche und Hä"
    assert Loose("Fr\ufffdsche") != "Frsche"
    assert Loose("Fr\ufffdsche") != "Frösche!"
    assert Loose("Frösche") != "Fr\ufffdsche"


def test_comparison_of_attachments(tmp_path: Path) -> None:
    """Number, names, types and sizes are compared; a name that was made up is any."""
    path = tmp_path / "mail.eml"
    raw = mixed(
        part(b"text", b"Content-Type: text/plain"),
        part(b"12345", b"Content-Type: application/pdf; name=a.pdf"),
        part(b"123", b"Content-Type: image/png"),
    )
    path.write_bytes(raw)
    files = [ListedFile("C:\\x\\a.pdf", "application/pdf", 5), ListedFile("", "image/png", 4)]
    found = {field: compared(Expected(path, subject="Hello", files=files), field)[0] for field in FIELDS}
    assert found["attachments"] == found["types"] == "agree"
    assert found["sizes"] == "differ"
    assert compared(Expected(path, subject="Hello", number_of_files=3), "attachments")[0] == "differ"
    assert compared(Expected(path, files=files[:1], named_only=True), "attachments")[0] == "agree"


def test_oracles_read_a_mail(tmp_path: Path) -> None:
    """Each parser that is installed says the same of an ordinary mail; one that is not is named."""
    path = tmp_path / "mail.eml"
    path.write_bytes(mail(b"Hello Eva\r\n"))
    found, left_out = oracles()
    assert {"standard library", "mail-parser", "fast-mail-parser"} <= set(found)
    assert ("postal-mime" in found) != any("postal-mime" in reason for reason in left_out)
    for name, oracle in found.items():
        (said,) = oracle([path])
        assert isinstance(said, Expected), (name, said)
        for field in ("subject", "senders", "recipients", "text"):
            assert compared(said, field)[0] == "agree", (name, field)


@needs_corpus
def test_talons_replies() -> None:
    """Of talon's samples of replies nine in ten are right; those that are in its tests count where these are."""
    replies = [*talon(), *talon_mails()]
    assert sum(reply.right for reply in replies) / len(replies) >= 0.9, [each for each in replies if not each.right]


def test_samples_are_read_from_source(tmp_path: Path) -> None:
    """Each expectation of a plain text is found, also one whose text has a name; tests that change talon's limits are not."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "text_quotations_test.py").write_text(
        "def test_a():\n    body = 'Hi\\n\\n> no'\n    eq_('Hi', quotations.extract_from_plain(body))\n"
        "    eq_(len('x'), quotations.extract_from_plain('y'))\n    eq_('z', other('z'))\n"
        "@patch\ndef test_b():\n    eq_('x', quotations.extract_from_plain('y'))\n",
        "utf-8",
    )
    (reply,) = talon(tmp_path)
    assert (reply.name, reply.expected, reply.right) == ("test_a:3", "Hi", True)


@needs_corpus
def test_no_own_text_of_judged_replies_is_lost() -> None:
    """The reply text of 200 real replies is that which a person found to lose none of the writer's own words.

    A text that is different now must be read again before its hash is replaced.
    """
    judged = dict(line.split("\t") for line in JUDGED.read_text("utf-8").split("\n")[1:] if line)
    found = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in ALL}
    replies = {digest: path for digest, path in found.items() if digest in judged}
    different = [
        path
        for digest, path in replies.items()
        if hashlib.sha256(read(path).reply_text.encode()).hexdigest() != judged[digest]
    ]
    assert (len(replies), different) == (200, [])
