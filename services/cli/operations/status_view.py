"""The output of ``leadmail status``: tables for people, a result for programs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.accounts import AccountState
from schemas.ledger import RowState
from services.cli.results import status as results
from services.cli.terminal.output import longest_word
from services.mailbox import advice
from services.usecases.overview import FINAL_LABELS, Overview, backfill_progress, progress
from services.usecases.stages import is_waiting_queue
from services.wording import age, plural

if TYPE_CHECKING:
    from services.store import AccountStatus

_ALWAYS = (RowState.ATTACHED, RowState.UNMATCHED)


def view(overview: Overview, left: Mapping[str, float] | None = None) -> RenderableType:
    """Return all tables; ``left`` has the seconds left of each account's backfill, if known."""
    oldest = (
        "nothing is unfinished"
        if overview.oldest is None
        else f"the oldest unfinished copy is {age(overview.oldest)} old"
    )
    head = Text(oldest, style="bold")
    if stopped := [stage for stage, count in overview.stages.items() if not count]:
        head = Text(f"no {' and no '.join(stopped)} is running: mail waits\n", style="bold red") + head
    if overview.dead_letters:
        head.append(f"   {plural(overview.dead_letters, 'dead letter')}: see `leadmail dead-letters list`", style="red")
    if overview.missing_secrets:
        head.append(
            f"\nLEADMAIL_SECRET_KEY lacks the secret {', '.join(overview.missing_secrets)}, which is still needed: "
            "processes with these settings do not start",
            style="red",
        )
    for one in overview.troubles:
        words = f"\n{plural(one.accounts, 'account')} cannot go on: {advice.cause(one.code)} ({one.code}), the oldest for {age(one.oldest)}"
        head.append(words, style="yellow")
    if overview.alarms:
        head.append(
            f"\nRabbitMQ accepts no messages, so all processing waits. Active alarms: {', '.join(overview.alarms)}",
            style="red",
        )
    return Group(
        head,
        _stages_view(overview.stages),
        Text(),
        accounts_view(overview.accounts, left),
        *_repeated_view(overview.accounts),
        Text(),
        _queues_view(overview),
    )


def _stages_view(stages: Mapping[str, int]) -> Text:
    """Return the replicas of each stage; a stage without any is red."""
    parts = [Text(f"{stage} {count}", style="" if count else "red") for stage, count in stages.items()]
    return Text("replicas: ") + Text("   ").join(parts)


def accounts_view(accounts: list[AccountStatus], left: Mapping[str, float] | None = None) -> RenderableType:
    """Return the accounts with their backfills."""
    if not accounts:
        return Text("No account is connected yet. Connect one with `leadmail account add`.", style="dim")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("account", overflow="fold", min_width=len("account"))
    grid.add_column("", no_wrap=True)
    grid.add_column("messages", no_wrap=True, justify="right")
    grid.add_column("backfill", no_wrap=True)
    # Rare states get a column only if they occur, so that the rest fits into 80 columns.
    states = [state for state in FINAL_LABELS if state in _ALWAYS or any(one.counts.get(state) for one in accounts)]
    for state in states:
        grid.add_column(FINAL_LABELS[state].replace(" ", "\n"), justify="right", no_wrap=True)
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


def _repeated_view(accounts: list[AccountStatus]) -> list[Text]:
    """Return one line per mailbox in which different mails carry one Message-ID."""
    return [
        Text(
            f"{one.account.address}: {plural(one.repeated_ids, 'Message-ID is', 'Message-IDs are')} carried by different mails",
            style="yellow",
        )
        for one in accounts
        if one.repeated_ids
    ]


def _word(one: AccountStatus, left: float | None) -> Text:
    """Return the progress of the newest backfill, or why the account is stopped."""
    state = one.account.state
    if state is AccountState.ACTIVE:
        hindered = f"; {one.account.trouble.code}" if one.account.trouble else ""
        return Text(backfill_progress(one, left) + hindered, style="yellow" if hindered else "")
    style = "red" if state is AccountState.BLOCKED else "yellow"
    return Text(state.value + (f": {one.account.reason}" if one.account.reason else ""), style=style)


def _queues_view(overview: Overview) -> RenderableType:
    if not overview.has_broker:
        return Text("LEADMAIL_RABBITMQ_URL is not set, so queues are not shown.", style="dim")
    if overview.queues is None:
        return Text("RabbitMQ does not answer. Check that it is running, and check LEADMAIL_RABBITMQ_URL.", style="red")
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("queue", "ready", "in progress", "consumers"):
        left = column == "queue"
        grid.add_column(column, justify="left" if left else "right", overflow="fold", min_width=longest_word(column))
    for name, depth in sorted(overview.queues.items()):
        if is_waiting_queue(name) and not depth.ready:
            continue
        consumers = Text(
            "-" if is_waiting_queue(name) else f"{depth.consumers}",
            style="" if is_waiting_queue(name) or depth.consumers else "red",
        )
        in_work = "-" if depth.unacknowledged is None else f"{depth.unacknowledged:,}"
        grid.add_row(name, f"{depth.ready:,}", in_work, consumers)
    return grid


def result_of(overview: Overview) -> results.StatusResult:
    """Return the state of the deployment for programs."""
    return results.StatusResult.of(
        overview,
        oldest_unfinished=overview.oldest,
        broker_alarms=list(overview.alarms),
        missing_secrets=list(overview.missing_secrets),
        accounts=[_account(one) for one in overview.accounts],
    )


def _account(one: AccountStatus) -> results.AccountStatusResult:
    done, total = progress(one)
    return results.AccountStatusResult.of(
        one.account,
        account=one.account.address,
        poller=one.holder,
        epoch=one.epoch,
        done=done,
        total=total,
        messages=one.counts,
        counted_at=one.counted_at,
        oldest_unfinished=one.oldest_unfinished,
        repeated_message_ids=one.repeated_ids,
    )
