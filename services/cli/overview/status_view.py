"""The output of ``leadmail status``: tables for people, a result for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.overview.accounts_table import AccountsTable
from services.cli.results import status as results
from services.cli.terminal.output import longest_word
from services.mailbox import advice
from services.usecases.overview import NO_QUEUES, Overview, progress
from services.usecases.stages import is_waiting_queue
from services.wording import age, plural

if TYPE_CHECKING:
    from services.store import AccountStatus

_FEWEST = 5
"""The least lines that the accounts get, and the most that those with repeated Message-IDs get."""


class StatusView:
    """All tables. ``lines`` is how many there are on the screen: accounts give way to the rest."""

    def __init__(
        self,
        overview: Overview,
        left: Mapping[str, float] | None = None,
        *,
        above: Sequence[RenderableType] = (),
        lines: int | None = None,
    ) -> None:
        self._overview, self._left, self._lines = overview, left, lines
        self._above = (*above, _head(overview), _stages_view(overview.stages), Text())
        self._below = (*_repeated_view(overview.accounts), Text(), _queues_view(overview))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Render the accounts in the lines that the rest leaves."""
        lines = None
        if self._lines is not None:
            rest = console.render_lines(Group(*self._above, *self._below), options.reset_height())
            lines = max(_FEWEST, self._lines - len(rest))
        yield from self._above
        yield AccountsTable(self._overview.accounts, self._left, lines=lines)
        yield from self._below


def _head(overview: Overview) -> Text:
    """Return the oldest unfinished copy, and what hinders the deployment."""
    oldest = (
        "nothing is unfinished"
        if overview.oldest is None
        else f"the oldest unfinished copy is {age(overview.oldest)} old"
    )
    head = Text(oldest, style="bold")
    if overview.stopped:
        head = Text(f"{overview.stopped}\n", style="bold red") + head
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
    return head


def _stages_view(stages: Mapping[str, int]) -> Text:
    """Return the replicas of each stage; a stage without any is red."""
    parts = [Text(f"{stage} {count}", style="" if count else "red") for stage, count in stages.items()]
    return Text("replicas: ") + Text("   ").join(parts)


def _repeated_view(accounts: list[AccountStatus]) -> list[Text]:
    """Return one line per mailbox in which different mails carry one Message-ID, of the first few."""
    repeated = [one for one in accounts if one.repeated_ids]
    lines = [
        Text(
            f"{one.account.address}: {plural(one.repeated_ids, 'Message-ID is', 'Message-IDs are')} carried by different mails",
            style="yellow",
        )
        for one in repeated[:_FEWEST]
    ]
    more = len(repeated) - len(lines)
    return [*lines, Text(f"and in {plural(more, 'more mailbox', 'more mailboxes')}", style="yellow")] if more else lines


def _queues_view(overview: Overview) -> RenderableType:
    if not overview.has_broker:
        return Text("LEADMAIL_RABBITMQ_URL is not set, so queues are not shown.", style="dim")
    if overview.queues is None:
        return Text("RabbitMQ does not answer. Check that it is running, and check LEADMAIL_RABBITMQ_URL.", style="red")
    if not overview.queues:
        return Text(NO_QUEUES, style="dim")
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
