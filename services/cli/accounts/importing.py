"""``leadmail account import``: connects the mailboxes of a table."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from services.cli.results import connecting as results
from services.cli.results.base import prints
from services.cli.terminal.csv_file import csv_lines
from services.cli.terminal.output import USAGE, Json, errors, fail, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.usecases.importing.importer import Importer, ImportOutcome
from services.usecases.importing.spreadsheet import TableError
from services.usecases.importing.table import ImportState, MailboxRow, read_table
from services.wording import plural


@prints(list[results.ImportResult])
@command
async def import_accounts(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV with the columns address, owner or members, sharing, aliases, password or app-only, host; `-` for stdin.",
        ),
    ],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Check the table, users, policy and servers. Nothing is saved, and no login is tried."
        ),
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(metavar="EMAIL", help="The administrator who connects them; by default the operator."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Connect the mailboxes of a table, and say why those that failed did. What is connected already stays as it is.

    Run it again when you have corrected the table. Exits 1 if a row failed. Passwords are not shown.
    """
    rows = _read(file)
    outcomes: list[ImportOutcome] = []

    def progress(outcome: ImportOutcome) -> None:
        outcomes.append(outcome)
        if sys.stderr.isatty():
            errors.print(f"{outcome.address}: {outcome.state.value} ({len(rows) - len(outcomes)} left)", markup=False)

    async with open_session(setup=not dry_run) as session:
        saver = session.saver
        if by is not None:
            saver = replace(saver, by=(await session.store.users.administrator(by)).email)
        try:
            await Importer(saver, session.sign_ins).run(rows, dry_run=dry_run, done=progress)
        finally:
            _report(sorted(outcomes, key=lambda one: one.line), len(rows), as_json=as_json)
    if any(one.state is ImportState.FAILED for one in outcomes):
        raise typer.Exit(1)


def _read(file: Path) -> list[MailboxRow]:
    try:
        with csv_lines(file) as lines:
            return read_table("".join(lines)).rows
    except UnicodeDecodeError:
        fail(f"{file} is not UTF-8 text: save it as “CSV UTF-8”", code=USAGE)
    except OSError as error:
        fail(f"{file} cannot be read ({error.strerror})", code=USAGE)
    except TableError as error:
        fail(str(error), code=USAGE)


def _report(outcomes: list[ImportOutcome], rows: int, *, as_json: bool) -> None:
    """Say what became of the rows, also when the user interrupted the import."""
    if as_json:
        print_json([results.ImportResult.of(one) for one in outcomes])
    elif outcomes or not rows:
        _show(outcomes)
    if left := rows - len(outcomes):
        errors.print(f"Interrupted: {left} of {rows} rows are left. Run it again: what is connected already stays.")


def _show(outcomes: list[ImportOutcome]) -> None:
    rows = [(str(one.line), one.address, one.owner, one.state.value, one.reason) for one in outcomes]
    if rows:
        table(None, ("line", "mailbox", "owner", "result", "reason"), rows)
    counts = {state: sum(one.state is state for one in outcomes) for state in ImportState}
    said = [f"{number} {state.value}" for state, number in counts.items() if number]
    say(f"{plural(len(outcomes), 'mailbox', 'mailboxes')}: {', '.join(said) or 'nothing to do'}.")
    if counts[ImportState.CONNECTED]:
        say("Their existing mail is being imported. Each owner or member gets a confirmation when that is done.")
