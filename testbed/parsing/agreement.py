"""How far our parser agrees with others: recorded ones, and those that are installed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator

from testbed.parsing.comparison import FIELDS, REPLACEMENT, compared, read, squeezed
from testbed.parsing.corpus import Expected, mails
from testbed.parsing.oracles import oracles
from testbed.parsing.verdicts import SETS, agreed

_CONTEXT = 15
_COLUMNS = ("agree", "differ", "fail", "unread")
_HEADER = f"{'':18}{'field':12}{'agree':>8}{'differ':>8}{'fail':>6}{'unread':>8}"


def counted(expectations: Iterable[Expected]) -> dict[str, Counter[str]]:
    """Return by field how many mails agree, differ, fail, and were not read by the other parser."""
    by_field: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    for expected in expectations:
        for field, counts in by_field.items():
            counts[compared(expected, field)[0]] += 1
    return by_field


def _lines(name: str, by_field: dict[str, Counter[str]]) -> Iterator[str]:
    for field, counts in by_field.items():
        total = counts["agree"] + counts["differ"] + counts["fail"]
        if total:
            share = counts["agree"] / total
            yield f"{name:18}{field:12}{share:>8.1%}{counts['differ']:>8}{counts['fail']:>6}{counts['unread']:>8}"


def recorded() -> Iterator[str]:
    """Yield the report on the recorded expectations: each set, and all of them together."""
    yield _HEADER
    together: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    for name, source in SETS.items():
        by_field = counted(source())
        for field, counts in by_field.items():
            together[field] += counts
        yield from _lines(name, by_field)
    yield from _lines("together", together)


def judged() -> Iterator[str]:
    """Yield the same, all together, with the verdicts on what differs."""
    together = counted(expected for source in SETS.values() for expected in source())
    shares = [(field, one["agree"], one["agree"] + one["differ"] + one["fail"]) for field, one in together.items()]
    yield from agreed(one for one in shares if one[2])


def run() -> Iterator[str]:
    """Yield the report on the parsers that are installed, over every mail of the corpus."""
    found, left_out = oracles()
    paths = mails()
    yield _HEADER
    lost = []
    for name, oracle in found.items():
        started = time.perf_counter()
        results = list(oracle(paths))
        seconds = time.perf_counter() - started
        said = [each for each in results if isinstance(each, Expected)]
        yield from _lines(name, counted(said))
        yield f"{name:18}raises on {len(results) - len(said)} of {len(paths)} mails; {seconds:.1f} s"
        lost += [f"    {name}: {expected.path}" for expected in said if loses_a_letter(expected)]
    yield from (f"left out: {each}" for each in left_out)
    yield f"U+FFFD where another parser has a letter: {len(lost)}"
    yield from lost


def loses_a_letter(expected: Expected) -> bool:
    """Whether ours has a replacement character where another parser has a letter, behind the same characters."""
    content = read(expected.path)
    for ours, theirs in ((content.subject, expected.subject), (content.text, expected.text)):
        if REPLACEMENT not in ours or not theirs:
            continue
        before = squeezed(ours[: ours.index(REPLACEMENT)])[-_CONTEXT:]
        _, found, after = squeezed(theirs).partition(before)
        if before and found and after[:1].isalpha():
            return True
    return False
