"""The folders of an account: which are synchronised, what their server says they hold, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from schemas.ledger import Folder
from services import wording
from services.cli.results import accounts as results
from services.cli.terminal.output import moment, table
from services.store import FolderTotals

F = TypeVar("F", bound=results.FolderChoice)


def results_of(kind: type[F], folders: Iterable[Folder], totals: Mapping[str, FolderTotals]) -> list[F]:
    """Return the folders for programs."""
    return [kind.of(folder, **_counted(totals.get(folder.id))) for folder in folders]


def _counted(known: FolderTotals | None) -> dict[str, object]:
    if known is None:
        return {"messages": {}, "left_out": {}, "waiting": {}, "next_try": None, "short": 0}
    return {
        "messages": known.states,
        "left_out": known.left_out,
        "waiting": known.doubted,
        "next_try": known.next_try,
        "short": known.short,
    }


def print_folders(folders: Iterable[Folder], totals: Mapping[str, FolderTotals]) -> None:
    """Print the folders, why some are not synchronised, and what was not brought in of the others."""
    rows = [
        (
            folder.name,
            "yes" if folder.selected else f"no: {folder.reason}",
            *("-" if count is None else f"{count:,}" for count in (folder.expected, folder.found)),
            _rest(totals.get(folder.id)),
        )
        for folder in folders
    ]
    table(None, ("folder", "synchronised", "on server", "found", "left out or waiting"), rows)


def _rest(known: FolderTotals | None) -> str:
    if known is None:
        return ""
    parts = [f"{count:,} left out: {reason}" for reason, count in sorted(known.left_out.items())]
    parts += [f"{count:,} not delivered yet: {reason}" for reason, count in sorted(known.doubted.items())]
    if known.doubted:
        parts.append(f"tried again {moment(known.next_try) if known.next_try else 'soon'}")
    if known.short:
        parts.append(f"{wording.plural(known.short, 'message')} without the end")
    return "; ".join(parts)
