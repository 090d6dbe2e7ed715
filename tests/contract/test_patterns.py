"""No regular expression over mail, or over what servers say, has repeats that take more than linear time."""

from __future__ import annotations

import re

import pytest

from tests.contract import patterns
from tests.contract.pattern_analysis import Analysis
from tests.contract.patterns import Found

NOT_MAIL = ["services.mailbox.connection.refusal_rules: re.compile", "services.mailbox.providers: re.fullmatch"]
"""Rows of a table that is searched as patterns, too; the form of a password, by the provider directory."""
FOUND = patterns.patterns()


@pytest.mark.parametrize(
    ("pattern", "searches", "kind"),
    [
        (r"(?:a*)*b", False, "a repeat within a repeat that takes the same characters"),
        (r"(?:\s+x?)+y", False, "a repeat within a repeat that takes the same characters"),
        (r"a\s*(?:x)?\s*y", False, "two repeats in a row that take the same characters"),
        (r"a.*:.*b", False, "two repeats in a row that take the same characters"),
        (r"[ \t]+(?=\n)", True, "a search that may begin again within a repeat"),
        (r'"(?:[^"\\]|\\.)*+"', True, "a search that may begin again within a repeat"),
        (r"\d.*:$", True, "a search that may begin again within a repeat"),
        (r"(?<![ \t])[ \t]++(?=\n)", True, None),
        (r"a\s*+(?:x\s*+)?y", True, None),
        (r"<[^<>]*>", True, None),
        (r"(?:\n[ \t]*)+x", False, None),
        (r"^from[ \t]*:([^\n]*)", True, None),
        (r"\w+(.*)", True, None),
    ],
)
def test_the_lint_knows_what_is_not_linear(pattern: str, searches: bool, kind: str | None) -> None:
    """The three kinds of quadratic and worse patterns are distinguished from safe ones."""
    assert Analysis(re.compile(pattern), searches=searches).problems == ([kind] if kind else [])


def test_every_pattern_is_looked_at() -> None:
    """Patterns are compiled at the top of a module, where this test sees them."""
    assert len(FOUND) > 90
    assert patterns.inline_calls() == NOT_MAIL


@pytest.mark.parametrize("found", FOUND, ids=str)
def test_pattern_has_no_ambiguous_repeats(found: Found) -> None:
    """No pattern has nested, adjacent or restarted repeats, unless the text beside it says why it is linear."""
    problems = Analysis(found.pattern, searches=found.searches).problems
    assert not problems or found.has_reason
