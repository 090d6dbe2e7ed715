"""What ``leadmail status`` shows, as a picture for people and as JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.accounts import AccountState, EpochState
from schemas.ledger import RowState
from services.cli.output import age, plural, span
from services.cli.stages import replicas, waits
from services.store import AccountStatus

_FINAL = {
    RowState.ATTACHED: "on records",
    RowState.UNMATCHED: "about nobody",
    RowState.SKIPPED: "skipped",
    RowState.QUARANTINED: "quarantined",
}
"""Final states as people read them."""
_ALWAYS = (RowState.ATTACHED, RowState.UNMATCHED)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found."""

    accounts: list[AccountStatus]
    queues: Mapping[str, Any] | None
    """``QueueDepth`` by queue; None when the broker does not answer."""
    dead_letters: int
    pollers: int
    """How many are alive."""
    alarms: Sequence[str] = ()
    """Why the broker takes no messages at present."""

    @property
    def stages(self) -> dict[str, int] | None:
        """How many replicas of each stage there are; None when the broker does not answer."""
        return None if self.queues is None else {"poller": self.pollers, **replicas(self.queues)}

    @property
    def oldest(self) -> datetime | None:
        """When the oldest copy without a final state was noticed."""
        moments = [one.oldest_unfinished for one in self.accounts if one.oldest_unfinished]
        return min(moments) if moments else None


def progress(account: AccountStatus) -> tuple[int, int]:
    """Return how many copies of the account have their final state, of how many; during a backfill of as many as expected."""
    final = sum(account.counts.get(state, 0) for state in _FINAL)
    unfinished = sum(
        count for state, count in account.counts.items() if state not in _FINAL and state is not RowState.GONE
    )
    expected = account.epoch.expected if account.epoch and account.epoch.state is EpochState.ENUMERATING else 0
    return final, max(expected, final + unfinished)


def view(seen: Seen, left: Mapping[str, float] | None = None) -> RenderableType:
    """Return the whole picture; ``left`` has the seconds that backfills will still take, by account, where that is known."""
    oldest = "nothing is unfinished" if seen.oldest is None else f"the oldest unfinished copy is {age(seen.oldest)} old"
    head = Text(oldest, style="bold")
    if seen.dead_letters:
        head.append(f"   {plural(seen.dead_letters, 'dead letter')}: see `leadmail dead-letters list`", style="red")
    if seen.alarms:
        head.append(
            f"\nRabbitMQ takes no messages, everything waits for it: alarm of {', '.join(seen.alarms)}", style="red"
        )
    return Group(
        head,
        _stages_view(seen.stages),
        Text(),
        accounts_view(seen.accounts, left),
        Text(),
        _queues_view(seen.queues),
    )


def _stages_view(stages: Mapping[str, int] | None) -> Text:
    """Return the stages with their replicas; one without any is red."""
    if stages is None:
        return Text()
    parts = [Text(f"{stage} {count}", style="" if count else "red") for stage, count in stages.items()]
    return Text("replicas: ") + Text("   ").join(parts)


def accounts_view(accounts: list[AccountStatus], left: Mapping[str, float] | None = None) -> RenderableType:
    """Return the accounts with their backfills."""
    if not accounts:
        return Text("No account is connected yet: connect one with `leadmail account add`.", style="dim")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("account", overflow="fold")
    grid.add_column("", no_wrap=True)
    grid.add_column("messages", no_wrap=True, justify="right")
    grid.add_column("backfill", no_wrap=True)
    # What is rare has a column only where it is: the rest then fits into 80 columns.
    states = [state for state in _FINAL if state in _ALWAYS or any(one.counts.get(state) for one in accounts)]
    for state in states:
        grid.add_column(_FINAL[state].replace(" ", "\n"), justify="right", no_wrap=True)
    for one in accounts:
        done, total = progress(one)
        grid.add_row(
            one.account.address,
            ProgressBar(total=max(total, 1), completed=done if total else 0, width=12),
            f"{done:,}/{total:,}",
            _word(one, (left or {}).get(one.account.id)),
            *(f"{one.counts.get(state, 0):,}" for state in states),
        )
    return grid


def _word(one: AccountStatus, left: float | None) -> Text:
    """Return how far the newest backfill is, or why the account does not go on."""
    state = one.account.state
    if state is AccountState.ACTIVE:
        goes_on = one.epoch is not None and one.epoch.state is not EpochState.COMPLETE
        return Text(_progress_word(one) + (f", {span(left)} left" if goes_on and left is not None else ""))
    style = "red" if state is AccountState.BLOCKED else "yellow"
    return Text(state.value + (f": {one.account.reason}" if one.account.reason else ""), style=style)


def _progress_word(one: AccountStatus) -> str:
    if one.epoch is None:
        return "waiting for a poller" if one.holder is None else "beginning"
    if one.epoch.state is not EpochState.COMPLETE:
        return one.epoch.state.value if one.holder else f"{one.epoch.state.value}, waiting for a poller"
    return "complete, confirmed" if one.epoch.sent_at else "complete"


def _queues_view(queues: Mapping[str, Any] | None) -> RenderableType:
    if queues is None:
        return Text("RabbitMQ does not answer: check that it runs, and LEADMAIL_RABBITMQ_URL.", style="red")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("queue", "ready", "in work", "consumers"):
        grid.add_column(column, justify="left" if column == "queue" else "right")
    for name, depth in sorted(queues.items()):
        if waits(name) and not depth.ready:
            continue
        consumers = Text(
            "-" if waits(name) else f"{depth.consumers}", style="" if waits(name) or depth.consumers else "red"
        )
        in_work = "-" if depth.unacknowledged is None else f"{depth.unacknowledged:,}"
        grid.add_row(name, f"{depth.ready:,}", in_work, consumers)
    return grid


def as_json(seen: Seen) -> dict[str, object]:
    """Return the whole picture for programs."""
    return {
        "oldest_unfinished": seen.oldest,
        "dead_letters": seen.dead_letters,
        "broker_alarms": list(seen.alarms),
        "stages": seen.stages,
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
                "messages": {state.value: count for state, count in one.counts.items()},
                "oldest_unfinished": one.oldest_unfinished,
            }
            for one in seen.accounts
        ],
        "queues": None if seen.queues is None else {name: depth._asdict() for name, depth in seen.queues.items()},
    }
