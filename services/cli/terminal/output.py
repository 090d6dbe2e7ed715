"""JSON for programs, tables for people. Text from mail is printed without control characters, which a terminal would obey."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, NoReturn

import orjson
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs (keys: docs/commands.md).")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
"""Exit codes."""
_PIPED_COLUMNS = 200
"""A pipe has no width. Rich would assume 80 columns and break lines in the middle of an address."""
_GAP = 2
"""Blanks between the columns of a table."""
_NARROWEST = 8
"""Columns that a shortened text keeps, however narrow the terminal is."""

console = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_COLUMNS)
errors = Console(stderr=True, highlight=False)

_JSON = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
_KEPT = {"\n", "\t"}
_BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def clean(text: str) -> str:
    """Return text without control and bidirectional override characters, which could redraw a terminal."""
    return "".join(char for char in text if char in _KEPT or (char.isprintable() and char not in _BIDI))


def line(text: str, style: str = "") -> Text:
    """Return text from mail as one line without markup."""
    return Text(" ".join(clean(text).split()), style=style)


def _default(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="python")
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(type(value).__name__)


def print_json(value: BaseModel | Sequence[BaseModel]) -> None:
    """Print the result of a command as indented JSON."""
    sys.stdout.write(as_bytes(value).decode())


def as_bytes(value: Any) -> bytes:
    """Return a value (models, dicts, lists) as indented JSON that ends with a line break."""
    return orjson.dumps(value, default=_default, option=_JSON)


def table(
    title: str | None, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, cut: Sequence[str] = ()
) -> None:
    """Print a table of plain texts. Columns in ``cut`` are shortened to one line to make room for the others."""
    headed = any(columns)
    made = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        show_header=headed,
        box=None,
        pad_edge=False,
        padding=(0, _GAP, 0, 0),
    )
    cells = [[cell if isinstance(cell, Text) else line(cell) for cell in row] for row in rows]
    natural = [
        max((cell.cell_len for cell in (Text(column), *(row[number] for row in cells))), default=0)
        for number, column in enumerate(columns)
    ]
    for column, width in zip(columns, _widths(columns, natural, cut), strict=True):
        made.add_column(column, width=width, overflow="ellipsis" if column in cut else "fold", no_wrap=column in cut)
    for row in cells:
        made.add_row(*row)
    console.print(made)


def _widths(columns: Sequence[str], natural: Sequence[int], cut: Sequence[str]) -> list[int]:
    """Return widths that fit the terminal: columns in ``cut`` give first, then the others, each time the widest one.

    rich would take the width from the columns with the shortest texts, and break their headings within a word.
    """
    room = console.width - _GAP * (len(columns) - 1)
    widths = [min(width, room) for width in natural]
    for group in (True, False):
        while sum(widths) > room:
            wide = [
                number
                for number, column in enumerate(columns)
                if (column in cut) is group and widths[number] > max(_NARROWEST if group else 1, longest_word(column))
            ]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    return widths


def longest_word(heading: str) -> int:
    """Return the least width of a column whose heading is not broken within a word."""
    return max(map(len, heading.split()), default=0)


def say(text: str, style: str = "", *, on: Console | None = None) -> None:
    """Print one sentence for a person."""
    (on or console).print(Text(clean(text), style=style), soft_wrap=True)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on a terminal while the block runs; yields the function that updates it (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def write_bytes(content: bytes) -> None:
    """Write mail content to standard output: unchanged to a file or program, without control characters to a terminal."""
    if sys.stdout.isatty():
        sys.stdout.write(clean(content.decode("utf-8", "replace").replace("\r\n", "\n")))
    else:
        sys.stdout.buffer.write(content)


def moment(at: datetime | None) -> str:
    """Return a time in the local time zone, to the minute; ``-`` for None."""
    return "-" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M}"


def confirm(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask for a confirmation, unless ``yes`` gives it. Without one, exit and say what was not done: ``nothing was removed``."""
    if yes:
        return
    if not sys.stdin.isatty():
        fail(f"{otherwise}: add --yes to confirm without a terminal", code=USAGE)
    if not typer.confirm(question):
        fail(otherwise)


def fail(text: str, *, code: int = 1) -> NoReturn:
    """Print a sentence that says what is wrong and what to do, and exit."""
    errors.print(Text(f"leadmail: {clean(text).rstrip('.')}.", style="red"), soft_wrap=True)
    raise typer.Exit(code)
