"""``leadmail queues``: waiting and unacknowledged messages, consumers and rates of every queue."""

from __future__ import annotations

import typer
from rich.text import Text

from services.amqp import ManagementError, QueueDepth, QueueRates, queue_rates
from services.cli.results import status as results
from services.cli.results.base import prints
from services.cli.terminal.output import Json, print_json, say, table
from services.cli.terminal.session import command, open_session
from services.usecases.overview import NO_QUEUES, oldest_queued
from services.usecases.stages import BOUNDS, is_waiting_queue
from services.wording import age

app = typer.Typer(add_completion=False)
_IDLE = QueueRates(0.0, 0.0, 0.0)
"""The broker has no rates for a queue that was never used."""


@app.command()
@prints(list[results.QueueResult])
@command
async def queues(as_json: Json = False) -> None:
    """Show every queue: messages waiting, how many it takes, in progress, consumers, rates. Empty delay and isolation queues are hidden.

    Messages in progress, bytes and rates are known only with LEADMAIL_RABBITMQ_MANAGEMENT_URL. RabbitMQ does not say how old the
    messages of a quorum queue are, so the last line has the age of the oldest mail that is in any of them.
    """
    async with open_session() as session, session.queue_reader() as reader:
        depths = await reader.queue_depths()
        try:
            speeds, trouble = await queue_rates(session.settings), None
        except ManagementError as error:
            speeds, trouble = {}, str(error)
        oldest = await oldest_queued(session.store)
    if as_json:
        print_json(
            [_result(name, depth, speeds.get(name), known=not trouble) for name, depth in sorted(depths.items())]
        )
        return
    if not depths:
        say(NO_QUEUES)
        return
    rows = [
        _row(name, depth, speeds.get(name), known=not trouble)
        for name, depth in sorted(depths.items())
        if depth.ready or not is_waiting_queue(name)
    ]
    table(None, ("queue", "ready", "of", "in progress", "consumers", "in/s", "out/s", "done/s"), rows)
    if oldest is not None:
        say(f"The oldest mail in these queues was noticed {age(oldest)} ago.")
    if trouble:
        say(f"Rates are unavailable: {trouble}.", style="dim")


def _row(name: str, depth: QueueDepth, speed: QueueRates | None, *, known: bool) -> list[str | Text]:
    consumers = Text(
        "-" if is_waiting_queue(name) else str(depth.consumers),
        style="" if is_waiting_queue(name) or depth.consumers else "red",
    )
    in_work = "-" if depth.unacknowledged is None else f"{depth.unacknowledged:,}"
    speeds = [f"{value:,.1f}" for value in speed or _IDLE] if known else ["-"] * 3
    bound = BOUNDS[name]
    of = Text(f"{bound.messages:,}", style="red" if bound.is_near(depth) else "dim")
    return [name, f"{depth.ready:,}", of, in_work, consumers, *speeds]


def _result(name: str, depth: QueueDepth, speed: QueueRates | None, *, known: bool) -> results.QueueResult:
    rates = (speed or _IDLE) if known else None
    return results.QueueResult.of(
        depth, queue=name, rates=rates, max_messages=BOUNDS[name].messages, max_bytes=BOUNDS[name].bytes
    )
