"""Writes the table of settings into ``docs/configuration.md``: ``python -m tools.configuration --check|--write``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from services.runtime.environment import variable
from services.settings import PROCESSES

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN, END = "<!-- settings:begin (made by tools.configuration) -->", "<!-- settings:end -->"
_HEADING = """# Configuration

You configure Leadmail with environment variables. You can also set `<NAME>_FILE` to the path of a file that holds the value, for
example for a secret. A missing or wrong setting stops the process with one sentence that names it. A process in bold does not start
without the setting; the others have a default.
"""


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
