"""The accounts of ``leadmail status`` in the room that there is: what is needed least gives way, and no name is broken. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schemas.accounts import AccountState
from schemas.ledger import RowState
from services.usecases.overview import FINAL_LABELS, backfill_progress, is_backfilling, progress

if TYPE_CHECKING:
    from services.store import AccountStatus

_ALWAYS = (RowState.ATTACHED, RowState.UNMATCHED)
_GAP, _BAR = 2, 12
_NARROWEST = 16
"""Columns that the words on a backfill keep beside the names. With less, they get a line of their own."""
_URGENCY = ("blocked", "in trouble", "importing", "paused", "complete")


class AccountsTable:
    """Shows accounts with their backfills, those in trouble first. ``lines`` is how many it may take; the rest is counted."""

    def __init__(
        self, accounts: Sequence[AccountStatus], left: Mapping[str, float] | None = None, *, lines: int | None = None
    ) -> None:
        ordered = sorted(accounts, key=lambda one: _URGENCY.index(_kind(one)))
        # Rare states get a column only if they occur, so that the rest fits into 80 columns.
        self._states = [
            state for state in FINAL_LABELS if state in _ALWAYS or any(one.counts.get(state) for one in accounts)
        ]
        self._rows = [_Row.of(one, (left or {}).get(one.account.id), self._states) for one in ordered]
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Render what fits."""
        options = options.reset_height()
        if not self._rows:
            yield Text("No account is connected yet. Connect one with `leadmail account add`.", style="dim")
            return
        columns = _columns(self._rows, [FINAL_LABELS[state].replace(" ", "\n") for state in self._states], options)
        shown = self._rows
        if self._lines is not None:
            heights = [len(console.render_lines(columns.table([row], head=False), options)) for row in self._rows]
            head = len(console.render_lines(columns.table([]), options))
            if head + sum(heights) > self._lines:
                room, shown = self._lines - head - 1, []
                for row, height in zip(self._rows, heights, strict=True):
                    if (room := room - height) < 0 and shown:
                        break
                    shown.append(row)
        yield columns.table(shown)
        if rest := Counter(row.kind for row in self._rows[len(shown) :]):
            counted = ", ".join(f"{rest[kind]:,} {kind}" for kind in _URGENCY if rest[kind])
            yield Text(f"and {rest.total():,} more: {counted}", style="red" if rest["blocked"] else "dim")


class _Row(NamedTuple):
    """What is shown of an account."""

    kind: str
    name: str
    bar: ProgressBar
    messages: str
    words: Text
    counts: list[str]

    @classmethod
    def of(cls, one: AccountStatus, left: float | None, states: Sequence[RowState]) -> _Row:
        done, total = progress(one)
        return cls(
            kind=_kind(one),
            name=one.account.address,
            bar=ProgressBar(total=max(total, 1), completed=done if total else 0, width=_BAR),
            messages=f"{done:,}/{total:,}",
            words=_words(one, left),
            counts=[f"{one.counts.get(state, 0):,}" for state in states],
        )


class _Columns(NamedTuple):
    """What there is room for beside the names."""

    names: int
    """Widths of columns."""
    messages: int
    words: int
    bar: bool
    counts: Sequence[str]
    """The headings of the counts, if there is room for them."""
    stacked: bool
    """Whether there is room for nothing beside the names: the rest goes below them."""

    def table(self, rows: Sequence[_Row], *, head: bool = True) -> Table:
        """Return a table of rows, with its heading."""
        grid = Table(
            box=None,
            pad_edge=False,
            padding=(0, _GAP, 0, 0),
            header_style="bold",
            show_header=head and not self.stacked,
        )
        # A name that is longer than the terminal is wide has to be broken somewhere.
        grid.add_column("account", overflow="fold", width=None if self.stacked else self.names)
        if self.stacked:
            for row in rows:
                grid.add_row(row.name)
                grid.add_row(Padding(Text(f"{row.messages}  ") + row.words, (0, 0, 0, _GAP)))
            return grid
        if self.bar:
            grid.add_column("", no_wrap=True)
        grid.add_column("messages", no_wrap=True, justify="right", width=self.messages)
        grid.add_column("backfill", width=self.words)
        for heading in self.counts:
            grid.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            bar = [row.bar] if self.bar else []
            grid.add_row(row.name, *bar, row.messages, row.words, *(row.counts if self.counts else []))
        return grid


def _columns(rows: Sequence[_Row], headings: Sequence[str], options: ConsoleOptions) -> _Columns:
    """Return what fits into the width: the bar goes first, then the counts, then what is beside the names."""
    names = max(len("account"), *(cell_len(row.name) for row in rows))
    messages = max(len("messages"), *(len(row.messages) for row in rows))
    words = max(len("backfill"), *(row.words.cell_len for row in rows))
    counts = [
        max(*(len(word) for word in heading.split("\n")), *(len(row.counts[number]) for row in rows))
        for number, heading in enumerate(headings)
    ]
    for bar, shown in ((True, True), (False, True), (False, False)):
        taken = [names, messages, *([_BAR] if bar else []), *(counts if shown else [])]
        # Only once nothing else is left to give way are the words on a backfill broken into lines.
        least = words if bar or shown else min(words, _NARROWEST)
        room = options.max_width - sum(taken) - _GAP * len(taken)
        if room >= least:
            return _Columns(names, messages, min(words, room), bar, headings if shown else (), stacked=False)
    return _Columns(names, messages, words, bar=False, counts=(), stacked=True)


def _kind(one: AccountStatus) -> str:
    """Return how much an account needs someone's attention, a word of ``_URGENCY``."""
    if one.account.state is AccountState.BLOCKED:
        return "blocked"
    if one.account.state is not AccountState.ACTIVE:
        return "paused"
    if one.account.trouble:
        return "in trouble"
    return "importing" if one.epoch is None or is_backfilling(one) else "complete"


def _words(one: AccountStatus, left: float | None) -> Text:
    """Return the progress of the newest backfill, or why the account is stopped."""
    state = one.account.state
    if state is AccountState.ACTIVE:
        hindered = f"; {one.account.trouble.code}" if one.account.trouble else ""
        return Text(backfill_progress(one, left) + hindered, style="yellow" if hindered else "")
    style = "red" if state is AccountState.BLOCKED else "yellow"
    return Text(state.value + (f": {one.account.reason}" if one.account.reason else ""), style=style)
