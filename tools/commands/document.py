"""Writes ``docs/commands.md`` from the commands themselves: ``python -m tools.commands.document --check|--write``."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo

from services.cli.app import SUBJECTS
from tools.commands.shape import lines, named
from tools.commands.shapes import SHAPES

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
_HEADING = """# The `leadmail` command

Made from the commands by `python -m tools.commands.document --write`; do not edit. `leadmail COMMAND --help` says the same.

Settings are environment variables, see [configuration.md](configuration.md). Where an account or an email is asked for, an address,
an id or (of an email) the start of one will do.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused, not found, or a login that does not work: the sentence on standard error says what to do |
| 2 | wrong arguments or settings |
| 3 | MongoDB or RabbitMQ does not answer |

Every reading command takes `--json`. Keys are added in later versions, never renamed or taken away; moments are RFC 3339 in UTC.
"""


def commands() -> Iterator[tuple[str, Command]]:
    """Iterate over (words, command) of every command that does something, in the order of the help."""
    for subject, place in SUBJECTS.items():
        module, _, attribute = place.partition(":")
        group: typer.Typer = getattr(import_module(f"services.cli.{module}"), attribute)
        for one in group.registered_commands:
            assert one.callback is not None
            words = f"{subject} {one.name}" if one.name else subject
            yield words, Command(inspect.cleandoc(one.help or one.callback.__doc__ or ""), one.callback)


class Command(NamedTuple):
    """A command of the tree."""

    help: str
    callback: Callable[..., Any]

    def parameters(self) -> Iterator[tuple[str, Any, Any, Any]]:
        """Iterate over (name, type, typer's description, default) of its arguments and options."""
        hints = get_type_hints(self.callback, include_extras=True)
        for name, parameter in inspect.signature(self.callback).parameters.items():
            kind, described = get_args(hints[name])[:2]
            yield name, kind, described, parameter.default


def page() -> str:
    """Return the whole page."""
    parts = [_HEADING]
    for words, command in commands():
        rows = [_row(*parameter) for parameter in command.parameters()]
        parts += [f"\n## leadmail {words}\n", command.help]
        parts += ["\n| | |", "|---|---|", *rows] if rows else []
        if words in SHAPES:
            parts += ["\n`--json`:\n", "```", *lines(SHAPES[words]), "```"]
    parts += ["\n## What several commands print"]
    for name, one in sorted(named(SHAPES).items()):
        parts += [f"\n### {name}\n", "```", *lines(one.shape), "```"]
    return "\n".join(parts) + "\n"


def _row(name: str, kind: Any, described: Any, default: Any) -> str:
    argument = isinstance(described, ArgumentInfo)
    words = (described.help or "").rstrip(".") + "."
    if not argument and default is inspect.Parameter.empty:
        words += " Needed."
    elif not argument and default not in (None, "") and not isinstance(default, bool):
        words += f" By default {default}."
    names = described.metavar or name.upper() if argument else option_name(name, described)
    value = "" if argument else _value(kind, described)
    cells = (f"`{names}{value}`", words)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def option_name(name: str, described: Any) -> str:
    """Return an option as it is typed."""
    # Where the default stands in the signature, typer keeps the first declaration in its place.
    typed = [one for one in (described.default, *(described.param_decls or ())) if str(one).startswith("--")]
    return " ".join(typed) or f"--{name.replace('_', '-')}"


def _value(kind: Any, described: Any) -> str:
    """Return the placeholder of an option's value; nothing for a flag."""
    while get_args(kind) and get_origin(kind) is not Literal:
        kind = get_args(kind)[0]
    if kind is bool:
        return ""
    if get_origin(kind) is Literal:
        return " " + "|".join(get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " " + "|".join(str(one.value) for one in kind)
    return f" {described.metavar or ('N' if kind is int else 'TEXT')}"


def main() -> int:
    """Check or write; 1 when stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="say whether the page is stale")
    what.add_argument("--write", action="store_true", help="bring the page up to date")
    arguments = parser.parse_args()
    new = page()
    if arguments.write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(new, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != new:
        sys.stderr.write(f"{PAGE} is stale: run `python -m tools.commands.document --write`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
