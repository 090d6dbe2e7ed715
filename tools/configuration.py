"""Writes the table of settings into ``docs/configuration.md``: ``python -m tools.configuration --check|--write``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from services.runtime.environment import variable
from services.settings import PROCESSES
from tools import derive

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- settings:begin (made by tools.configuration) -->", "<!-- settings:end -->"


def settings() -> dict[str, FieldInfo]:
    """Return every setting, those that most processes read first."""
    found = {name: field for each in PROCESSES.values() for name, field in each.model_fields.items()}
    readers = Counter(name for each in PROCESSES.values() for name in each.model_fields)
    order = list(found)
    return {name: found[name] for name in sorted(found, key=lambda name: (-readers[name], order.index(name)))}


def table() -> str:
    """Return the settings as a Markdown table; a process that cannot do without a setting is in bold."""
    lines = ["| variable | what to give | default | read by |", "|---|---|---|---|"]
    for name, field in settings().items():
        readers = ", ".join(
            f"**{process}**" if name in each.required else process
            for process, each in PROCESSES.items()
            if name in each.model_fields
        )
        default = (
            "" if field.default_factory is not None else _text(field.default, ";" if name == "crm_name_fields" else ",")
        )
        description = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{variable(name)}` | {description} | {f'`{default}`' if default else ''} | {readers} |")
    return "\n".join(lines)


def _text(value: object, separator: str) -> str:
    match value:
        case SecretStr() | SecretBytes():
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return separator.join(str(part) for part in value)
        case _:
            return str(value)


def page(old: str) -> str:
    """Return the page with the current table; the text around the table stays."""
    return derive.between_marks(old, BEGIN, END, table())


if __name__ == "__main__":
    new = page(PAGE.read_text(encoding="utf-8"))
    sys.exit(derive.main("tools.configuration", "The table of settings.", {PAGE: new}))
