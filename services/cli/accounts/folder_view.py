"""The folders of an account: which are synchronised, what their server says they hold, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from services import wording
from services.cli.results import accounts as results
from services.cli.terminal.output import moment, table
from services.store import FolderTotals
from services.usecases.balance import Balance

F = TypeVar("F", bound=results.FolderChoice)


def results_of(kind: type[F], each: Iterable[Balance]) -> list[F]:
    """Return the folders for programs."""
    return [
        kind.of(
            one.folder,
            messages=one.totals.states,
            left_out=one.totals.left_out,
            waiting=one.totals.doubted,
            next_try=one.totals.next_try,
            short=one.totals.short,
        )
        for one in each
    ]


def print_folders(each: Iterable[Balance]) -> None:
    """Print the folders, why some are not synchronised, and what was not brought in of the others."""
    rows = [
        (
            folder.name,
            "yes" if folder.selected else f"no: {folder.reason}",
            *("-" if count is None else f"{count:,}" for count in (folder.expected, folder.found)),
            _rest(one.totals),
        )
        for one in each
        if (folder := one.folder) is not None
    ]
    table(None, ("folder", "synchronised", "on server", "found", "left out or waiting"), rows)


def _rest(known: FolderTotals) -> str:
    parts = [f"{count:,} left out: {reason}" for reason, count in sorted(known.left_out.items())]
    parts += [f"{count:,} not delivered yet: {reason}" for reason, count in sorted(known.doubted.items())]
    if known.doubted:
        parts.append(f"tried again {moment(known.next_try) if known.next_try else 'soon'}")
    if known.short:
        parts.append(f"{wording.plural(known.short, 'message')} without the end")
    return "; ".join(parts)
