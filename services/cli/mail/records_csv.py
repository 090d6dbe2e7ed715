"""Reads leads and contacts from a CSV file as spreadsheets write it."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from schemas.header import read_addresses
from services.cli.terminal.output import fail
from services.store import NewRecord

_ADDRESSES = re.compile(r"(other|secondary|further)?[ _-]*(e?-?mails?|address(es)?)([ _-]*address(es)?)?[ _-]*\d*")
_MOST_ADDRESSES = 100
"""Addresses of one cell."""
_OTHERS = {
    "name": ("name", "full name", "fullname", "contact name", "lead name"),
    "first": ("first name", "firstname", "given name", "forename"),
    "last": ("last name", "lastname", "surname", "family name"),
    "owner": ("owner", "owner email", "owner e mail"),
    "company": (
        "company",
        "company name",
        "organisation",
        "organization",
        "organisation name",
        "organization name",
        "account name",
    ),
}
STANDARD_INPUT = Path("-")


class CsvRecords(NamedTuple):
    """The content of a file."""

    records: list[NewRecord]
    without_address: int
    """Number of rows without an address, which match no mail."""
    unused: tuple[str, ...] = ()
    """Columns, as the file names them, of which nothing was taken."""


def read_records(file: Path) -> CsvRecords:
    """Return the records of a file; exits with a sentence that names the wrong line."""
    try:
        if file == STANDARD_INPUT:
            return _read("standard input", TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline=""))
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return _read(str(file), lines)
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text: save it as “CSV UTF-8”. Nothing was imported")
    except csv.Error as error:
        fail(f"{file} is not a CSV file ({error}). Nothing was imported")
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror})")


def _read(file: str, lines: Iterator[str]) -> CsvRecords:
    header = next(lines, "")
    delimiter = max(",;\t", key=header.count)
    named = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    columns = [re.sub(r"[ _-]+", " ", name.lower()) for name in named]
    addressed = [place for place, name in enumerate(named) if _ADDRESSES.fullmatch(name.lower())]
    if not addressed:
        fail(f"{file} has no column email: the first line must name the columns")
    others = {field: columns.index(name) for field, names in _OTHERS.items() for name in names if name in columns}
    used = {*addressed, *others.values()}
    unused = tuple(name for place, name in enumerate(named) if name and place not in used)
    records, without = [], 0
    reader = csv.reader(lines, delimiter=delimiter)
    for row in reader:
        cells = [cell.strip() for cell in row] + [""] * (len(columns) - len(row))
        typed = [cells[place] for place in addressed if cells[place]]
        if not typed:
            without += any(cells)
            continue
        found = [read_addresses(text.encode(), _MOST_ADDRESSES) for text in typed]
        for text, one in zip(typed, found, strict=True):
            if one.unread or not one.mailboxes:
                # The reader did not see the header, so its line number is one too low.
                fail(f"{file}, line {reader.line_num + 1}: {text!r} is not an e-mail address. Nothing was imported")
        addresses = tuple(dict.fromkeys(mailbox.address for one in found for mailbox in one.mailboxes))
        told = {field: cells[place] or None for field, place in others.items()}
        name = told.get("name") or " ".join(filter(None, (told.get("first"), told.get("last"))))
        records.append(NewRecord(addresses, name=name, owner=told.get("owner"), company=told.get("company")))
    return CsvRecords(records, without, unused)
