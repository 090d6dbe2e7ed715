"""Writes the table of settings into ``docs/configuration.md``: ``python -m tools.configuration --check|--write``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pydantic import SecretBytes, SecretStr

from services.runtime.environment import variable
from services.runtime.settings import REQUIRED, Settings

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- settings:begin (made by tools.configuration) -->", "<!-- settings:end -->"
_HEADING = """# Configuration

Leadmail is set up by environment variables. Each may also be given as `<NAME>_FILE`, the path of a file that holds the value (for
secrets). A setting that is missing or wrong stops the process with one sentence that names it.
"""


def table() -> str:
    """Return the settings as a Markdown table."""
    lines = ["| variable | what to give | default | needed by |", "|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        needed = [stage for stage, names in REQUIRED.items() if name in names]
        default = (
            "" if field.default_factory is not None else _text(field.default, ";" if name == "crm_name_fields" else ",")
        )
        description = (field.description or "").replace("|", "\\|")
        lines.append(
            f"| `{variable(name)}` | {description} | {f'`{default}`' if default else ''} | {', '.join(needed)} |"
        )
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
    """Return the page with the present table; what stands around it stays."""
    block = f"{BEGIN}\n{table()}\n{END}"
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return f"{before}{block}{after}"
    return f"{old or _HEADING}\n{block}\n"


def main() -> int:
    """Check or write; 1 when stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="say whether the page is stale")
    what.add_argument("--write", action="store_true", help="bring the page up to date")
    arguments = parser.parse_args()
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    new = page(old)
    if arguments.write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(new, encoding="utf-8")
    elif old != new:
        sys.stderr.write(f"{PAGE} is stale: run `python -m tools.configuration --write`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
