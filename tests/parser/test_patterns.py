"""Every regular expression over mail and over what servers say is run on texts that are made to cost it most."""

from __future__ import annotations

import re
from collections.abc import Iterator
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from tests.contract.pattern_analysis import parts_of
from tests.contract.patterns import Found, patterns
from tests.cpu_cost import cpu_seconds

SMALL = 2_000
"""Characters of the texts that are tried, to find those that cost most."""
LARGE = (50_000, 100_000)
WORST = 2
"""Texts per pattern that are compared in both sizes."""
MOST = 3.0
"""Linear work grows by 2, quadratic work by 4."""
CATEGORIES = {"SPACE": " ", "DIGIT": "1", "WORD": "a", "NOT_SPACE": "a", "NOT_DIGIT": "a", "NOT_WORD": "-"}


def _characters(tree: Any, single: dict[str, None], words: dict[str, None]) -> None:
    """Collect a character of every class in a pattern, and its literal words."""
    word = ""
    for op, value in [*tree, (None, None)]:
        if op is ops.LITERAL:
            word += chr(value)
            single[chr(value)] = None
            continue
        if len(word) > 1:
            words[word] = None
        word = ""
        for kind, item in value if op is ops.IN else [(op, value)]:
            if kind in (ops.LITERAL, ops.NOT_LITERAL):
                single[chr(item)] = None
            elif kind is ops.RANGE:
                single |= {chr(item[0]): None, chr(item[1]): None}
            elif kind is ops.CATEGORY:
                single[CATEGORIES[str(item).removeprefix("CATEGORY_")]] = None
        if op is not None:
            for part in [value[1]] if op in (ops.ASSERT, ops.ASSERT_NOT) else parts_of((op, value)):
                _characters(part, single, words)


def _units(pattern: re.Pattern[Any]) -> list[str]:
    """Return what is repeated: each class of characters, pairs of them, and words of the pattern with one."""
    single: dict[str, None] = {}
    words: dict[str, None] = {}
    _characters(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG), single, words)
    odd = [one for one in single if not one.isalnum()][:10]
    chosen = list(dict.fromkeys([*odd, *[one for one in single if one.isalnum()][:2], "a", " ", "\n"]))
    pairs = [first + second for first in chosen for second in chosen if first != second]
    return [*chosen, *pairs, *list(words)[:20], *(word + end for word in list(words)[:10] for end in " a\n")]


def _texts(found: Found, unit: str, size: int) -> Iterator[str | bytes]:
    for start in ("", '"', "<"):
        text = start + (unit * (size // len(unit) + 1))[:size] + "\x07"
        yield text.encode("latin-1", "replace") if isinstance(found.pattern.pattern, bytes) else text


def _cost(found: Found, text: str | bytes) -> float:
    def run() -> None:
        if found.searches:
            for _ in found.pattern.finditer(text):
                pass
        found.pattern.match(text)
        found.pattern.fullmatch(text)

    return cpu_seconds(run)


@pytest.mark.parametrize("found", patterns(), ids=str)
def test_pattern_takes_linear_time_on_hostile_text(found: Found) -> None:
    """A text twice as long takes about twice the time, for the texts made of what the pattern names that cost most."""
    costs: list[tuple[float, str, int]] = []
    for unit in _units(found.pattern):
        for index, text in enumerate(_texts(found, unit, SMALL)):
            costs.append((_cost(found, text), unit, index))
    for _, unit, index in sorted(costs, reverse=True)[:WORST]:
        small, large = ([*_texts(found, unit, size)][index] for size in LARGE)
        for _ in range(3):  # a pause of the machine may have hit the large run: only a result that repeats counts
            before = max(_cost(found, small) for _ in range(2))
            if (after := _cost(found, large)) < MOST * before:
                break
        else:
            pytest.fail(f"{unit!r}: {before * 1e3:.1f} ms, twice as much {after * 1e3:.1f} ms")
