"""Panels as a table, and the JSON that Grafana makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3


class Panel(NamedTuple):
    """A graph, or (``last``) a number."""

    title: str
    unit: str
    """Grafana's word: short, s, percentunit, bytes, Bps, ops."""
    lines: tuple[tuple[str, str], ...]
    """Expression, and what its lines are called (``{{label}}``)."""
    last: bool = False
    text: str = ""


def to_json(dashboards: Mapping[str, tuple[str, tuple[Panel, ...]]]) -> dict[str, str]:
    """Return the JSON of dashboards, given by name with title and panels, by file name."""
    return {
        f"{name}.json": json.dumps(_dashboard(name, title, panels), indent=2) + "\n"
        for name, (title, panels) in dashboards.items()
    }


def _dashboard(name: str, title: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    return {
        "uid": f"leadmail-{name}",
        "title": title,
        "tags": ["leadmail"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Leadmail", "tags": ["leadmail"], "asDropdown": False}],
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "stat" if panel.last else "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for place, (expression, legend) in enumerate(panel.lines)
        ],
    }
