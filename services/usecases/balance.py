"""What became of each message that a mailbox holds, per folder and in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.ledger import Folder, FolderState, RowState
from services.store import FolderTotals, Store


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
    states: Counter[RowState] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    """How many are left out for good, by reason."""
    doubted: Counter[str] = field(default_factory=Counter)
    """How many of the waiting ones did not come at the last attempt, by reason."""
    next_try: datetime | None = None
    """When the first of these is tried again."""
    short: int = 0
    """How many came without a part of the bytes that the server announced."""

    @property
    def rows(self) -> int:
        """How many messages are accounted for now; the sum of all below."""
        return self.states.total()

    @property
    def decided(self) -> int:
        """How many are on records or about none."""
        return self.states[RowState.ATTACHED] + self.states[RowState.UNMATCHED]

    @property
    def waiting(self) -> int:
        """How many have no final state yet."""
        return self.states[RowState.PLANNED] + self.states[RowState.PUBLISHED]

    @property
    def is_even(self) -> bool:
        """Whether every folder was compared and the server named as many messages as it said that it holds."""
        return not self.unchecked and self.expected == self.found


async def of_account(store: Store, account: str) -> tuple[Balance, list[Balance]]:
    """Return the balance of an account: all folders together, and each."""
    folders, totals = await store.folders.of(account), await store.ledger_counts.totals(account)
    each = list(_by_folder(folders, totals))
    return _together(each), each


def _by_folder(folders: Iterable[Folder], totals: Mapping[str, FolderTotals]) -> Iterator[Balance]:
    for folder in folders:
        known = totals.get(folder.id)
        if folder.state is FolderState.GONE and known is None:
            continue
        one = Balance(name=folder.name, reason=None if folder.selected else folder.reason or "left-out")
        if folder.selected and folder.state is not FolderState.GONE:
            compared = folder.checked_at is not None and folder.expected is not None and folder.found is not None
            one.unchecked = int(not compared)
            if compared:
                one.expected, one.found, one.checked_at = folder.expected or 0, folder.found or 0, folder.checked_at
        if known is not None:
            one.states.update(known.states)
            one.left_out.update(known.left_out)
            one.doubted.update(known.doubted)
            one.next_try, one.short = known.next_try, known.short
        yield one


def _together(each: Iterable[Balance]) -> Balance:
    total = Balance()
    for one in each:
        for name in ("expected", "found", "unchecked", "short"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
        for name in ("states", "left_out", "doubted"):
            getattr(total, name).update(getattr(one, name))
        total.checked_at = min(filter(None, (total.checked_at, one.checked_at)), default=None)
        total.next_try = min(filter(None, (total.next_try, one.next_try)), default=None)
    return total
