"""What crosses a queue: past-tense names, one class an event, CloudEvents 1.0 attributes in the AMQP headers.

A message's own fields travel as its body (JSON); only ``MailFetched`` carries the raw mail as the body and its fields in
the headers. A message that is sent again keeps its ``id``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal, Self

from schemas.base import AccountId, Contract, EmailKey, FolderId, Utc
from schemas.identity import copy_id
from schemas.mail import Content


class Lane(StrEnum):
    """Live and backfill have separate queues, so that a long backfill never delays a new mail."""

    LIVE = "live"
    BACKFILL = "backfill"


class Event(Contract):
    """An event. ``id`` is derived from what it is about, so that sending it twice is the same message twice."""

    TYPE: ClassVar[str]
    """CloudEvents ``type`` and first part of the routing key, e.g. ``mail.fetched``."""
    VERSION: ClassVar[int] = 1
    """A breaking change is a new version with its own routing key."""

    id: str
    """CloudEvents ``id``."""

    @property
    def routing_key(self) -> str:
        """The AMQP routing key."""
        return f"{self.TYPE}.v{self.VERSION}"


class Copy(Contract):
    """Where a mail lies: one message in one folder of one account."""

    account: AccountId
    folder: FolderId
    uidvalidity: int
    uid: int

    @property
    def id(self) -> str:
        """The ledger row's id."""
        return copy_id(self.account, self.folder, self.uidvalidity, self.uid)


def publication_of(identifier: str) -> int | None:
    """Return which publication of a row a message about it stems from. Its id is ``<row>/<publication>``, perhaps with more."""
    number = identifier.partition("/")[2].partition("/")[0]
    return int(number) if number.isdecimal() else None


class MailEvent(Event):
    """A message about one copy, on the live or the backfill lane."""

    source: Copy
    lane: Lane
    epoch: int | None = None
    """The backfill that it belongs to; None for live mail."""
    internal_date: Utc
    """When the server received the mail (INTERNALDATE)."""
    noticed_at: Utc
    """When the poller learned of it; what ``visible`` latency is measured from."""

    @property
    def routing_key(self) -> str:
        """The AMQP routing key, with the lane as its last part."""
        return f"{self.TYPE}.v{self.VERSION}.{self.lane}"

    @property
    def publication(self) -> int | None:
        """The number of the row's publication that the message stems from, counted from 1; None if its id does not say."""
        return publication_of(self.id)


class MailFetched(MailEvent):
    """A relevant mail was fetched. The AMQP body is the raw mail, unless ``blob`` names it."""

    TYPE: ClassVar[str] = "mail.fetched"

    size: int
    """Octets of the raw mail."""
    blob: str | None = None
    """SHA-256 of the raw mail in the blob store, when it is too large for a message (over 256 KiB)."""


class MailParsed(MailEvent):
    """A mail was parsed; its raw form, attachments and long HTML are in the blob store."""

    TYPE: ClassVar[str] = "mail.parsed"

    content: Content
    bcc: tuple[str, ...] = ()
    """Normal addresses of this copy's Bcc header: they belong to the copy, not to the email."""
    head: str | None = None
    """SHA-256 of this copy's header block in the blob store. None from version 0.1, whose ``content.raw`` is the whole mail."""

    former_key: EmailKey | None = None
    """The key of the email by the recipe before: it may have been deleted in the CRM under that key."""

    @property
    def body(self) -> str | None:
        """SHA-256 of what follows the header block."""
        return self.content.raw if self.head else None

    @property
    def blobs(self) -> frozenset[str]:
        """The hashes of every blob that the message needs."""
        return self.content.blobs | ({self.head} if self.head else frozenset())


class MailboxChanged(Event):
    """Copies are gone from a mailbox (deleted or moved away); the ledger says so already, the links follow."""

    TYPE: ClassVar[str] = "mailbox.changed"

    account: AccountId
    emails: tuple[EmailKey, ...]
    """Emails of which a copy is gone, at most 500."""


class RecordChanged(Event):
    """A lead or contact was created, changed or deleted in the CRM; its present state is read from there."""

    TYPE: ClassVar[str] = "record.changed"

    kind: Literal["lead", "contact"]
    record: str
    """The CRM document's id as text, see ``records.record_id``."""
    at: Utc


class SyncCompleted(Event):
    """Every mail of an epoch has its final state; the confirmation is due."""

    TYPE: ClassVar[str] = "sync.completed"

    account: AccountId
    epoch: int

    @classmethod
    def of(cls, account: str, epoch: int) -> Self:
        """Return the event of an epoch: its id is the same whichever stage completes the epoch."""
        return cls(id=f"{account}.{epoch}.completed", account=account, epoch=epoch)


class AccountAttention(Event):
    """An account cannot be synchronised until its owner does something."""

    TYPE: ClassVar[str] = "account.attention"

    account: AccountId
    reason: str
    """A stable code, e.g. ``wrong-password``; the words are looked up when the mail is written."""
    incident: int
    """Grows with each time the account becomes blocked: one mail an incident."""


MESSAGES: tuple[type[Event], ...] = (
    MailFetched,
    MailParsed,
    MailboxChanged,
    RecordChanged,
    SyncCompleted,
    AccountAttention,
)
