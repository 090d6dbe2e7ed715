"""Writes ``docs/commands.md`` from the commands: ``python -m tools.commands.document --check|--write``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.cli.app import SUBJECTS
from tools import derive
from tools.commands.results import ANCHOR, TITLE, kind, schemas, sections

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
_HEADING = f"""# The `leadmail` command

Derived from the commands by `python -m tools.commands.document --write`; do not edit. `leadmail COMMAND --help` prints the same.

Settings are environment variables, see [configuration.md](configuration.md). Wherever a command takes an account or an email, you can give
an address, an id or (for an email) the start of an id.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused, not found, a login that failed, or a problem that `ledger check` or `doctor` found: the output says what to do |
| 2 | wrong arguments or settings |
| 3 | MongoDB or RabbitMQ does not answer, or refuses. `doctor` reports that and exits 1; `status` and `ledger check` need MongoDB only |

`leadmail --install-completion` sets your shell up to complete commands, options, and the addresses of accounts, users and records.

Every reading command takes `--json`, and prints [the objects below](#{ANCHOR}). Later versions may add keys,
but never rename or remove them. A moment is RFC 3339 in UTC.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Iterate over (words, click command) of every command, in the order of the help."""
    for subject, entry in SUBJECTS.items():
        found = entry.load(subject)
        inner = {name: each.load(name) for name, each in getattr(found, "entries", {}).items()}
        for name, command in (inner or getattr(found, "commands", {"": found})).items():
            yield f"{subject} {name}".strip(), command


def result_of(command: Any) -> Any:
    """Return the type that a command prints with ``--json``; None if it takes no ``--json``."""
    return getattr(command.callback, "prints", None)


def parameters(command: Any) -> Iterator[tuple[str, str]]:
    """Iterate over (what to type, help) of the arguments and options of a command."""
    context = command.context_class(command)
    for parameter in command.params:
        typed, text = parameter.get_help_record(context)
        if parameter.param_type_name == "argument":
            typed = typed.partition(" ")[0]  # it has no help: its name is enough
        yield typed, " ".join(text.split())


def page() -> str:
    """Return the whole page."""
    found = list(commands())
    printing = [words for words, command in found if result_of(command) is not None]
    described, definitions = schemas([result_of(command) for _, command in found if result_of(command) is not None])
    by_command = dict(zip(printing, described, strict=True))
    parts = [_HEADING]
    for words, command in found:
        rows = ["| `{}` | {} |".format(*(cell.replace("|", "\\|") for cell in row)) for row in parameters(command)]
        parts += [f"\n## leadmail {words}\n", inspect.cleandoc(command.help)]
        parts += ["\n| | |", "|---|---|", *rows] if rows else []
        if words in by_command:
            parts += [f"\n`--json` prints: {kind(by_command[words], definitions)}."]
    return "\n".join([*parts, f"\n## {TITLE}", *sections(definitions)]) + "\n"


if __name__ == "__main__":
    sys.exit(derive.main("tools.commands.document", "The page of commands.", {PAGE: page()}))
