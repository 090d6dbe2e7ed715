"""What is synchronised of an account: documents of ``folders``, ``epochs`` (backfills) and ``ledger`` (one row per copy)."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator

from schemas.base import AccountId, Contract, EmailKey, FolderId, Utc


class FolderState(StrEnum):
    """How far a folder has come in the account's newest epoch."""

    ENUMERATING = "enumerating"
    ENUMERATED = "enumerated"
    GONE = "gone"
    """No longer on the server, by more than one answer."""


class Folder(Contract):
    """A folder of an account. Document id: ``<account>.<folder>``."""

    account: AccountId
    id: Annotated[FolderId, AfterValidator(sys.intern)]
    raw_name: bytes
    """As the server sent it (modified UTF-7, RFC 3501 section 5.1.3, or whatever it really is)."""
    name: Annotated[str, AfterValidator(sys.intern)]
    """For people. Thousands of mailboxes have the same in memory."""
    role: Literal["inbox", "sent", "archive", "all", "drafts", "templates", "outbox", "trash", "junk", "user"]
    selected: bool
    """Whether its mail is synchronised."""
    reason: str | None = None
    """Why not, e.g. ``trash``, ``excluded by the owner``."""
    state: FolderState = FolderState.ENUMERATING
    epoch: int = 0
    uidvalidity: int = 0
    uidnext: int = 1
    """Anchor of the epoch: mail below it is the backfill."""
    cursor: int = 0
    """The backfill has rows for every uid from ``cursor`` up to ``uidnext`` (exclusive); it moves down to 1."""
    live_next: int = 1
    """Live mail has rows for every uid from ``uidnext`` up to this (exclusive)."""
    highestmodseq: int | None = None
    """Flag changes are known up to here (RFC 7162); None without CONDSTORE."""
    checked_at: Utc | None = None
    """When it was last compared with its rows."""
    expected: int | None = None
    """How many messages the server said then that it holds."""
    found: int | None = None
    """How many messages the server named then. Each of them has a row."""


class EpochState(StrEnum):
    """How far a backfill has come."""

    ENUMERATING = "enumerating"
    SEALED = "sealed"
    COMPLETE = "complete"


class NotificationState(StrEnum):
    """How far the confirmation of a backfill has come."""

    NONE = "none"
    DUE = "due"
    SENDING = "sending"
    SENT = "sent"


class Epoch(Contract):
    """A backfill of an account. Document id: ``<account>.<number>``."""

    account: AccountId
    """The account that is imported."""
    number: int
    """Counts the imports of an account, from 1."""
    state: EpochState = EpochState.ENUMERATING
    """``enumerating``, then ``sealed`` (every message has a row), then ``complete``."""
    opened_at: Utc
    """When the import started."""
    sealed_at: Utc | None = None
    """When every folder was enumerated."""
    completed_at: Utc | None = None
    """When every row was final."""
    expected: int = 0
    """Messages that the servers said are in the selected folders when the epoch opened."""
    notification: NotificationState = NotificationState.NONE
    """State of the confirmation to the owner."""
    claimed_at: Utc | None = None
    """When a notifier last claimed the confirmation."""
    sent_at: Utc | None = None
    """When the confirmation was sent."""


class RowState(StrEnum):
    """The state of a copy; exactly one at any time."""

    PLANNED = "planned"
    PUBLISHED = "published"
    ATTACHED = "attached"
    UNMATCHED = "unmatched"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"
    GONE = "gone"


