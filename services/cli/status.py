"""``leadmail status``: what the operator looks at first: the oldest unfinished copy, accounts with their backfills, queues."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.live import Live

from services.cli.output import Json, console, fail, print_json
from services.cli.pace import Pace
from services.cli.session import USAGE, Session, command, open_session
from services.cli.status_view import Seen, accounts_view, as_json, progress, view
from services.runtime.errors import BusClosedError, NotReadyError
from services.runtime.management import alarms

__all__ = ["accounts_view", "app", "look"]

if TYPE_CHECKING:
    from services.runtime.bus import Bus

app = typer.Typer(add_completion=False)
_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 3.0


@app.command()
@command
async def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until Ctrl-C.")] = False,
    json: Json = False,
) -> None:
    """Show accounts, backfills with progress (with --watch also the time left), queues and the oldest unfinished copy."""
    if watch and json:
        fail("give one of --watch and --json", code=USAGE)
    async with open_session() as session, Broker(session) as broker:
        seen = await look(session, await broker.bus())
        if json:
            print_json(as_json(seen))
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
                    seen = await look(session, await broker.bus())


class Broker:
    """The connection to a broker that may be down now, or later: status is of most use then."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stack = AsyncExitStack()
        self._bus: Bus | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def bus(self) -> Bus | None:
        """Return the connection; None while there is none."""
        if self._bus is None:
            try:
                self._bus = await self._stack.enter_async_context(self._session.bus())
            except NotReadyError:
                return None
        return self._bus


async def look(session: Session, bus: Bus | None) -> Seen:
    """Return what there is to see now."""
    accounts = await session.store.status.accounts()
    queues = None
    if bus is not None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                queues = await bus.queue_depths()
        except (NotReadyError, BusClosedError, TimeoutError, OSError):
            queues = None
    letters = await session.store.dead_letters.count()
    pollers = await session.store.checkup.pollers(session.settings.lease_seconds)
    return Seen(accounts, queues, letters, pollers, await alarms(session.settings))
