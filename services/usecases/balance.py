"""What became of each message that a mailbox holds, per folder and in all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from schemas.ledger import Folder, FolderState, RowState
from services.store import LEFT_OUT, FolderTotals, Store, sum_of


@dataclass
class Balance:
    """What the server said at the last comparison, and what became of the messages until now."""

    name: str = ""
    """The folder; empty for all folders together."""
    reason: str | None = None
    """Why the folder is not synchronised; None if it is."""
    expected: int = 0
    """How many messages the server said that it holds."""
    found: int = 0
    """How many messages the server named."""
    checked_at: datetime | None = None
    """When it was last compared; of several folders, the longest ago."""
    unchecked: int = 0
    """How many synchronised folders were not compared yet."""
    totals: FolderTotals = field(default_factory=FolderTotals)
    """What became of the messages until now."""
    folder: Folder | None = None
    """None for all folders together."""

    @property
    def is_gone(self) -> bool:
        """Whether the folder no longer exists."""
        return self.folder is not None and self.folder.state is FolderState.GONE

    @property
    def left_out(self) -> list[tuple[RowState, str, int]]:
        """How many are left out for good, by state and reason."""
        counts = self.totals.counts.items()
        found = [(state, reason or "-", count) for (state, reason), count in counts if state in LEFT_OUT]
        return sorted(found)

    @property
    def decided(self) -> int:
        """How many are on records or about none."""
        states = self.totals.states
        return states[RowState.ATTACHED] + states[RowState.UNMATCHED]

    @property
    def waiting(self) -> int:
        """How many have no final state yet."""
        states = self.totals.states
        return states[RowState.PLANNED] + states[RowState.PUBLISHED]

    @property
    def is_even(self) -> bool:
        """Whether every folder was compared and the server named as many messages as it said that it holds."""
        return not self.unchecked and self.expected == self.found


async def of_account(store: Store, account: str) -> tuple[Balance, list[Balance]]:
    """Return the balance of an account: all folders together, and each."""
    folders, totals = await store.folders.of(account), await store.ledger_counts.totals(account)
    each = [_of(folder, totals.get(folder.id, FolderTotals())) for folder in folders]
    return _together(each, totals.values()), each


def _of(folder: Folder, totals: FolderTotals) -> Balance:
    one = Balance(folder.name, None if folder.selected else folder.reason or "left-out", totals=totals, folder=folder)
    if folder.selected and not one.is_gone:
        if folder.checked_at is None or folder.expected is None or folder.found is None:
            one.unchecked = 1
        else:
            one.expected, one.found, one.checked_at = folder.expected, folder.found, folder.checked_at
    return one


def _together(each: Sequence[Balance], totals: Iterable[FolderTotals]) -> Balance:
    return Balance(
        expected=sum(one.expected for one in each),
        found=sum(one.found for one in each),
        checked_at=min((one.checked_at for one in each if one.checked_at), default=None),
        unchecked=sum(one.unchecked for one in each),
        totals=sum_of(totals),
    )
