"""``leadmail status --watch``: reads once a second, and goes on while MongoDB or RabbitMQ is down."""

from __future__ import annotations

import asyncio
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

from rich.live import Live
from rich.text import Text

from services.cli.overview.status_view import StatusView
from services.cli.terminal.output import console
from services.runtime.failures import DatabaseError
from services.store import now
from services.usecases.overview import Overview, progress, read_overview
from services.usecases.time_left import TimeLeftEstimator

if TYPE_CHECKING:
    from services.amqp import QueueReader
    from services.cli.terminal.session import Session

_LOOK_SECONDS = 1.0
_PATIENCE = 5.0
"""After how many seconds without an answer the screen says so."""


async def watch_status(session: Session, reader: QueueReader | None, overview: Overview) -> None:
    """Draw the overview, and a new one each second, until the caller is cancelled."""
    estimator = TimeLeftEstimator()
    answered, left, reading = now(), _times_left(estimator, overview), None
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        try:
            while True:
                late = (now() - answered).total_seconds() > _PATIENCE
                above = [_clock(answered if late else None)]
                lines = console.height if console.is_terminal else None
                live.update(StatusView(overview, left, above=above, lines=lines), refresh=True)
                if reading is None:
                    reading = asyncio.create_task(read_overview(session.store, session.settings, reader))
                await asyncio.sleep(_LOOK_SECONDS)
                if reading.done():
                    try:
                        overview = reading.result()
                        answered, left = now(), _times_left(estimator, overview)
                    except DatabaseError:
                        pass  # the screen says since when; the next look asks again
                    reading = None
        finally:
            if reading is not None:
                reading.cancel()


def _times_left(estimator: TimeLeftEstimator, overview: Overview) -> dict[str, float]:
    """Note the progress of each account, and return the seconds left of those backfills of which they are known."""
    for one in overview.accounts:
        estimator.note(one.account.id, *progress(one), at=monotonic())
    left = {one.account.id: estimator.seconds_left(one.account.id) for one in overview.accounts}
    return {account: seconds for account, seconds in left.items() if seconds is not None}


def _clock(silent_since: datetime | None) -> Text:
    """Return the time, and since when MongoDB has not answered."""
    text = Text(f"{now().astimezone():%Y-%m-%d %H:%M:%S}", style="dim")
    if silent_since is not None:
        moment = f"{silent_since.astimezone():%H:%M:%S}"
        text.append(f"\nMongoDB does not answer: what follows is from {moment}. Trying again.", style="bold red")
    return text
