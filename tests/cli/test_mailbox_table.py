"""Tables of mailboxes: lenient names of columns, what spreadsheets write, and what is refused."""

from __future__ import annotations

import csv

import pytest
from pydantic import SecretStr

from services.usecases.importing.spreadsheet import TableError
from services.usecases.importing.table import MOST_ROWS, MailboxRow, read_table, write_failures


def read_rows(text: str) -> list[MailboxRow]:
    """Return the rows of a table."""
    return read_table(text).rows


HEAD = "E-Mail;Owner;Sharing;Other addresses;Password;App-Only;IMAP host;Login name\r\n"


def test_a_spreadsheets_table() -> None:
    """With a byte order mark, semicolons, quotes, empty lines, and the lines as the spreadsheet counts them."""
    text = (
        "\ufeff"
        + HEAD
        + 'ann@x.example ;bob@x.example;Public;"a@x.example, b@x.example";" p;w ";;imap.x.example;ann\r\n'
    )
    text += ";;;;;;;\r\n\r\neve@x.example;;;;;yes;;\r\nshort@x.example\r\n"
    first, second, short = read_rows(text)
    assert first[:6] == (2, "ann@x.example", "bob@x.example", "Public", ("a@x.example", "b@x.example"), "ann")
    assert (first.password.get_secret_value(), first.app_only, first.host) == ("p;w", "", "imap.x.example")
    assert (second.line, second.app_only, second.owner) == (5, "yes", "")
    assert (short.line, short.address) == (6, "short@x.example")
    assert "p;w" not in repr(first)


@pytest.mark.parametrize(
    "text", ["address,owner\na@x.example,b", "mail\towner\na@x.example\tb", "MAILBOX;user\na@x.example;b"]
)
def test_separators_and_names(text: str) -> None:
    """Commas, tabs and semicolons; names in any case. Unknown columns are left out."""
    (row,) = read_rows(text.replace("\n", ";department\n", 1) if ";" in text else text)
    assert row[1:3] == ("a@x.example", "b")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no column address"),
        ("name,owner\na,b", "no column address"),
        ('address,password\na@x.example,"secret', "not a CSV table"),
        ("address,email\na@x.example,b@x.example", "two columns are both for address"),
        ("address\n" + "a@x.example\n" * (MOST_ROWS + 1), "more than 1,000 rows"),
    ],
)
def test_what_is_no_table(text: str, why: str) -> None:
    """The sentence quotes nothing of the table."""
    with pytest.raises(TableError, match=why) as error:
        read_rows(text)
    assert "secret" not in str(error.value)


def test_failures_are_no_formulas() -> None:
    """Nothing that a table or a server says is run by a spreadsheet, which takes the file for UTF-8."""
    failures = [(MailboxRow(2, "=cmd|x", "@o", aliases=("-a@x.example",)), '+1, "no"'), (MailboxRow(3, "b"), "-")]
    text = write_failures(failures, ";")
    assert text.startswith("\ufeffaddress;owner;")
    rows = list(csv.DictReader(text.removeprefix("\ufeff").splitlines(), delimiter=";"))
    assert [row["address"] for row in rows] == ["'=cmd|x", "b"]
    assert [row["reason"] for row in rows] == ['\'+1, "no"', "'-"]
    assert (rows[0]["owner"], rows[0]["aliases"]) == ("'@o", "'-a@x.example")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_failures_are_read_back(delimiter: str) -> None:
    """Every column is as it was typed, whatever it begins with, but there are no passwords."""
    odd = MailboxRow(
        2,
        "'=a@x.example",
        'b "B", the;\tother',
        "+",
        ("-a@x.example", "b@x.example"),
        "'login",
        SecretStr("p4ss"),
        "@no",
        members=("-m@x.example", "n@x.example"),
    )
    text = write_failures([(odd, "=why"), (MailboxRow(3, "'b@x.example", host="''-host"), "")], delimiter)
    assert "p4ss" not in text
    first, second = read_table(text).rows
    assert first == odd._replace(password=SecretStr(""))
    assert (second.address, second.host) == ("'b@x.example", "''-host")


def test_a_password_is_read_as_typed() -> None:
    """Only what Leadmail quotes is unquoted, and it writes no passwords."""
    (row,) = read_rows("address,password\na@x.example,'=secret\n")
    assert row.password.get_secret_value() == "'=secret"
