"""The output of ``leadmail ledger check``: a table and a verdict for people, a result for programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.accounts import Account
from schemas.ledger import RowState
from services.cli.operations.ledger_compare import UNREADABLE, FolderBalance
from services.cli.results import operations as results
from services.cli.terminal.output import line
from services.mailbox.imap import uid_set
from services.wording import plural

_STATES = tuple(state for state in RowState if state is not RowState.GONE)
_ALWAYS = (RowState.ATTACHED, RowState.UNMATCHED)
_UIDS = 1_000
"""At most so many uids are listed."""
_NOTES = {
    "new-folder": "new: no poller has seen it yet",
    "no-folder": "no longer on the server",
    "new-uids": "its uidvalidity changed, and the ledger has not followed yet",
    "refused": "the server refuses to open it",
    "contradicted": "the server says that it holds another number of messages than it names",
    "left-out": "not synchronised, but has rows",
}


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """The comparison of one account."""

    account: Account
    folders: tuple[FolderBalance, ...] = ()
    error: str | None = None
    """Why it could not be compared, and what to do."""

    @property
    def balanced(self) -> bool:
        """Whether it has no gap."""
        return self.error is None and all(folder.balanced for folder in self.folders)


def view(found: Sequence[AccountBalance]) -> RenderableType:
    """Return the table, followed by what could not be compared."""
    folders = [folder for one in found for folder in one.folders]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    grid.add_column("account", overflow="fold", min_width=len("account"))
    grid.add_column("folder", overflow="fold", min_width=len("folder"))
    # Rare states get a column only if they occur.
    states = [state for state in _STATES if state in _ALWAYS or any(one.states.get(state) for one in folders)]
    for head in ("server", *(state.value for state in states), "rows", "lost", "stale", "not seen\nyet", "unfinished"):
        grid.add_column(head, justify="right", no_wrap=True)
    grid.add_column("")
    for one in found:
        for number, folder in enumerate(one.folders):
            grid.add_row(
                one.account.address if not number else "",
                line(folder.name),
                "?" if folder.server is None else f"{folder.server:,}",
                *(f"{folder.states.get(state, 0):,}" for state in states),
                f"{folder.rows:,}",
                _marked(len(folder.lost)),
                _marked(len(folder.stale) + folder.void),
                f"{folder.unseen:,}",
                f"{folder.unfinished:,}",
                Text(_NOTES[folder.note] if folder.note else "", style="yellow"),
            )
    errors = [Text(f"{one.account.address}: {one.error}", style="red") for one in found if one.error]
    return Group(*([grid] if folders else []), *errors, Text())


def _marked(count: int) -> Text:
    return Text(f"{count:,}", style="red" if count else "")


def verdict(found: Sequence[AccountBalance]) -> str:
    """Summarize the comparison in a sentence."""
    folders = [folder for one in found for folder in one.folders]
    lost, stale = (
        sum(len(folder.lost) for folder in folders),
        sum(len(folder.stale) + folder.void for folder in folders),
    )
    closed = sum(one.error is not None for one in found) + sum(folder.note in UNREADABLE for folder in folders)
    if not (lost or stale or closed):
        return (
            f"The ledger balances: {plural(sum(folder.rows for folder in folders), 'row')} "
            f"in {plural(len(folders), 'folder')} of {plural(len(found), 'account')}, each with a message on its server."
        )
    gaps = [f"{plural(lost, 'message')} without a row"] if lost else []
    gaps += [f"{plural(stale, 'row')} without a message"] if stale else []
    words = [f"The ledger has gaps: {' and '.join(gaps)}. The poller closes them automatically."] if gaps else []
    words += [f"{plural(closed, 'account or folder', 'accounts or folders')} could not be checked."] if closed else []
    return " ".join(words)


def result_of(found: Sequence[AccountBalance]) -> results.LedgerCheck:
    """Return the comparison for programs."""
    return results.LedgerCheck(
        balanced=all(one.balanced for one in found),
        accounts=[
            results.AccountBalanceResult.of(
                one, account=one.account.address, id=one.account.id, folders=[_folder(folder) for folder in one.folders]
            )
            for one in found
        ],
    )


def _folder(folder: FolderBalance) -> results.FolderBalanceResult:
    return results.FolderBalanceResult.of(
        folder,
        folder=folder.name,
        messages={state: count for state, count in folder.states.items() if count},
        lost=len(folder.lost),
        stale=len(folder.stale) + folder.void,
        lost_uids=uid_set(folder.lost[:_UIDS]),
        stale_uids=uid_set(folder.stale[:_UIDS]),
    )
