"""``leadmail status``: what the operator looks at first: the oldest unfinished copy, accounts with their backfills, queues."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.accounts import AccountState, EpochState
from schemas.ledger import RowState
from services.cli.output import Json, age, console, print_json
from services.cli.session import Session, command, open_session
from services.runtime.bus import Bus
from services.runtime.errors import NotReadyError
from services.runtime.outcomes import QueueDepth
from services.store import AccountStatus

_LOOK_SECONDS = 1.0
_FINAL = (RowState.ATTACHED, RowState.UNMATCHED, RowState.SKIPPED, RowState.QUARANTINED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    accounts: list[AccountStatus]
    queues: dict[str, QueueDepth] | None
    """None when the broker does not answer."""
    dead_letters: int

    @property
    def oldest(self) -> datetime | None:
        """When the oldest copy without a final state was noticed."""
        moments = [one.oldest_unfinished for one in self.accounts if one.oldest_unfinished]
        return min(moments) if moments else None


@command
async def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every second until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show accounts, backfills with progress, queues and the oldest unfinished copy."""
    async with open_session() as session:
        try:
            async with session.bus() as bus:
                await _show(session, bus, watch=watch, as_json=as_json)
        except NotReadyError:
            await _show(session, None, watch=watch, as_json=as_json)


async def _show(session: Session, bus: Bus | None, *, watch: bool, as_json: bool) -> None:
    seen = await look(session, bus)
    if as_json:
        print_json(_json(seen))
        return
    if not watch:
        console.print(view(seen))
        return
    with Live(view(seen), console=console, screen=console.is_terminal, refresh_per_second=4) as live:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            live.update(view(await look(session, bus)))


async def look(session: Session, bus: Bus | None) -> Seen:
    """Return what there is to see now."""
    accounts = await session.store.status.accounts()
    try:
        queues = await bus.queue_depths() if bus else None
    except NotReadyError:
        queues = None
    return Seen(accounts, queues, await session.store.dead_letters.count())


def progress(account: AccountStatus) -> tuple[int, int]:
    """Return how many copies of the newest backfill have their final state, of how many."""
    final = sum(account.counts.get(state, 0) for state in _FINAL)
    unfinished = sum(
        count for state, count in account.counts.items() if state not in _FINAL and state is not RowState.GONE
    )
    expected = account.epoch.expected if account.epoch and account.epoch.state is EpochState.ENUMERATING else 0
    return final, max(expected, final + unfinished)


def view(seen: Seen) -> RenderableType:
    """Return the whole picture."""
    oldest = "nothing is unfinished" if seen.oldest is None else f"the oldest unfinished copy is {age(seen.oldest)} old"
    head = Text(oldest, style="bold")
    if seen.dead_letters:
        head.append(f"   {seen.dead_letters} dead letters: see `leadmail dead-letters list`", style="red")
    return Group(head, Text(), accounts_view(seen.accounts), Text(), _queues_view(seen.queues))


def accounts_view(accounts: list[AccountStatus]) -> RenderableType:
    """Return the accounts with their backfills."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("account", "state", "backfill", "", "on records", "about nobody", "skipped", "quarantined"):
        grid.add_column(
            column, justify="right" if column in ("on records", "about nobody", "skipped", "quarantined") else "left"
        )
    for one in accounts:
        done, total = progress(one)
        epoch = one.epoch
        state = Text(one.account.state.value, style="red" if one.account.state is AccountState.BLOCKED else "")
        if one.account.reason:
            state.append(f" ({one.account.reason})")
        word = "waiting for a poller" if epoch is None else epoch.state.value
        if epoch is not None and epoch.state is EpochState.COMPLETE:
            word = "complete, confirmed" if epoch.sent_at else "complete"
        grid.add_row(
            one.account.address,
            state,
            ProgressBar(total=max(total, 1), completed=done if total else 0, width=24),
            f"{done:,}/{total:,} {word}",
            *(f"{one.counts.get(state_, 0):,}" for state_ in _FINAL),
        )
    return grid if accounts else Text("No account is connected yet: leadmail account add", style="dim")


def _queues_view(queues: dict[str, QueueDepth] | None) -> RenderableType:
    if queues is None:
        return Text("RabbitMQ does not answer: check LEADMAIL_RABBITMQ_URL.", style="red")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("queue", "ready", "in work", "consumers"):
        grid.add_column(column, justify="left" if column == "queue" else "right")
    for name, depth in sorted(queues.items()):
        if ".retry-" in name and not depth.ready:
            continue
        consumers = Text(f"{depth.consumers}", style="red" if not depth.consumers and ".retry-" not in name else "")
        grid.add_row(
            name, f"{depth.ready:,}", "-" if depth.unacknowledged is None else f"{depth.unacknowledged:,}", consumers
        )
    return grid


def _json(seen: Seen) -> dict[str, object]:
    return {
        "oldest_unfinished": seen.oldest,
        "dead_letters": seen.dead_letters,
        "accounts": [
            {
                "account": one.account.address,
                "id": one.account.id,
                "owner": one.account.owner,
                "state": one.account.state,
                "reason": one.account.reason,
                "poller": one.holder,
                "epoch": one.epoch,
                "done": progress(one)[0],
                "total": progress(one)[1],
                "messages": {str(state): count for state, count in one.counts.items()},
                "oldest_unfinished": one.oldest_unfinished,
            }
            for one in seen.accounts
        ],
        "queues": None if seen.queues is None else {name: depth._asdict() for name, depth in seen.queues.items()},
    }
