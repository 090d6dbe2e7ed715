"""Who is right where our parser differs from what another one is recorded to say, decided by reading each mail."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from testbed.parsing.comparison import FIELDS, compared
from testbed.parsing.corpus import Expected, imap_tools, stalwart, zbateson

SETS: dict[str, Callable[[], Iterable[Expected]]] = {
    "stalwart": stalwart,
    "imap_tools": imap_tools,
    "zbateson": zbateson,
}
_FILE = Path(__file__).with_name("verdicts.tsv")
_UNKNOWN = ("undecided", "not read yet")


class Verdict(NamedTuple):
    """What was decided of one difference."""

    differs: str
    """Set and field, with a dot between them."""
    right: str
    """``ours``, ``theirs``, ``either`` (two conventions), or ``undecided``."""
    kind: str


def verdicts() -> Iterator[tuple[Path, Verdict]]:
    """Yield every difference from the recorded expectations, with the verdict on it."""
    with _FILE.open(encoding="utf-8", newline="") as lines:
        known = {
            (row["differs"], row["mail"]): (row["right"], row["kind"]) for row in csv.DictReader(lines, delimiter="\t")
        }
    for name, source in SETS.items():
        for expected in source():
            for field in FIELDS:
                if compared(expected, field)[0] in ("differ", "fail"):
                    differs = f"{name}.{field}"
                    mail = "/".join(expected.path.parts[-2:])
                    yield expected.path, Verdict(differs, *known.get((differs, mail), _UNKNOWN))


def table() -> list[str]:
    """Return the differences by kind as lines of a Markdown table."""
    counts = Counter(verdict for _, verdict in verdicts())
    lines = ["| differs | mails | right | kind |", "|---|---:|---|---|"]
    lines += [f"| {one.differs} | {counts[one]} | {one.right} | {one.kind} |" for one in sorted(counts)]
    return lines


def agreed(fields: Iterable[tuple[str, int, int]]) -> list[str]:
    """Return by field the share that agrees once differences in which ours is right count, as lines of a Markdown table.

    Args:
        fields: each with how many mails agree, and how many are compared.
    """
    right = Counter((one.differs.partition(".")[2], one.right) for _, one in verdicts())
    lines = ["| field | agree | and ours is right | and either is |", "|---|---:|---:|---:|"]
    for field, agree, compared_mails in fields:
        ours, either = right[field, "ours"], right[field, "either"]
        shares = (count / compared_mails for count in (agree, agree + ours, agree + ours + either))
        lines.append(f"| {field} | " + " | ".join(f"{share:.1%}" for share in shares) + " |")
    return lines
