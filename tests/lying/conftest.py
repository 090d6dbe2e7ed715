"""Runs the cases of all modules side by side, once; each is a test of its own that says what was wrong with it."""

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
TIMEOUT = 3_600
"""Seconds for all cases: a machine at its limit takes long."""
SIDE_BY_SIDE = 24
"""Cases on one poller."""
AT_ONCE = 2
"""Pollers at once."""


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
    """Give the first test, which waits for all cases, the time that they take."""
    for item in items:
        if "outcomes" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(TIMEOUT))


@pytest.fixture(scope="session")
def all_outcomes(
    request: pytest.FixtureRequest, servers: LocalServers, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, str]]:
    """What was wrong, by module and case, after all selected cases of all modules have run."""
    chosen: dict[str, list[Case]] = {}
    for item in request.session.items:
        of_this_suite = {"case", "outcomes"}.issubset(
            getattr(item, "fixturenames", ())
        )  # others call a parameter so, too
        if of_this_suite and not item.get_closest_marker("skip"):
            assert isinstance(item, pytest.Function)
            case = item.callspec.params["case"]
            assert isinstance(case, Case)
            chosen.setdefault(item.module.__name__, []).append(case)
    root = tmp_path_factory.getbasetemp()
    results = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "lying.json"
    with results.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel workers share one run
        if not results.exists():
            results.write_text(json.dumps(asyncio.run(_run(servers, tmp_path_factory, chosen))))
        found: dict[str, dict[str, str]] = json.loads(results.read_text())
    return found


@pytest.fixture
def outcomes(request: pytest.FixtureRequest, all_outcomes: dict[str, dict[str, str]]) -> dict[str, str]:
    """What was wrong in this module, by case."""
    return all_outcomes.get(request.module.__name__, {})


async def _run(
    servers: LocalServers, folders: pytest.TempPathFactory, chosen: dict[str, list[Case]]
) -> dict[str, dict[str, str]]:
    """Run all batches, some at once: they wait more than they compute. Floods do not wait: they come last, one by one."""
    wrong: dict[str, dict[str, str]] = {module: {} for module in chosen}
    room = asyncio.Semaphore(AT_ONCE)

    async def run(module: str, cases: list[Case]) -> None:
        async with room:
            found = await run_batch(servers, folders.mktemp("lying"), cases)
        aside = (wrong[module].get(""), found.pop("", ""))
        wrong[module] |= found | {"": "\n".join(text for text in aside if text)}

    batches = [
        (module, cases[start : start + SIDE_BY_SIDE])
        for module, cases in chosen.items()
        for start in range(0, len(cases), SIDE_BY_SIDE)
    ]
    floods = [batch for batch in batches if batch[0].endswith(".test_floods")]
    await asyncio.gather(*(run(*batch) for batch in batches if batch not in floods))
    for batch in floods:
        await run(*batch)
    return {module: {name: text for name, text in found.items() if text} for module, found in wrong.items()}
