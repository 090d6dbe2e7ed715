"""``leadmail status``: the operator's overview: the oldest unfinished copy, accounts with their backfills, queues."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from services.cli.overview.status_view import StatusView, result_of
from services.cli.results.base import prints
from services.cli.results.status import StatusResult
from services.cli.terminal.output import USAGE, Json, console, fail, print_json
from services.cli.terminal.session import command, open_session
from services.usecases.overview import read_overview

app = typer.Typer(add_completion=False)


@app.command()
@prints(StatusResult)
@command
async def status(
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show accounts, backfill progress (with --watch also the time left), queues and the oldest unfinished copy.

    On a terminal, accounts that do not fit are counted; those in trouble come first. A pipe gets them all.
    """
    if watch and as_json:
        fail("use only one of --watch and --json", code=USAGE)
    async with open_session() as session, session.queue_reader() if session.has_broker else nullcontext() as reader:
        overview = await read_overview(session.store, session.settings, reader)
        if as_json:
            print_json(result_of(overview))
        elif watch:
            # Imported here because a screen that is drawn again and again takes long to load.
            from services.cli.overview.watching import watch_status  # noqa: PLC0415

            await watch_status(session, reader, overview)
        else:
            console.print(StatusView(overview, lines=console.height - 1 if console.is_terminal else None))
