"""Reads a table of mailboxes to connect, as spreadsheets save it: one row per mailbox, with lenient names of columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from pydantic import SecretStr

from schemas.errors import LeadmailError

MOST_ROWS = 1_000
_NAMES: dict[str, tuple[str, ...]] = {
    "address": ("address", "email", "e mail", "mail", "mailbox", "email address", "mail address"),
    "owner": ("owner", "user", "owner email", "crm user"),
    "sharing": ("sharing", "mode", "shared", "visibility"),
    "aliases": ("aliases", "alias", "other addresses", "further addresses"),
    "username": ("username", "user name", "login", "login name"),
    "password": ("password", "app password", "app specific password"),
    "app_only": ("app only", "apponly", "own name"),
    "host": ("host", "imap", "server", "imap host", "imap server"),
}
_FIELDS = {name: field for field, names in _NAMES.items() for name in names}


class TableError(LeadmailError):
    """A table cannot be read; the text says what to do, and quotes nothing of it."""


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


class ImportState(StrEnum):
    """What became of a row."""

    READY = "ready"
    """It can be connected, if the login works. Only in a dry run."""
    CONNECTED = "connected"
    ALREADY = "already connected"
    FAILED = "failed"


def read_rows(text: str) -> list[MailboxRow]:
    """Return the rows of a table. Empty ones are left out.

    Raises:
        TableError: it is no table, names no column of addresses, or is too long.
    """
    header = text.removeprefix("\ufeff").lstrip("\r\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    try:
        return _rows([(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))])
    except csv.Error as error:
        raise TableError(f"this is not a CSV table: {error}, near line {reader.line_num}") from None


def _rows(lines: list[tuple[int, list[str]]]) -> list[MailboxRow]:
    _, header = lines[0] if lines else (0, [])
    fields = [_FIELDS.get(re.sub(r"[\s_-]+", " ", name).lower(), "") for name in header]
    known = [field for field in fields if field]
    if "address" not in fields:
        raise TableError("there is no column address: the first line has to name the columns (docs/console.md)")
    if twice := {field for field in known if known.count(field) > 1}:
        raise TableError(f"two columns are both for {min(twice)}: remove one of them")
    if len(lines) - 1 > MOST_ROWS:
        raise TableError(f"the table has more than {MOST_ROWS:,} rows: split it")
    found = []
    for number, cells in lines[1:]:
        named = {field: cell for field, cell in zip(fields, cells, strict=False) if field}
        aliases = tuple(named.pop("aliases", "").replace(",", " ").replace(";", " ").split())
        secret = SecretStr(named.pop("password", ""))
        found.append(MailboxRow(number, named.pop("address", ""), aliases=aliases, password=secret, **named))
    return found


def write_failures(failures: Iterable[tuple[str, str, str]]) -> str:
    """Return a table of the addresses, owners and reasons of rows that failed, without passwords.

    A spreadsheet takes no cell of it for a formula.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("address", "owner", "reason"))
    writer.writerows([f"'{cell}" if cell[:1] in "=+-@\t" and cell else cell for cell in row] for row in failures)
    return text.getvalue()
