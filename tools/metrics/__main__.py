"""``python -m tools.metrics``: ``--check`` fails when a file derived from metrics and alerts is stale; ``--write`` derives it again."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from tools import derive
from tools.metrics.catalogue import FOREIGN, STAGES, Known, common, of_stage
from tools.metrics.dashboards import DASHBOARDS
from tools.metrics.grafana import to_json

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
GRAFANA = ROOT / "deploy" / "grafana" / "dashboards"
RULES = ROOT / "deploy" / "prometheus" / "rules" / "leadmail.yaml"
OPERATOR = ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "rules.yaml"
_OPERATOR = """# Made by `python -m tools.metrics --write` from deploy/prometheus/rules/leadmail.yaml; do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: leadmail
spec:
  groups:
"""
BEGIN, END = "<!-- metrics:begin (made by tools.metrics) -->", "<!-- metrics:end -->"


def _table(metrics: list[Known]) -> list[str]:
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.text} |"
        for one in sorted(metrics)
    ]
    return ["| metric | type | labels | what it is |", "|---|---|---|---|", *rows, ""]


def tables() -> str:
    """Return all tables as Markdown."""
    lines = ["## Every stage", "", *_table(common())]
    for stage in STAGES:
        lines += [f"## {stage.capitalize()}", "", *_table(of_stage(stage))]
    lines += ["## Of others, used by dashboards and alerts", "", "| metric | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in sorted(FOREIGN.items())]
    return "\n".join(lines)


def page(old: str) -> str:
    """Return the page with current tables. The text around them stays.

    Raises:
        ValueError: the marks around the tables are gone.
    """
    return derive.between_marks(old, BEGIN, END, tables())


def operator_rules() -> str:
    """Return Prometheus' rules as a resource of the Prometheus Operator."""
    groups = RULES.read_text(encoding="utf-8").partition("groups:\n")[2]
    return f"{_OPERATOR}{textwrap.indent(groups, '  ')}"


def files() -> dict[Path, str]:
    """Return what is made, by its place."""
    made = {GRAFANA / name: text for name, text in to_json(DASHBOARDS).items()}
    return {PAGE: page(PAGE.read_text(encoding="utf-8")), OPERATOR: operator_rules(), **made}


if __name__ == "__main__":
    sys.exit(derive.main("tools.metrics", "The page of metrics, dashboards, and the operator's rules.", files()))
