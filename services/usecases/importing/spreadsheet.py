"""Tables as spreadsheets save them as CSV: with a header, any usual delimiter, and no cell that is run as a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from schemas.errors import LeadmailError

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""What a spreadsheet might run, however often it was quoted. See OWASP's "CSV injection"."""


class TableError(LeadmailError):
    """A table cannot be read; the text says what to do, and quotes nothing of it."""


class Spreadsheet(NamedTuple):
    """A table, its cells without surrounding spaces."""

    header: list[str]
    """Empty if the table is."""
    rows: Iterator[tuple[int, list[str]]]
    """The line where a row ends, and its cells, as they are read; rows without any text are left out."""
    delimiter: str


def read_spreadsheet(lines: Iterable[str]) -> Spreadsheet:
    """Return a table from its lines in CSV, with or without a byte order mark.

    Raises:
        TableError: it is not valid CSV. Reading its rows raises it, too.
    """
    left, first, skipped = iter(lines), "", 0
    for line in left:
        first = line.removeprefix("\ufeff")
        if first.strip():
            break
        skipped += 1
    delimiter = max(",;\t", key=first.count)
    rows = _rows(chain([first], left), delimiter, skipped)
    _, header = next(rows, (0, []))
    return Spreadsheet(header, rows, delimiter)


_REASONS = {
    "unexpected end": "a quotation mark is not closed",
    "expected after": "a quotation mark inside a cell is not doubled",
    "field limit": "a cell is too long",
}
"""What is wrong with a table, by the words of Python's reader."""


def _rows(lines: Iterable[str], delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num + skipped, cells
    except csv.Error as error:
        why = next((ours for theirs, ours in _REASONS.items() if theirs in str(error)), "a line cannot be read")
        raise TableError(f"this is not a CSV table: {why}, near line {reader.line_num + skipped}") from None


def write_spreadsheet(header: Iterable[str], rows: Iterable[Iterable[str]], delimiter: str) -> str:
    """Return a table in CSV that spreadsheets take for UTF-8, and no cell of it for a formula: ``unquoted`` reads the cells."""
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows([f"'{cell}" if _FORMULA.match(cell) else cell for cell in row] for row in rows)
    return text.getvalue()


def unquoted(cell: str) -> str:
    """Return what a cell held before it was quoted as no formula."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
