"""``leadmail doctor``: checks everything that Leadmail depends on and says what to do."""

from __future__ import annotations

import os

import typer
from rich.table import Table
from rich.text import Text

from services.cli.operations import diagnosis
from services.cli.operations.diagnosis import Check, State
from services.cli.operations.doctor_servers import examine
from services.cli.results import operations as results
from services.cli.results.base import prints
from services.cli.terminal.output import REFUSED, Json, clean, console, print_json
from services.cli.terminal.session import command
from services.runtime.environment import unknown_variables
from services.runtime.settings import known_settings
from services.settings import CliSettings
from services.wording import plural

app = typer.Typer(add_completion=False)
_STYLES = {State.FINE: "green", State.WARNING: "yellow", State.WRONG: "bold red", State.UNKNOWN: "dim"}


@app.command()
@prints(results.Diagnosis)
@command
async def doctor(as_json: Json = False) -> None:
    """Check servers, sign-in services, stages, settings and certificates, and say what to do. Exits 1 if something is wrong.

    It sends no mail and changes nothing, except that it creates missing queues.
    """
    settings = CliSettings.read()
    checks = [*diagnosis.settings(unknown_variables(known_settings(), os.environ))]
    checks += [check async for check in examine(settings)]
    wrong = sum(check.state is State.WRONG for check in checks)
    if as_json:
        found = [results.DiagnosisCheck.of(check, state=check.state.value) for check in checks]
        print_json(results.Diagnosis(healthy=not wrong, checks=found))
    else:
        _show(checks)
    if wrong:
        raise typer.Exit(REFUSED)


def _show(checks: list[Check]) -> None:
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in checks:
        text = Text(clean(check.found))
        if check.advice:
            text.append(f"\n{clean(check.advice)}", style="italic")
        grid.add_row(Text(check.state.value, style=_STYLES[check.state]), check.name, text)
    console.print(grid)
    counts = {state: sum(check.state is state for check in checks) for state in State}
    if counts[State.WRONG]:
        console.print(Text(f"\n{plural(counts[State.WRONG], 'thing is', 'things are')} wrong.", style="bold red"))
    elif counts[State.WARNING]:
        console.print(Text(f"\nNothing is wrong; {plural(counts[State.WARNING], 'warning')}.", style="yellow"))
    else:
        console.print(Text("\nNothing is wrong.", style="green"))
