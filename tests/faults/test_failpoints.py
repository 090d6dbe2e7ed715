"""The failpoints themselves: parsing, detection, and that production has none."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.faults.catalogue import PER_STAGE, _writing, deaths, packed
from tests.faults.failpoints import ROOT, Plan


def test_a_plan_names_stage_place_and_time(tmp_path: Path) -> None:
    """A stage takes its own entries from the list; without a pass number it is the first."""
    listed = "poller:epochs.open:before parser:publish.dead:after:3"
    environment = {"LEADMAIL_FAILPOINT": listed, "LEADMAIL_FAILPOINT_MARKS": str(tmp_path)}
    assert Plan.of("poller", environment).deaths == {("epochs.open", "before"): 1}
    assert Plan.of("parser", environment).deaths == {("publish.dead", "after"): 3}
    assert Plan.of("matcher", environment).deaths == {}


@pytest.mark.parametrize(
    ("listed", "marks", "text"),
    [
        ("poller:epochs.open:during", ".", "before|after"),
        ("poller:epochs.open:before", "/nowhere", "must name a folder"),
    ],
)
def test_a_wrong_plan_is_refused(listed: str, marks: str, text: str) -> None:
    """An invalid plan ends the stage: otherwise a test would prove nothing."""
    with pytest.raises(ValueError, match=text.replace("|", r"\|")):
        Plan.of("poller", {"LEADMAIL_FAILPOINT": listed, "LEADMAIL_FAILPOINT_MARKS": marks})


def test_production_has_no_failpoints() -> None:
    """No installed module mentions them, so nothing can enable them there."""
    installed = [path for folder in ("schemas", "services") for path in (ROOT / folder).rglob("*.py")]
    assert len(installed) > 100
    assert [path.name for path in installed if "failpoint" in path.read_text(encoding="utf-8").lower()] == []


@pytest.mark.parametrize(
    "source",
    [
        "class Emails:\n async def repair(self):\n  await self._emails.update_one({}, {})",
        "class Emails:\n async def repair(self):\n  async def write(session):\n   await self._c.x.delete_many({})\n  return write",
        "async def repair(emails):\n await insert_new(emails, [])",
    ],
)
def test_a_function_that_writes_is_found(source: str) -> None:
    """A write is found in any construct and under any name of the collection."""
    assert list(_writing(ast.parse(source))) == ["repair"]


def test_a_function_that_reads_is_no_writer() -> None:
    """Only writes count."""
    assert list(_writing(ast.parse("class A:\n async def f(self):\n  await self._emails.find_one({})"))) == []


def test_the_groups_hold_every_death_once() -> None:
    """The runs of several days cover the whole catalogue, a few deaths of each stage at a time."""
    groups = packed(deaths())
    assert sorted(death for group in groups for death in group) == sorted(deaths())
    for group in groups:
        stages = [death.point.stage for death in group]
        assert all(stages.count(stage) <= PER_STAGE for stage in stages)
