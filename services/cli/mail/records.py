"""``leadmail lead`` and ``leadmail contact``: records, for trying Leadmail without a CRM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from schemas.records import Record, RecordKind
from services import wording
from services.cli.mail.record_changes import add_changes
from services.cli.mail.records_csv import read_records
from services.cli.results.base import prints
from services.cli.terminal.completion import record_names
from services.cli.terminal.output import Json, fail, print_json, progress, say, table
from services.cli.terminal.session import command, open_session
from services.store import NewRecord
from services.usecases import company_domains
from services.wording import plural

_EXAMPLES = 5


def _typer_of(kind: RecordKind) -> typer.Typer:
    """Build the commands for one kind of record."""
    app = typer.Typer(no_args_is_help=True, add_completion=False)

    @app.command("add", help=f"Add a {kind}. Leadmail then finds existing mail about it.")
    @command
    async def add(
        emails: Annotated[
            list[str], typer.Argument(metavar="EMAIL...", help="One or more addresses; the first is the main one.")
        ],
        name: Annotated[str, typer.Option(help="Name.")] = "",
        owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="The user who owns the record.")] = None,
        company: Annotated[str | None, typer.Option(help="Company.")] = None,
    ) -> None:
        async with open_session(setup=True) as session:
            record = await session.store.records.add(
                kind, NewRecord(tuple(emails), name=name, owner=owner, company=company)
            )
            found = await company_domains.internal_addresses(session.store, record.addresses)
        say(f"{_label(record)} added as {record.ref}. Leadmail is searching existing mail for it.")
        _say_internal(found)

    @app.command("import", help=f"Add the {kind}s of a CSV file. Rows whose address already exists are skipped.")
    @command
    async def import_file(
        file: Annotated[
            Path,
            typer.Argument(
                metavar="FILE.csv|-",
                dir_okay=False,
                help="CSV in UTF-8 with a header, or - for standard input. Required column: email. Optional: more addresses "
                "(email_2, other_emails), name (or first name and last name), owner (the address of a user), company.",
            ),
        ],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be added, and add nothing.")] = False,
    ) -> None:
        await _import(kind, file, dry_run=dry_run)

    @app.command("list", help=f"List {kind}s, newest first.")
    @prints(list[Record])
    @command
    async def list_records(
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 200,
        as_json: Json = False,
    ) -> None:
        async with open_session() as session:
            records = await session.store.records.newest(kind, limit=limit)
        if as_json:
            print_json(records)
        elif records:
            _print(records)
        else:
            say(f"There are no {kind}s yet.", style="dim")

    @app.command("show", help=f"Show a {kind}.")
    @prints(list[Record])
    @command
    async def show(
        name: Annotated[
            str, typer.Argument(metavar="RECORD", autocompletion=record_names, help="An address, or the record's id.")
        ],
        as_json: Json = False,
    ) -> None:
        async with open_session() as session:
            found = [record for record in await session.store.records.find(name) if record.ref.kind == kind]
        if not found:
            fail(f"there is no {kind} {name}")
        if as_json:
            print_json(found)
        else:
            _print(found)

    add_changes(app, kind)
    return app


async def _import(kind: RecordKind, file: Path, *, dry_run: bool) -> None:
    found = read_records(file)
    async with open_session(setup=True) as session:
        users = {user.email for user in await session.store.users.get_all()}
        if strangers := sorted({r.owner for r in found.records if r.owner and r.owner.lower() not in users}):
            named = ", ".join(strangers[:_EXAMPLES]) + (", …" if len(strangers) > _EXAMPLES else "")
            fail(f"the owners {named} are no users: add them with `leadmail user add`. Nothing was imported")
        internal = await company_domains.internal_addresses(
            session.store, [address for record in found.records for address in record.addresses]
        )
        with progress(f"{kind}s", len(found.records)) as report:
            added, known = await session.store.records.import_many(
                kind, found.records, progress=report, dry_run=dry_run
            )
    skipped = [f"{known} (an address already exists)"] if known else []
    skipped += [f"{found.without_address} (no address)"] if found.without_address else []
    done = "would be added" if dry_run else "added"
    say(f"{plural(added, kind)} {done}" + "".join(f"; skipped {why}" for why in skipped) + ".")
    if found.unused:
        say(f"Not used: {plural(len(found.unused), 'column')} ({', '.join(found.unused)}).", style="yellow")
    _say_internal(internal)


def _say_internal(addresses: list[str]) -> None:
    if addresses:
        domain = addresses[0].rpartition("@")[2]
        opens = f"`leadmail company domains --open {domain}` does that."
        say(f"{wording.internal_record(addresses)} {opens}", style="yellow")


def _label(record: Record) -> str:
    return record.name or ", ".join(record.addresses)


def _print(records: list[Record]) -> None:
    rows = [
        (record.ref.id, record.name, record.company or "", record.owner or "", ", ".join(record.addresses))
        for record in records
    ]
    table(None, ("id", "name", "company", "owner", "addresses"), rows)


leads = _typer_of("lead")
contacts = _typer_of("contact")
