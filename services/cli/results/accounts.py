"""Connected mailboxes for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from schemas.accounts import AccountState, AddressProof, FolderRules, ServerAddress
from schemas.ledger import Epoch, FolderState, RowState
from schemas.sharing import SharingPolicy
from services.cli.results.base import Result
from services.cli.results.status import TroubleResult


class AccountResult(Result):
    """A connected mailbox, without its credentials."""

    id: str
    """24 hex digits."""
    owner: str
    """The user's address; of a shared mailbox `team:` and its id."""
    members: tuple[str, ...] = ()
    """The users whose mailbox it is, if it is a shared one."""
    address: str
    """The mailbox's address."""
    aliases: tuple[str, ...]
    """Other addresses that the owner claims."""
    proofs: tuple[AddressProof, ...] = ()
    """Why addresses count as the account's own. The address that names the owner in the CRM needs no proof."""
    unproven: tuple[str, ...] = ()
    """Claimed addresses that nothing proves. They have no effect."""
    provider: str | None
    """Key in the provider directory."""
    incoming: ServerAddress
    """The IMAP server."""
    outgoing: ServerAddress | None
    """The SMTP server."""
    sharing: SharingPolicy
    """Who sees the mail."""
    folders: FolderRules
    """Folders that differ from the default."""
    state: AccountState
    """Whether the mailbox is synchronised."""
    reason: str | None
    """Stable code of why it is blocked, such as ``wrong-password``."""
    trouble: TroubleResult | None = None
    """Why an active mailbox cannot go on; null if all is well."""
    retry_at: datetime | None = None
    """When the login of a blocked mailbox is tried again; null for soon."""
    incident: int
    """How many times it has been blocked."""
    attention_sent: int
    """The last incident that its owner was notified of."""
    epoch: int
    """Number of its newest backfill; 0 before the first."""
    resync_requested: bool
    """Whether a new backfill is about to start."""
    created_at: datetime
    """When it was connected."""


class LeftOut(Result):
    """Messages that were not brought in for one reason."""

    state: RowState
    """``skipped`` or ``quarantined``."""
    reason: str
    """Stable code."""
    messages: int
    """How many messages."""


class FolderChoice(Result):
    """Whether a folder is synchronised."""

    name: str
    """Name as shown to users."""
    role: Literal["inbox", "sent", "archive", "all", "drafts", "templates", "outbox", "trash", "junk", "user"]
    """What the folder is for."""
    selected: bool
    """Whether it is synchronised."""
    reason: str | None
    """Stable code of why it is not synchronised."""
    expected: int | None = None
    """How many messages the server said that it holds, at the last comparison; null before the first."""
    found: int | None = None
    """How many messages the server named then."""
    messages: dict[RowState, int] = Field(default_factory=dict)
    """Number of messages by state in the ledger, without those that are gone."""
    left_out: dict[str, int] = Field(default_factory=dict)
    """Messages that were skipped or quarantined, by reason."""
    waiting: dict[str, int] = Field(default_factory=dict)
    """Messages that the server did not deliver at the last attempt and that are tried again, by reason."""
    next_try: datetime | None = None
    """When the first of these is tried again."""
    short: int = 0
    """Messages that came without the end, because the server sent less than it announced."""


class FolderResult(FolderChoice):
    """A folder of a mailbox."""

    id: str
    """12 hex digits."""
    state: FolderState
    """How far the newest backfill has enumerated it."""
    epoch: int
    """Number of the backfill."""
    uidvalidity: int
    """UIDVALIDITY of the IMAP server."""
    uidnext: int
    """Mail below this uid belongs to the backfill."""
    cursor: int
    """The backfill has come down to this uid."""
    live_next: int
    """Live mail has come up to this uid."""
    highestmodseq: int | None
    """HIGHESTMODSEQ up to which flag changes are known."""
    checked_at: datetime | None
    """When the folder was last checked."""


class AccountDetails(AccountResult):
    """A connected mailbox with its folders, backfills and counts."""

    messages: dict[RowState, int]
    """Number of messages by state in the ledger."""
    left_out: list[LeftOut]
    """Messages that were not brought in."""
    folder_list: list[FolderResult]
    """All folders."""
    epochs: list[Epoch]
    """All backfills, newest first."""


class FoldersResult(Result):
    """Which folders are synchronised."""

    include: tuple[str, ...]
    """Names of folders that are included explicitly."""
    exclude: tuple[str, ...]
    """Names of folders that are excluded explicitly."""
    folders: list[FolderChoice]
    """All folders."""
