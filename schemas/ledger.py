"""The ledger: one row a copy. Document of ``ledger``, id: ``identity.copy_id``."""

from __future__ import annotations

from enum import StrEnum

from schemas.base import AccountId, Contract, EmailKey, FolderId, Utc


class RowState(StrEnum):
    """What has become of a copy; exactly one at any time."""

    PLANNED = "planned"
    PUBLISHED = "published"
    ATTACHED = "attached"
    UNMATCHED = "unmatched"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    GONE = "gone"


UNFINISHED = (RowState.PLANNED, RowState.PUBLISHED)
FINAL = (RowState.ATTACHED, RowState.UNMATCHED, RowState.SKIPPED, RowState.QUARANTINED, RowState.GONE)


class Row(Contract):
    """One message in one folder of one account."""

    id: str
    account: AccountId
    folder: FolderId
    uidvalidity: int
    uid: int
    epoch: int | None
    """The backfill whose completion waits for this row; None for live mail and for mail fetched again for a late contact."""
    state: RowState
    reason: str | None = None
    """For ``skipped`` and ``quarantined``: a stable code, e.g. ``too-large``, ``deleted``, ``parser-died``."""
    size: int
    """RFC822.SIZE: a hint only, servers are often wrong about it."""
    internal_date: Utc
    flags: tuple[str, ...] = ()
    """IMAP flags and keywords of this copy as the server has them."""
    labels: tuple[str, ...] = ()
    """Gmail's labels of this copy."""
    marks: tuple[bytes, ...] = ()
    """Keyed hashes of its participants, its Message-ID, In-Reply-To and References; nothing readable."""
    header: bytes = b""
    """Keyed hash of its header block; with ``size`` it tells a moved mail from a new one."""
    email: EmailKey | None = None
    """For ``attached`` rows, and kept when they go: which email it is a copy of."""
    bcc: tuple[str, ...] = ()
    """Of an attached copy: shown to its owner only."""
    relink: bool = False
    """It is gone and the links do not follow yet."""
    attempts: int = 0
    """How many times it was published."""
    noticed_at: Utc
    """When the poller learned of it."""
    updated_at: Utc
