"""``leadmail status``: what the operator looks at first: the oldest unfinished copy, accounts with their backfills, queues."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Annotated

import typer
from rich.live import Live

from services.cli.operations.status_view import accounts_view, result_of, view
from services.cli.results.base import prints
from services.cli.results.operations import Status
from services.cli.terminal.output import Json, console, fail, print_json
from services.cli.terminal.session import USAGE, command, open_session
from services.usecases.overview import Broker, look, progress
from services.usecases.rate_limit import Pace

__all__ = ["accounts_view", "app", "look"]

app = typer.Typer(add_completion=False)
_LOOK_SECONDS = 1.0


@app.command()
@prints(Status)
@command
async def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show accounts, backfills with progress (with --watch also the time left), queues and the oldest unfinished copy."""
    if watch and as_json:
        fail("give one of --watch and --json", code=USAGE)
    async with open_session() as session, Broker(session.bus) as broker:
        seen = await look(session.store, session.settings, await broker.bus())
        if as_json:
            print_json(result_of(seen))
        elif not watch:
            console.print(view(seen))
        else:
            pace = Pace()
            with Live(view(seen), console=console, screen=console.is_terminal, refresh_per_second=4) as live:
                while True:
                    for one in seen.accounts:
                        pace.note(one.account.id, *progress(one), at=monotonic())
                    left = {one.account.id: pace.left(one.account.id) for one in seen.accounts}
                    live.update(
                        view(seen, {account: seconds for account, seconds in left.items() if seconds is not None})
                    )
                    await asyncio.sleep(_LOOK_SECONDS)
                    seen = await look(session.store, session.settings, await broker.bus())