DELETED_FLAG = "\\Deleted"
"""A copy with this flag is no live copy: it grants nothing and is shown to no one until the flag is removed."""
DRAFT_FLAG = "\\Draft"
SEEN_FLAG = "\\Seen"
"""A copy with this flag was not sent; see ``DRAFT``."""
DRAFT = "draft"
"""Reason of rows that are skipped until the message is sent."""
HEADER_UNCLEAR = "header-unclear"
"""Reason of rows whose header does not tell who takes part. The body stays in the mailbox; a contact found in what was read plans them."""
DELETED_IN_CRM = "deleted-in-crm"
"""Reason of the rows of emails with a tombstone."""
WITHHELD = "withheld"
"""The server lists the mail and does not deliver it."""
UNREADABLE = "unreadable"
"""The connection breaks, or the server fails, whenever this mail is asked for."""
UNAVAILABLE = "unavailable"
"""The server says that it cannot deliver the mail at the moment. This is never final."""
ALONE = frozenset({UNREADABLE, UNAVAILABLE})
"""Mail that is asked for alone."""
SHORT = "short-body"
"""The server delivers less of the mail than it announces."""
MISSING = "missing"
"""The server did not deliver the mail, and does not list it any more."""
TRIED_AGAIN = (WITHHELD, UNREADABLE, "refused")
"""Reasons of skipped rows that a resync tries again, and the comparison with the mailbox now and then."""
UNFINISHED = (RowState.PLANNED, RowState.PUBLISHED)
LEFT_OUT = (RowState.SKIPPED, RowState.QUARANTINED, RowState.GONE)
"""Final states of copies that are on no record, and that no new record brings in."""
FINAL = (RowState.ATTACHED, RowState.UNMATCHED, RowState.SKIPPED, RowState.QUARANTINED, RowState.GONE)


def is_undecided(state: str, reason: str | None) -> bool:
    """Whether a contact or a thread that is found later may concern a row in this state, which has no body here."""
    return state == RowState.UNMATCHED or (state == RowState.SKIPPED and reason == HEADER_UNCLEAR)


class Row(Contract):
    """One message in one folder of one account. Document id: ``identity.copy_id``."""

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
    """RFC822.SIZE. Only a hint: it is often wrong."""
    internal_date: Utc
    flags: tuple[str, ...] = ()
    """IMAP flags and keywords of this copy as the server has them; the flags that decide (``\\Deleted``, ``\\Draft``) in this spelling."""
    labels: tuple[str, ...] = ()
    """Gmail's labels of this copy."""
    marks: tuple[bytes, ...] = ()
    """Keyed hashes of its participants, its Message-ID, In-Reply-To and References; nothing readable."""
    id_mark: bytes | None = None
    """Keyed hash of its own Message-ID; None if it has none, and for rows that version 0.1 wrote."""
    mark_key: str | None = None
    """The id of the key that made ``marks``, ``id_mark`` and ``header``; None for rows that version 0.1 wrote."""
    same_id: bool = False
    """Whether another mail of the account carries its Message-ID."""
    header: bytes = b""
    """Keyed hash of its header block; with ``size`` it tells a moved mail from a new one. Empty if only a part of it was read."""
    email: EmailKey | None = None
    """The email that it is a copy of; for ``attached`` rows, and kept when they are gone."""
    bcc: tuple[str, ...] = ()
    """The Bcc of an attached copy, shown only to its owner."""
    head: str | None = None
    """SHA-256 of an attached copy's header block in the blob store; None for copies attached by version 0.1."""
    body: str | None = None
    """SHA-256 of what follows the header block. Copies of an email usually share it."""
    defects: tuple[str, ...] = ()
    """What was wrong with an attached copy (``Classification.defects``), shown only to its owner. Empty for copies that version 0.1
    attached."""
    relink: bool = False
    """Whether it ceased or started to be a live copy, or came as one, and the links of its email are not updated yet."""
    doubt: str | None = None
    """Of a planned row: why its mail did not come at the last attempt (``withheld``, ``unreadable``, ``short-body``, ``missing``,
    ``refused``). It takes several attempts, some time apart, until that is final."""
    doubts: int = 0
    """How many attempts in a row ended like that."""
    withheld_at: Utc | None = None
    """When the first of them did."""
    retry_at: Utc | None = None
    """When it is tried next."""
    short: int = 0
    """How many bytes of those that the server announced it never sent; the mail was taken without them."""
    attempts: int = 0
    """How many times it was published."""
    noticed_at: Utc
    """When the poller learned of it; of a row that had a final state and was planned again, when that was."""
    updated_at: Utc

    @property
    def blank(self) -> bool:
        """Whether nothing of its mail was read yet, not even the header."""
        return not (self.size or self.header or self.marks)
