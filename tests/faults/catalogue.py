"""The catalogue of failpoints, and the part of it that a test run covers."""

from __future__ import annotations

import ast
import os
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.faults.failpoints import PLUMBING, STORE, mark

FILE = Path(__file__).with_name("failpoints.txt")
LONG = os.environ.get("LEADMAIL_LONG", "")
"""`1` for all deaths, `each` for one run per death."""
SEED = int(os.environ.get("LEADMAIL_SEED") or datetime.now(UTC).date().toordinal())
"""Of what a short run takes: another part of the catalogue each day."""
PER_STAGE, SHORT_RUNS = 3, 2
AT_THE_END = frozenset({"leases.leave/pollers", "mark_keys.leave/key_holders"})
"""Steps that a stage takes only when it stops."""
CALLS = frozenset(
    {
        *("insert_one", "insert_many", "insert_new", "update_one", "update_many", "replace_one", "bulk_write"),
        *("delete_one", "delete_many", "find_one_and_update", "find_one_and_replace", "find_one_and_delete"),
    }
)


class Point(NamedTuple):
    """A failpoint of a stage."""

    stage: str
    name: str
    sometimes: bool = False
    """Which process takes the step, or whether it is needed, is a matter of moments: a run may do without."""


class Death(NamedTuple):
    """Where a process dies, and at which pass."""

    point: Point
    moment: str
    time: int = 1

    def __str__(self) -> str:
        """As `LEADMAIL_FAILPOINT` has it."""
        return f"{self.point.stage}:{self.point.name}:{self.moment}:{self.time}"

    @property
    def mark(self) -> str:
        """The name of the file that says that the death happened."""
        return mark(self.point.stage, self.point.name, self.moment)


def catalogue() -> list[Point]:
    """Return every failpoint."""
    lines = [line.split() for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    return [Point(stage, name, bool(sometimes)) for stage, name, *sometimes in lines]


def deaths() -> list[Death]:
    """Return every death that the crash tests cover."""
    return [Death(point, moment) for point in catalogue() for moment in ("before", "after")]


def runs() -> list[list[Death]]:
    """Return which deaths happen together: two runs of them, other ones each day; all in a long run; each alone in a very long one."""
    everything = deaths()
    if LONG == "each":
        return [[death] for death in everything]
    groups = packed(everything)
    if LONG:
        return groups
    return [groups[(SEED * SHORT_RUNS + number) % len(groups)] for number in range(SHORT_RUNS)]


def packed(everything: Iterable[Death]) -> list[list[Death]]:
    """Return all deaths in groups with at most `PER_STAGE` of each stage, mixed, the same every day."""
    by_stage: dict[str, list[Death]] = defaultdict(list)
    for death in everything:
        by_stage[death.point.stage].append(death)
    count = -(-max(map(len, by_stage.values())) // PER_STAGE)
    groups: list[list[Death]] = [[] for _ in range(count)]
    for some in by_stage.values():
        random.Random(0).shuffle(some)
        for number, death in enumerate(some):
            groups[number % count].append(death)
    return groups


def passed(trace: Path) -> tuple[set[tuple[str, str]], set[str]]:
    """Return the (stage, name) of the failpoints of a trace, and the functions of the store that wrote."""
    points, places = set(), set()
    for line in trace.read_text().splitlines():
        stage, name, moment, *place = line.split(" ")
        if moment != "within":
            points.add((stage, name))
        places.update(place)
    return points, places


def writers() -> Iterator[str]:
    """Iterate over the functions of the store that write, as module.function."""
    for path in sorted(Path(STORE).rglob("*.py")):
        if path.stem not in PLUMBING:
            yield from (f"{path.stem}.{name}" for name in _writing(ast.parse(path.read_text())))


def _writing(tree: ast.Module) -> Iterator[str]:
    bodies: list[ast.Module | ast.ClassDef] = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for body in bodies:
        for function in body.body:
            if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef) and any(map(_writes, ast.walk(function))):
                yield function.name


def _writes(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in CALLS
    return False
