"""``python -m testbed.mutants``: breaks the modules that must not be wrong; fails if their tests do not notice."""

from __future__ import annotations

import argparse
import ast
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from testbed.mutants.exchange import function_at
from testbed.mutants.operators import Mutant, mutants
from testbed.mutants.run import PROJECT, Outcome, shared_servers, tried, warm_up
from testbed.mutants.session import TestsFailError, outcomes
from testbed.mutants.targets import EQUIVALENT, TARGETS, Target

SECONDS = 20.0
"""How much longer than the unbroken module a mutant may take. One that never ends counts as noticed."""
LONGEST = 120.0
"""The same for one whose module has to be loaded again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 0 if every mutant was noticed."""
    parser = argparse.ArgumentParser(prog="python -m testbed.mutants", description=__doc__)
    parser.add_argument("--only", help="only modules whose path has this in it")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    options = parser.parse_args(arguments)
    warm_up()
    targets = [target for target in TARGETS if not options.only or options.only in target.file]
    left = 0
    with contextlib.ExitStack() as stack:
        if not options.list and any(target.servers for target in targets):
            stack.enter_context(shared_servers())
        for target in targets:
            left += _list(target) if options.list else _break(target)
    return 1 if left else 0


def _list(target: Target) -> int:
    for mutant in mutants_of(target, (PROJECT / target.file).read_text("utf-8")):
        _say(_name(target, mutant))
    return 0


def _break(target: Target) -> int:
    """Break one module in every way. Return how many mutants survived."""
    file = PROJECT / target.file
    source = file.read_text("utf-8")
    began = time.monotonic()
    wrong = list(mutants_of(target, source))
    tried_ones = [mutant for mutant in wrong if place(mutant, source) not in EQUIVALENT.get(target.file, {})]
    found: Counter[Outcome] = Counter()
    said = outcomes(file, tried_ones, target.tests, seconds=SECONDS, servers=target.servers)
    try:
        for mutant, quick in zip(tried_ones, said, strict=True):
            outcome = quick or tried(file, mutant.source, target.tests, seconds=LONGEST, servers=target.servers)
            found[outcome] += 1
            if outcome is Outcome.SURVIVED:
                _say(f"SURVIVED {_name(target, mutant)}")
    except TestsFailError as error:
        _say(str(error))
        return 1
    dead = found[Outcome.KILLED] + found[Outcome.TIMED_OUT]
    _say(
        f"{target.file}: {dead} of {found.total()} mutants died, {found[Outcome.TIMED_OUT]} of them by time-out; "
        f"{len(wrong) - len(tried_ones)} equivalent ones left out; {time.monotonic() - began:.0f} s"
    )
    return found[Outcome.SURVIVED]


def mutants_of(target: Target, source: str) -> Iterator[Mutant]:
    """Iterate over the wrong versions of what a target names."""
    spans = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in target.functions
    ]
    for mutant in mutants(source):
        if not target.functions or any(mutant.line in span for span in spans):
            yield mutant


def place(mutant: Mutant, source: str) -> str:
    """Return the function and the change of a mutant: the key of ``EQUIVALENT``."""
    return f"{function_at(source, mutant.line) or '-'}: {mutant.change}"


def _name(target: Target, mutant: Mutant) -> str:
    return f"{target.file}:{mutant.line}: {mutant.change}"


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
