"""The parts of ledger rows that readers, the sharing rule and the poller need."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from schemas.base import Contract
from schemas.ledger import DELETED_FLAG, RowState


class KnownUid(NamedTuple):
    """What the ledger knows of a message in a folder."""

    uid: int
    state: RowState
    flags: tuple[str, ...]
    undecided: bool = False
    """Whether a backfill decides again on it."""
    blank: bool = False
    """Whether nothing of it was read yet."""


class TwinQuery(NamedTuple):
    """A message that may be another copy of a stored email (moved, or under a new uidvalidity)."""

    message_id: str
    header: bytes
    size: int
    former: tuple[bytes, ...] = ()
    """``header`` by the keys that made it before, while the deployment's key changes."""


class Twin(NamedTuple):
    """What the new copy has in common with the attached one."""

    email: str
    bcc: tuple[str, ...]
    head: str | None
    body: str | None
    defects: tuple[str, ...] = ()


class LiveRow(Contract):
    """A copy of an email: the parts of its row that readers and the sharing rule need."""

    id: str
    account: str
    folder: str
    email: str
    flags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    head: str | None = None
    body: str | None = None
    defects: tuple[str, ...] = ()
    internal_date: datetime

    @property
    def live(self) -> bool:
        """Whether it counts for the sharing rule: it is not flagged as deleted."""
        return DELETED_FLAG not in self.flags
