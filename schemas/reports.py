"""What is told about a finished backfill: read from the ledger when the confirmation is written."""

from __future__ import annotations

from schemas.base import AccountId, Contract, Utc


class FolderReport(Contract):
    """One folder of the account."""

    name: str
    """For people."""
    selected: bool
    reason: str | None = None
    """Why it is left out, e.g. ``trash``."""
    messages: int = 0
    """Ledger rows of the epoch, ``gone`` ones left out."""
    attached: int = 0


class BackfillReport(Contract):
    """The figures of one epoch of one account."""

    account: AccountId
    epoch: int
    folders: tuple[FolderReport, ...] = ()
    states: dict[str, int] = {}
    """Rows of the epoch by state."""
    skipped: dict[str, int] = {}
    """``skipped`` rows by reason."""
    quarantined: dict[str, int] = {}
    """``quarantined`` rows by reason."""
    emails: int = 0
    """Distinct emails that the attached copies are of."""
    leads: int = 0
    contacts: int = 0
    oldest: Utc | None = None
    """``sent_at`` of the oldest and the newest of these emails."""
    newest: Utc | None = None

    @property
    def messages(self) -> int:
        """Rows in all."""
        return sum(self.states.values())
