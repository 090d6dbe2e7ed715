"""``leadmail lead`` and ``leadmail contact``: records of the CRM, for those who try Leadmail without one."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated

import typer

from schemas.addresses import InvalidAddressError, normal_address
from schemas.records import Record, RecordKind
from services.cli.output import Json, fail, print_json, say, table
from services.cli.session import command, open_session
from services.store.record_crm import NewRecord

_COLUMNS = {
    "name": ("name", "full_name", "fullname"),
    "owner": ("owner",),
    "company": ("company", "organisation", "organization"),
}


def typer_of(kind: RecordKind) -> typer.Typer:
    """Return the commands of one kind of record."""
    app = typer.Typer(no_args_is_help=True, help=f"{kind.capitalize()}s of the CRM.")

    @app.command("add")
    @command
    async def add(
        emails: Annotated[
            list[str], typer.Argument(metavar="EMAIL...", help="One or more addresses; the first is the main one.")
        ],
        name: Annotated[str, typer.Option(help="Name.")] = "",
        owner: Annotated[str | None, typer.Option(help="The user who owns the record.")] = None,
        company: Annotated[str | None, typer.Option(help="Company.")] = None,
    ) -> None:
        async with open_session() as session:
            record = await session.store.records.add(
                kind, NewRecord(tuple(emails), name=name, owner=owner, company=company)
            )
        say(f"{record.ref} added: {_label(record)}. Mail that is already there is looked for.")

    @app.command("import")
    @command
    async def import_(
        file: Annotated[
            Path,
            typer.Argument(
                exists=True,
                dir_okay=False,
                help="CSV with a header; columns email (or email_1, ...), name, owner, company.",
            ),
        ],
    ) -> None:
        rows = _read(file)
        async with open_session() as session:
            added, left_out = await session.store.records.import_many(kind, rows)
        say(
            f"{added} {kind}s added"
            + (f", {left_out} left out: one of their addresses is there already." if left_out else ".")
        )

    @app.command("list")
    @command
    async def list_(
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest first.")] = 200,
        as_json: Json = False,
    ) -> None:
        async with open_session() as session:
            records = await session.store.records.list(kind, limit=limit)
        if as_json:
            print_json(records)
        else:
            table(None, ("id", "name", "company", "owner", "addresses"), [_row(record) for record in records])

    @app.command("show")
    @command
    async def show(
        name: Annotated[str, typer.Argument(metavar="RECORD", help="An address, or the record's id.")],
        as_json: Json = False,
    ) -> None:
        async with open_session() as session:
            found = [record for record in await session.store.records.find(name) if record.ref.kind == kind]
        if not found:
            fail(f"there is no {kind} {name}")
        if as_json:
            print_json(found)
        else:
            table(None, ("id", "name", "company", "owner", "addresses"), [_row(record) for record in found])

    add.__doc__ = f"Add a {kind}."
    import_.__doc__ = f"Add the {kind}s of a CSV file; those whose address is there already are left out."
    list_.__doc__ = f"List {kind}s, newest first."
    show.__doc__ = f"Show a {kind}."
    return app


def _label(record: Record) -> str:
    return record.name or ", ".join(record.addresses)


def _row(record: Record) -> tuple[str, str, str, str, str]:
    return record.ref.id, record.name, record.company or "", record.owner or "", ", ".join(record.addresses)


def _read(file: Path) -> list[NewRecord]:
    """Return the records of a CSV file; ends the command with the line that is wrong."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        sample = lines.read(4096)
        lines.seek(0)
        try:
            dialect = csv.Sniffer().sniff(sample, ",;\t")
        except csv.Error:
            dialect = csv.excel
        reader = csv.DictReader(lines, dialect=dialect)
        columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        address_columns = [name for key, name in columns.items() if key.startswith(("email", "e-mail", "address", "other_email"))]
        if not address_columns:
            fail(f"{file} has no column email: its first line must name its columns")
        named = {field: columns[key] for field, keys in _COLUMNS.items() for key in keys if key in columns}
        found = []
        for row in reader:
            texts = [
                part
                for column in address_columns
                for part in (row[column] or "").replace(";", " ").replace(",", " ").split()
            ]
            if not texts:
                continue
            try:
                addresses = tuple(dict.fromkeys(normal_address(text) for text in texts))
            except InvalidAddressError as error:
                fail(f"{file}, line {reader.line_num}: {error}. Nothing was imported.")
            values = {field: (row[column] or "").strip() for field, column in named.items()}
            found.append(
                NewRecord(
                    addresses,
                    name=values.get("name", ""),
                    owner=values.get("owner") or None,
                    company=values.get("company") or None,
                )
            )
        return found
