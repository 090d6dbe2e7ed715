"""``python -m tools.metrics``: ``--check`` fails when a file derived from metrics and alerts is stale; ``--write`` derives it again."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

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
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} has lost the marks around its tables: put {BEGIN} and {END} where they are to stand")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def operator_rules() -> str:
    """Return Prometheus' rules as a resource of the Prometheus Operator."""
    groups = RULES.read_text(encoding="utf-8").partition("groups:\n")[2]
    return f"{_OPERATOR}{textwrap.indent(groups, '  ')}"


def files() -> dict[Path, str]:
    """Return what is made, by its place."""
    made = {GRAFANA / name: text for name, text in to_json(DASHBOARDS).items()}
    return {PAGE: page(PAGE.read_text(encoding="utf-8")), OPERATOR: operator_rules(), **made}


def main() -> int:
    """Check or write; 1 when something is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="say what is stale")
    what.add_argument("--write", action="store_true", help="bring everything up to date")
    arguments = parser.parse_args()
    stale = {
        path: text for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if arguments.write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        else:
            sys.stderr.write(f"{path} is stale: run `python -m tools.metrics --write`\n")
    return 1 if stale and not arguments.write else 0


if __name__ == "__main__":
    sys.exit(main())
