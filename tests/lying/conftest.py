"""Runs the cases of a module side by side, once; each is a test of its own that says what was wrong with it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os

import pytest

from testbed.local import LocalServers
from tests.lying.harness.batch import run_batch
from tests.lying.harness.cases import Case

LONG = bool(os.environ.get("LEADMAIL_LONG"))
TIMEOUT = 1_200
"""Seconds for all cases of a module: a machine at its limit takes long."""
SIDE_BY_SIDE = 24
"""Cases on one poller."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each case of a module's table; of a long table one batch, unless all are to run."""
    if "case" not in metafunc.fixturenames:
        return
    table: list[Case] = metafunc.module.CASES
    assert len(table) == len({case.name for case in table})
    every = 1 if LONG else -(-len(table) // SIDE_BY_SIDE)
    rest = pytest.mark.skip(reason="LEADMAIL_LONG=1 runs it")
    cases = [
        pytest.param(case, id=case.name, marks=[] if LONG or place % every == 0 else [rest])
        for place, case in enumerate(table)
    ]
    metafunc.parametrize("case", cases)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the first test of a module, which waits for all its cases, the time that they take."""
    for item in items:
        if "outcomes" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, servers: LocalServers, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What was wrong, by case, after all selected cases of the module have run."""
    chosen: list[Case] = [
        item.callspec.params["case"]
        for item in request.session.items
        if getattr(item, "module", None) is request.module
        and hasattr(item, "callspec")
        and not item.get_closest_marker("skip")
    ]
    root = tmp_path_factory.getbasetemp()
    shared = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    results = shared / f"{request.module.__name__}.json"
    with (shared / f"{results.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel workers share one run
        if not results.exists():
            results.write_text(json.dumps(_run(servers, tmp_path_factory, chosen)))
        found: dict[str, str] = json.loads(results.read_text())
    return found


def _run(servers: LocalServers, folders: pytest.TempPathFactory, cases: list[Case]) -> dict[str, str]:
    wrong: dict[str, str] = {}
    for start in range(0, len(cases), SIDE_BY_SIDE):
        found = asyncio.run(run_batch(servers, folders.mktemp("lying"), cases[start : start + SIDE_BY_SIDE]))
        wrong[""] = "\n".join(text for text in (wrong.get(""), found.pop("", "")) if text)
        wrong |= found
    return {name: text for name, text in wrong.items() if text}
