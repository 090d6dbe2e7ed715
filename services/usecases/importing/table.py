"""Reads a table of mailboxes to connect: one row per mailbox, with lenient names of columns; and writes those that failed."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

from pydantic import SecretStr

from schemas.addresses import normal_address_or_none
from services.usecases.importing.spreadsheet import (
    Spreadsheet,
    TableError,
    read_spreadsheet,
    unquoted,
    write_spreadsheet,
)

MOST_ROWS = 1_000
_NAMES: dict[str, tuple[str, ...]] = {
    "address": ("address", "email", "e mail", "mail", "mailbox", "email address", "mail address"),
    "owner": ("owner", "user", "owner email", "crm user"),
    "members": ("members", "member", "team", "users"),
    "sharing": ("sharing", "mode", "shared", "visibility"),
    "aliases": ("aliases", "alias", "other addresses", "further addresses"),
    "username": ("username", "user name", "login", "login name"),
    "password": ("password", "app password", "app specific password"),
    "app_only": ("app only", "apponly", "own name"),
    "host": ("host", "imap", "server", "imap host", "imap server"),
}
_FIELDS = {name: field for field, names in _NAMES.items() for name in names}


class MailboxRow(NamedTuple):
    """One row, as typed. Empty where the table has nothing."""

    line: int
    """As spreadsheets count: the names of the columns are line 1."""
    address: str
    owner: str = ""
    sharing: str = ""
    aliases: tuple[str, ...] = ()
    username: str = ""
    password: SecretStr = SecretStr("")
    app_only: str = ""
    host: str = ""
    members: tuple[str, ...] = ()
    repeated: bool = False
    """Whether the table has the address more than once."""


class MailboxTable(NamedTuple):
    """The rows of a table, and what separates its cells."""

    rows: list[MailboxRow]
    delimiter: str


class ImportState(StrEnum):
    """What became of a row."""

    READY = "ready"
    """It can be connected, if the login works. Only in a dry run."""
    CONNECTED = "connected"
    ALREADY = "already connected"
    FAILED = "failed"


def read_table(text: str) -> MailboxTable:
    """Return a table of mailboxes. Empty rows are left out.

    Raises:
        TableError: it is no table, names no column of addresses, or is too long.
    """
    found = read_spreadsheet(io.StringIO(text, newline=""))
    rows = _rows(found)
    seen = Counter(normal_address_or_none(row.address) for row in rows)
    marked = [row._replace(repeated=seen[normal_address_or_none(row.address)] > 1) for row in rows]
    return MailboxTable(marked, found.delimiter)


def _rows(table: Spreadsheet) -> list[MailboxRow]:
    fields = [_FIELDS.get(re.sub(r"[\s_-]+", " ", name).lower(), "") for name in table.header]
    known = [field for field in fields if field]
    if "address" not in fields:
        raise TableError("there is no column address: the first line has to name the columns (docs/console.md)")
    if twice := {field for field in known if known.count(field) > 1}:
        raise TableError(f"two columns are both for {min(twice)}: remove one of them")
    rows = list(islice(table.rows, MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        raise TableError(f"the table has more than {MOST_ROWS:,} rows: split it")
    found = []
    for number, cells in rows:
        named: dict[str, Any] = {field: cell for field, cell in zip(fields, cells, strict=False) if field}
        secret = SecretStr(named.pop("password", ""))
        named = {field: unquoted(cell) for field, cell in named.items()}
        for name in ("aliases", "members"):
            named[name] = tuple(named.get(name, "").replace(",", " ").replace(";", " ").split())
        found.append(MailboxRow(number, named.pop("address", ""), password=secret, **named))
    return found


def write_failures(failures: Iterable[tuple[MailboxRow, str]], delimiter: str) -> str:
    """Return a table of the rows that failed, with the reasons and an empty column for passwords.

    Once corrected, it can be read as the table that it came from. A spreadsheet takes no cell of it for a formula.
    """
    header = [field.replace("_", "-") for field in _NAMES]
    return write_spreadsheet([*header, "reason"], [[*_typed(row), why] for row, why in failures], delimiter)


def _typed(row: MailboxRow) -> list[str]:
    lists = {"aliases": " ".join(row.aliases), "members": " ".join(row.members)}
    values = row._asdict() | lists | {"password": ""}
    return [values[field] for field in _NAMES]
