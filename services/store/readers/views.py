"""What users get to read: frozen values that hold nothing that the viewer may not know. Only readers make them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from schemas.base import Contract
from schemas.mail import Attachment, Classification, Content, Participant, Role
from schemas.records import RecordRef
from schemas.sharing import CopyDecision


class VisibleCopy(Contract):
    """A copy that the viewer may know of: their own, or one whose policy grants and whose account the email names."""

    owner: str
    """The user who owns the mailbox; of a shared one, its address."""
    account: str
    """The account that holds the copy."""
    address: str
    """The account's address."""
    folder: str
    """The folder's name."""
    flags: tuple[str, ...]
    """IMAP flags of the copy."""
    labels: tuple[str, ...]
    """Gmail labels of the copy."""
    own: bool
    """Whether the account is the viewer's, or a shared one of which they are a member."""
    defects: tuple[str, ...] = ()
    """Of an own copy: what was wrong with it and repaired, or could not be read, in short words such as ``charset:gb2312``."""


class Reason(Contract):
    """Why an email is on a record, as far as the viewer may know."""

    address: str
    """The record's address that the email names."""
    role: Role
    """Where the email names it; ``thread`` for a reply."""


class DeliveryFailure(Contract):
    """What a bounce that the viewer may see says of an email."""

    email: str
    """The bounce's id."""
    addresses: tuple[str, ...]
    """Who was not reached."""
    kind: Literal["hard", "soft"] | None
    """``hard`` if an address will never work."""
    status: str
    """Enhanced status code (RFC 3463), or empty."""
    reason: str
    """What the other server said."""


class VisibleEmail(Contract):
    """An email on a record, as the viewer may see it."""

    email: str
    """The email's id."""
    record: RecordRef
    """The record."""
    sent_at: datetime
    """When it was sent."""
    thread: str
    """Id that the emails of a thread share in one answer: on a page, in a search result."""
    subject: str
    """Decoded, one line."""
    snippet: str
    """Start of the text."""
    direction: Literal["in", "out"]
    """``out`` if a colleague wrote it, else ``in``."""
    participants: tuple[Participant, ...]
    """All except Bcc."""
    bcc: tuple[str, ...]
    """Bcc addresses of the viewer's own copies."""
    attachments: tuple[Attachment, ...]
    """Files."""
    marks: Classification
    """What kind of email it is."""
    reasons: tuple[Reason, ...]
    """Why it is on the record."""
    copies: tuple[VisibleCopy, ...]
    """Copies that the viewer may know of, their own first. None if only holders whom the email does not name share it."""
    holders: tuple[str, ...]
    """Addresses of the users, and of the shared mailboxes, that hold these copies."""
    flags: tuple[str, ...]
    """IMAP flags of the first copy."""
    folder: str
    """Folder of the first copy."""
    message_id: str | None = None
    """Its Message-ID, without angle brackets."""
    date: datetime | None = None
    """Its Date header; ``sent_at`` if that is believable."""
    failures: tuple[DeliveryFailure, ...] = ()
    """On a record page, and of an email in full: the bounces that the viewer sees on the same record and that say that it was
    not delivered."""
    also: tuple[str, ...] = ()
    """On a record page: ids of other emails that are the same mail to a person. Their copies are among the copies."""


class EmailPage(NamedTuple):
    """A part of a record page, newest first."""

    emails: list[VisibleEmail]
    before: str | None
    """Pass it to get the next part. None at the end."""
    cut_short: bool = False
    """Of a page of one thread: whether it has more emails than are read."""


class ShownEmail(Contract):
    """An email in full."""

    line: VisibleEmail
    records: tuple[RecordRef, ...]
    """Every record on which the viewer may see it."""
    content: Content


class FoundEmail(Contract):
    """An email found across records."""

    line: VisibleEmail
    """The line on the first of ``records``."""
    records: tuple[RecordRef, ...]
    """Every record on which the viewer may see it."""


class FoundThread(list[FoundEmail]):
    """The emails of a thread."""

    cut_short: bool = False
    """Whether it has more emails than are read."""


class SearchResult(list[FoundEmail]):
    """The emails that a search found, and how far it got."""

    read: int = 0
    """How many emails it read, all of them visible to the viewer."""
    back_to: datetime | None = None
    """When the oldest of them was sent."""
    before: str | None = None
    """Pass it to continue. None if the search read everything."""
    cut_short: bool = False
    """Whether it stopped before it found as many emails as the caller asked for, although older mail remains."""


class SuggestedAddress(Contract):
    """An address that may also belong to the record."""

    address: str
    """The address in normal form."""
    name: str
    """The name in its newest mail that has one."""
    emails: int
    """How many mails from it the viewer sees on the record."""


class Obstacle(StrEnum):
    """Why the rule does not apply to an email on a record."""

    DELETED = "deleted"
    """It was deleted in the CRM."""
    NOT_STORED = "not-stored"
    """No such email is stored: it concerns no record, or no mailbox holds it any longer."""
    NOT_ON_RECORD = "not-on-record"
    """It is stored but not linked to the record."""
    RECORD_NOT_READABLE = "record-not-readable"
    """The CRM does not let the viewer read the record."""
    NO_COPY = "no-copy"
    """No account holds a live copy at the moment."""
    BCC = "bcc"
    """It is on the record by a Bcc alone, and only the owner of that copy may know."""
    HOLDER_NOT_NAMED = "holder-not-named"
    """The copies belong to users whom the email does not name, and only they may know that they hold it."""


class Explanation(Contract):
    """Which copy, rule and domain decided."""

    viewer: str
    """The user who reads."""
    record: RecordRef
    """The record."""
    email: str
    """The email's id."""
    visible: bool
    """Whether the viewer sees the email on the record."""
    lines: tuple[CopyDecision, ...]
    """Every line that the caller may know. A line that grants decides. A copy whose holder the email does not name has none."""
    obstacle: Obstacle | None = None
    """Why there is no line at all. Only set for callers who may ask about any user."""

    @property
    def by_unnamed(self) -> bool:
        """Whether the viewer sees it by a copy alone whose holder it does not name."""
        return self.visible and not any(line.decision.verdict.grants for line in self.lines)
