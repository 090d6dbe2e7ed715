"""Reads leads and contacts from a CSV file as spreadsheets write it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from schemas.header import read_addresses
from services.cli.terminal.csv_file import STANDARD_INPUT, csv_lines
from services.cli.terminal.output import fail
from services.store import NewRecord
from services.usecases.importing.spreadsheet import Spreadsheet, TableError, read_spreadsheet

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


class CsvRecords(NamedTuple):
    """The content of a file."""

    records: list[NewRecord]
    without_address: int
    """Number of rows without an address, which match no mail."""
    unused: tuple[str, ...] = ()
    """Columns, as the file names them, of which nothing was taken."""


def read_records(file: Path) -> CsvRecords:
    """Return the records of a file; exits with a sentence that names the wrong line."""
    name = "standard input" if file == STANDARD_INPUT else str(file)
    try:
        with csv_lines(file) as lines:
            return _read(name, read_spreadsheet(lines))
    except UnicodeDecodeError:
        fail(f"{name} is not UTF-8 text: save it as “CSV UTF-8”. Nothing was imported")
    except TableError as error:
        fail(f"{name}: {error}. Nothing was imported")
    except OSError as error:
        fail(f"{name} cannot be read ({error.strerror})")


def _read(file: str, table: Spreadsheet) -> CsvRecords:
    columns = [re.sub(r"[ _-]+", " ", name.lower()) for name in table.header]
    addressed = [place for place, name in enumerate(table.header) if _ADDRESSES.fullmatch(name.lower())]
    if not addressed:
        fail(f"{file} has no column email: the first line must name the columns")
    others = {field: columns.index(name) for field, names in _OTHERS.items() for name in names if name in columns}
    used = {*addressed, *others.values()}
    unused = tuple(name for place, name in enumerate(table.header) if name and place not in used)
    records, without = [], 0
    for line, row in table.rows:
        cells = row + [""] * (len(columns) - len(row))
        typed = [cells[place] for place in addressed if cells[place]]
        if not typed:
            without += 1
            continue
        found = [read_addresses(text.encode(), _MOST_ADDRESSES) for text in typed]
        for text, one in zip(typed, found, strict=True):
            if one.unread or not one.mailboxes:
                fail(f"{file}, line {line}: {text!r} is not an e-mail address. Nothing was imported")
        addresses = tuple(dict.fromkeys(mailbox.address for one in found for mailbox in one.mailboxes))
        told = {field: cells[place] or None for field, place in others.items()}
        name = told.get("name") or " ".join(filter(None, (told.get("first"), told.get("last"))))
        records.append(NewRecord(addresses, name=name, owner=told.get("owner"), company=told.get("company")))
    return CsvRecords(records, without, unused)
