"""Metrics, alerts, dashboards and the pages about them agree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from services.usecases.stages import BOUNDS, NEAR
from tools.metrics.__main__ import GRAFANA, PAGE, files, page
from tools.metrics.catalogue import FOREIGN, Known, every

ROOT = Path(__file__).parents[3]
RULES = sorted((ROOT / "deploy" / "prometheus" / "rules").glob("*.yaml"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
METRIC = re.compile(r"(?<!externalLabels\.)\b(?:leadmail|rabbitmq|process)[_:][a-z0-9_:]+|\bup\b(?=\{)")
UNITS = ("_seconds", "_bytes", "_total")
PERSONAL = {"account", "address", "email", "folder", "host", "name", "owner", "subject", "user", "viewer"}


def askable() -> set[str]:
    """Return every name that an expression may ask for."""
    recorded = {name for rules in RULES for name in re.findall(r"record: (\S+)", rules.read_text(encoding="utf-8"))}
    return {series for known in every() for series in known.series} | set(FOREIGN) | recorded


def anchors(markdown: str) -> set[str]:
    """Return the anchors of a page's headings as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", list(files()), ids=lambda path: path.name)
def test_what_is_made_is_up_to_date(path: Path) -> None:
    """The page of metrics and each dashboard equal what ``python -m tools.metrics --write`` writes."""
    assert path.read_text(encoding="utf-8") == files()[path], "run `python -m tools.metrics --write`"


def test_a_page_without_its_marks_is_not_overwritten() -> None:
    """The text around the tables is kept; without the marks an error says what to do."""
    assert page(PAGE.read_text(encoding="utf-8") + "more\n").endswith("more\n")
    with pytest.raises(ValueError, match="lost the marks"):
        page("nothing but words")


def test_every_metric_in_the_source_is_in_the_catalogue() -> None:
    """A metric that a stage registers is documented: its class is in ``tools.metrics.catalogue.STAGES``."""
    known = {one.name.removesuffix("_total") for one in every()}
    made = {
        name
        for path in (ROOT / "services").rglob("*.py")
        for name in re.findall(
            r'(?:Counter|Gauge|Histogram|Summary|GaugeMetricFamily)\(\s*"(leadmail_\w+)"',
            path.read_text(encoding="utf-8"),
        )
    }
    assert len(made) > 10
    assert made <= known


@pytest.mark.parametrize("known", every(), ids=lambda known: known.name)
def test_names_and_labels(known: Known) -> None:
    """Counters end in ``_total``, times and sizes in their base unit, and no label can hold personal data."""
    assert known.name.startswith("leadmail_")
    assert known.name.endswith("_total") == (known.kind == "counter")
    if known.kind in ("histogram", "summary"):
        assert known.name.endswith(UNITS)
    assert not re.search(r"milli|minutes|hours|_ms\b|kilo|mega", known.name)
    assert not PERSONAL & set(known.labels)
    assert known.text


@pytest.mark.parametrize("path", [*RULES, *sorted(GRAFANA.glob("*.json"))], ids=lambda path: path.name)
def test_alerts_and_dashboards_ask_for_what_there_is(path: Path) -> None:
    """Every metric that a rule or a dashboard names exists, ours or among those of others that the page lists."""
    named = set(METRIC.findall(path.read_text(encoding="utf-8")))
    assert named
    assert named <= askable()


def test_every_alert_leads_to_what_to_do() -> None:
    """Each alert has a severity, and names a section of the operator's page that exists; each has a promtool test."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "deploy/prometheus/tests").glob("*.yaml"))
    count = 0
    for rules in RULES:
        for block in re.split(r"^ +- alert: ", rules.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name = block.split()[0]
            found = re.search(
                r"""runbook_url: '\{\{ or \$externalLabels\.leadmail_docs "docs" \}\}/operations\.md#(\w+)'""", block
            )
            assert found, name
            assert found[1] in anchors(OPERATIONS), name
            assert re.search(r"severity: (?:critical|warning)", block), name
            assert re.search(rf"alertname: {name}\n\s+exp_alerts:\n", tests), f"{name} has no test in which it fires"
            assert re.search(rf"alertname: {name}, exp_alerts: \[\]", tests), (
                f"{name} has no test in which it is silent"
            )
            count += 1
    assert count >= 10


def test_the_alert_on_full_queues_knows_their_bounds() -> None:
    """It fires at four fifths of what each queue takes, but for those that a backfill keeps full."""
    rules = (ROOT / "deploy/prometheus/rules/leadmail.yaml").read_text(encoding="utf-8")
    (alert,) = re.findall(r"alert: LeadmailQueueNearlyFull\n(.+?)for:", rules, re.DOTALL)
    clauses = re.findall(r'queue=~"([^"]+)"(?:, queue!~"([^"]+)")?\}\) > (\d+)', alert.replace("\\\\", "\\"))
    assert len(clauses) == 3
    for queue, bound in BOUNDS.items():
        found = [
            int(limit)
            for name, others, limit in clauses
            if re.fullmatch(name, queue) and not (others and re.fullmatch(others, queue))
        ]
        assert found == ([] if queue.endswith(".backfill") else [NEAR * bound.messages]), queue


def test_every_section_on_an_alert_is_of_one() -> None:
    """The operator's page describes no alert that does not exist."""
    described = re.findall(r"^### (Leadmail\w+)$", OPERATIONS, re.MULTILINE)
    used = {
        anchor for rules in RULES for anchor in re.findall(r"operations\.md#(\w+)", rules.read_text(encoding="utf-8"))
    }
    assert {name.lower() for name in described} <= used


@pytest.mark.parametrize("path", sorted(GRAFANA.glob("*.json")), ids=lambda path: path.name)
def test_dashboards_are_whole(path: Path) -> None:
    """Each panel has a title, an expression and its own place, and uses the data source that the reader chose."""
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]}
    assert len(places) == len(dashboard["panels"]) >= 12
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["targets"]
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])
        assert panel["datasource"]["uid"] == "${source}"
