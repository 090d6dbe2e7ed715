"""``python -m testbed.mutants``: break the modules that must not be wrong; fail when their tests do not notice."""

from __future__ import annotations

import argparse
import ast
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from testbed.mutants.operators import Mutant, mutants
from testbed.mutants.run import PROJECT, Outcome, shared_servers, tried, warm_up

SECONDS = 120.0
"""How long the tests of one mutant may take. A mutant that never ends counts as noticed."""


class Target(NamedTuple):
    """A module and the tests that must notice whatever is wrong with it."""

    file: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()
    """Break only these; empty for the whole module."""
    servers: bool = False
    """Whether the tests need the servers: these are started once."""


TARGETS = (
    Target("schemas/sharing.py", ("tests/schemas/test_sharing.py", "tests/schemas/test_policies.py")),
    Target("services/store/access/guard.py", ("tests/store/test_guard.py",)),
    Target(
        "services/amqp/delivery/dispatch.py",
        ("tests/amqp/test_bus.py", "tests/amqp/test_retry.py"),
        functions=("one_by_one", "_outcomes", "_publish", "_send_failed"),
    ),
    Target(
        "services/amqp/rabbitmq/publisher.py",
        ("tests/amqp/test_rabbit.py", "tests/amqp/test_bus.py"),
        functions=("send", "close", "_confirmed", "_put_back"),
        servers=True,
    ),
    Target(
        "services/store/sync/ledger_poller.py",
        ("tests/store/test_ledger.py",),
        functions=("_insert_missing", "published", "_move"),
        servers=True,
    ),
)
EQUIVALENT: dict[str, str] = {
    "self._ledger.find({'_id': {'$in': ids}}, fields, session=session) → self._ledger.find({'_id': {'$in': ids}}, fields)": (
        "a row that changes after the transaction began makes its delete conflict, wherever it was read; rows that stay are not written"
    ),
    "if back → if True": "deleting no row changes nothing, and no document is among none",
}
"""Mutants that behave as the original, with the reason."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status: 0 when every mutant died."""
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
    for mutant in _mutants(target, (PROJECT / target.file).read_text("utf-8")):
        _say(_name(target, mutant))
    return 0


def _break(target: Target) -> int:
    """Break one module in every way. Return how many mutants survived."""
    file = PROJECT / target.file
    source = file.read_text("utf-8")
    if tried(file, source, target.tests, seconds=SECONDS, servers=target.servers) is not Outcome.SURVIVED:
        _say(f"{target.file}: its tests fail before anything is broken")
        return 1
    began = time.monotonic()
    outcomes: Counter[Outcome] = Counter()
    equivalent = 0
    for mutant in _mutants(target, source):
        if mutant.change in EQUIVALENT:
            equivalent += 1
            continue
        outcome = tried(file, mutant.source, target.tests, seconds=SECONDS, servers=target.servers)
        outcomes[outcome] += 1
        if outcome is Outcome.SURVIVED:
            _say(f"SURVIVED {_name(target, mutant)}")
    dead = outcomes[Outcome.KILLED] + outcomes[Outcome.TIMED_OUT]
    _say(
        f"{target.file}: {dead} of {outcomes.total()} mutants died, {outcomes[Outcome.TIMED_OUT]} of them by time-out; "
        f"{equivalent} equivalent ones left out; {time.monotonic() - began:.0f} s"
    )
    return outcomes[Outcome.SURVIVED]


def _mutants(target: Target, source: str) -> Iterator[Mutant]:
    spans = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in target.functions
    ]
    for mutant in mutants(source):
        if not target.functions or any(mutant.line in span for span in spans):
            yield mutant


def _name(target: Target, mutant: Mutant) -> str:
    return f"{target.file}:{mutant.line}: {mutant.change}"


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
