"""``python -m testbed.mutants``: breaks the modules of the sharing rule; fails when the tests do not notice."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from testbed.mutants.operators import Mutant, mutants
from testbed.mutants.run import PROJECT, Outcome, tried, warm_up

SECONDS = 120.0
"""For the tests of one mutant: one that never ends is noticed, too."""


class Target(NamedTuple):
    """A module and the tests that are to notice whatever is wrong with it. None of them needs servers."""

    file: str
    tests: tuple[str, ...]


TARGETS = (
    Target("schemas/sharing.py", ("tests/schemas/test_sharing.py", "tests/schemas/test_policies.py")),
    Target("services/store/access/guard.py", ("tests/store/test_guard.py",)),
)
EQUIVALENT: dict[str, str] = {}
"""Changes that change nothing, with the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 0 when every mutant died."""
    parser = argparse.ArgumentParser(prog="python -m testbed.mutants", description=__doc__)
    parser.add_argument("--only", help="only modules whose path has this in it")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args(arguments)
    warm_up()
    left = 0
    for target in TARGETS:
        if options.only and options.only not in target.file:
            continue
        left += _list(target) if options.list else _break(target)
    return 1 if left else 0


def _list(target: Target) -> int:
    for mutant in mutants((PROJECT / target.file).read_text("utf-8")):
        _say(_name(target, mutant))
    return 0


def _break(target: Target) -> int:
    """Break one module in every way. Returns how many mutants lived."""
    file = PROJECT / target.file
    source = file.read_text("utf-8")
    if tried(file, source, target.tests, seconds=SECONDS) is not Outcome.SURVIVED:
        _say(f"{target.file}: its tests fail before anything is broken")
        return 1
    began = time.monotonic()
    outcomes: Counter[Outcome] = Counter()
    equivalent = 0
    for mutant in mutants(source):
        if mutant.change in EQUIVALENT:
            equivalent += 1
            continue
        outcome = tried(file, mutant.source, target.tests, seconds=SECONDS)
        outcomes[outcome] += 1
        if outcome is Outcome.SURVIVED:
            _say(f"SURVIVED {_name(target, mutant)}")
    dead = outcomes[Outcome.KILLED] + outcomes[Outcome.TIMED_OUT]
    _say(
        f"{target.file}: {dead} of {outcomes.total()} mutants died, {outcomes[Outcome.TIMED_OUT]} of them of time; "
        f"{equivalent} that change nothing left out; {time.monotonic() - began:.0f} s"
    )
    return outcomes[Outcome.SURVIVED]


def _name(target: Target, mutant: Mutant) -> str:
    return f"{target.file}:{mutant.line}: {mutant.change}"


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
