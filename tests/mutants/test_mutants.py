"""The tool that breaks the sharing rule: which wrong versions it makes, and that it can tell a noticed one from one that is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from testbed.mutants.__main__ import mutants_of, place
from testbed.mutants.operators import mutants
from testbed.mutants.targets import EQUIVALENT, TARGETS

ROOT = Path(__file__).parents[2]
CODE = '''
"""A module."""
from enum import Enum

class Colour(Enum):
    """Two."""
    RED = 1
    BLUE = 2

def first(a: int, b: list[int]) -> bool:
    """Say something."""
    if a in b and not b:
        return max(a, 1) == 2
    for one in b:
        if one is Colour.RED:
            continue
    return Colour.BLUE
'''
TRY = """
from pathlib import Path
from testbed.mutants.run import tried, warm_up, PROJECT
warm_up()
file = PROJECT / "schemas" / "sharing.py"
tests = ["tests/schemas/test_policies.py"]
source = file.read_text()
broken = source.replace("default_mode: Mode = Mode.PUBLIC", "default_mode: Mode = Mode.PRIVATE")
assert broken != source
for text in (source, broken, "while True: pass"):
    print(tried(file, text, tests, seconds=60 if "def" in text else 1).name)
"""


def test_every_clause_is_broken() -> None:
    """Comparisons, connectives, conditions, results, constants, members and statements, one change in each version."""
    changes = {mutant.change for mutant in mutants(CODE)}
    assert changes >= {
        "a in b and (not b) → a in b or not b",
        "a in b and (not b) → a in b",
        "a in b and (not b) → not b",
        "a in b → a not in b",
        "not b → b",
        "if a in b and (not b) → if True",
        "if a in b and (not b) → if False",
        "max(a, 1) == 2 → max(a, 1) != 2",
        "max(a, 1) → min(a, 1)",
        "2 → 3",
        "return max(a, 1) == 2 → return None",
        "one is Colour.RED → one is not Colour.RED",
        "Colour.RED → Colour.BLUE",
        "continue → pass",
    }


def test_each_is_another_program() -> None:
    """No two are equal, none is what it was made from, and every one can be compiled; docstrings, types and imports stay."""
    made = list(mutants(CODE))
    assert len({mutant.source for mutant in made}) == len(made)
    for mutant in made:
        compile(mutant.source, "mutant", "exec")
        assert "from enum import Enum" in mutant.source
        assert '"""Say something."""' in mutant.source
        assert "def first(a: int, b: list[int]) -> bool" in mutant.source
    assert all(mutant.line > 0 for mutant in made)


def test_what_is_broken_is_noticed() -> None:
    """The module as it is passes its tests, a broken one fails them, one that never ends is ended."""
    done = subprocess.run(
        [sys.executable, "-c", TRY], cwd=ROOT, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.stdout.split() == ["SURVIVED", "KILLED", "TIMED_OUT"], done.stderr


def test_the_targets_are_there() -> None:
    """Each module, each function to break and each test file exists."""
    for target in TARGETS:
        source = (ROOT / target.file).read_text("utf-8")
        assert all(f"def {function}(" in source for function in target.functions)
        assert all((ROOT / test).is_file() for test in target.tests)


def test_every_equivalent_is_a_mutant() -> None:
    """A reason whose mutant no longer exists is stale."""
    for file, reasons in EQUIVALENT.items():
        source = (ROOT / file).read_text("utf-8")
        places = {place(one, source) for target in TARGETS if target.file == file for one in mutants_of(target, source)}
        assert set(reasons) <= places
        assert all(reasons.values())


def test_types_and_sentences_of_errors_stay() -> None:
    """What only people or type checkers read is not broken; codes of errors are."""
    source = """
def stop(kind: str) -> None:
    found = dict[str, tuple[int, str]]()
    raise FlowError("not-so", f"there is no {kind}")
"""
    changes = {mutant.change for mutant in mutants(source)}
    assert "'not-so' → 'not-so~'" in changes
    assert not any("there is no ~" in change or change.startswith("(int") for change in changes)


QUICK = """
from testbed.mutants.operators import Mutant
from testbed.mutants.run import PROJECT, warm_up
from testbed.mutants.session import outcomes
warm_up()
file = PROJECT / "schemas" / "sharing.py"
source = file.read_text()
def wrong(old, new):
    assert old in source
    return Mutant(source[:source.index(old)].count("\\n") + 1, old, source.replace(old, new))
versions = [Mutant(wrong("if copy.withdrawn:", "").line, "same", source), wrong("if copy.withdrawn:", "if False:"),
            wrong('PRIVATE = "private"', 'PRIVATE = "privat"')]
for one in outcomes(file, versions, ["tests/schemas/test_sharing.py"], seconds=20, servers=False):
    print(one and one.name)
"""


def test_versions_are_tried_in_one_session() -> None:
    """The same code survives, a broken function is noticed, and what is wrong outside of functions is left to the other way."""
    done = subprocess.run(
        [sys.executable, "-c", QUICK], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.stdout.split() == ["SURVIVED", "KILLED", "None"], done.stderr
