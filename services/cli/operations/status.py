"""``leadmail status``: the operator's overview: the oldest unfinished copy, accounts with their backfills, queues."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Annotated

import typer

from services.cli.operations.status_view import accounts_view, result_of, view
from services.cli.results.base import prints
from services.cli.results.status import StatusResult
from services.cli.terminal.output import USAGE, Json, console, fail, print_json
from services.cli.terminal.session import command, open_session
from services.usecases.overview import OptionalBus, progress, read_overview
from services.usecases.time_left import TimeLeftEstimator

__all__ = ["accounts_view", "app", "read_overview"]

app = typer.Typer(add_completion=False)
_LOOK_SECONDS = 1.0


@app.command()
@prints(StatusResult)
@command
async def status(
    watch: Annotated[bool, typer.Option("--watch", help="Refresh every second until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show accounts, backfill progress (with --watch also the time left), queues and the oldest unfinished copy."""
    if watch and as_json:
        fail("use only one of --watch and --json", code=USAGE)
    async with open_session() as session, OptionalBus(session.bus if session.has_broker else None) as broker:
        overview = await read_overview(session.store, session.settings, await broker.bus())
        if as_json:
            print_json(result_of(overview))
        elif not watch:
            console.print(view(overview))
        else:
            from rich.live import Live  # noqa: PLC0415 - for few calls, and it is slow to load

            estimator = TimeLeftEstimator()
            with Live(view(overview), console=console, screen=console.is_terminal, refresh_per_second=4) as live:
                while True:
                    for one in overview.accounts:
                        estimator.note(one.account.id, *progress(one), at=monotonic())
                    left = {one.account.id: estimator.seconds_left(one.account.id) for one in overview.accounts}
                    live.update(
                        view(overview, {account: seconds for account, seconds in left.items() if seconds is not None})
                    )
                    await asyncio.sleep(_LOOK_SECONDS)
                    overview = await read_overview(session.store, session.settings, await broker.bus())
