"""Record pages, emails and search results for programs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from schemas.mail import Attachment, Classification, Content, Participant, Role
from schemas.records import Record, RecordRef
from services.cli.results.base import Result
from services.store import SuggestedAddress, VisibleCopy


class ReasonResult(Result):
    """Why an email is on a record."""

    address: str
    """The record's address that the email names."""
    role: Role
    """Where the email names it; ``thread`` for a reply."""


class EmailResult(Result):
    """An email on a record, as the viewer may see it."""

    email: str
    """The email's id."""
    record: RecordRef
    """The record."""
    sent_at: datetime
    """When it was sent."""
    thread: str
    """Id that all emails of a thread share."""
    subject: str
    """Decoded, one line."""
    snippet: str
    """Start of the text."""
    direction: Literal["in", "out"]
    """``in`` if the record wrote it."""
    participants: tuple[Participant, ...]
    """All except Bcc."""
    bcc: tuple[str, ...]
    """Bcc addresses of the viewer's own copy."""
    attachments: tuple[Attachment, ...]
    """Files."""
    marks: Classification
    """What kind of email it is."""
    reasons: tuple[ReasonResult, ...]
    """Why it is on the record."""
    copies: tuple[VisibleCopy, ...]
    """Copies that the viewer may know of, their own first."""
    holders: tuple[str, ...]
    """Addresses of the users who hold these copies."""
    flags: tuple[str, ...]
    """IMAP flags of the first copy."""
    folder: str
    """Folder of the first copy."""


class FoundEmailResult(EmailResult):
    """An email in a search result or a thread."""

    records: tuple[RecordRef, ...]
    """All records on which the viewer sees it."""


class ShownEmailResult(FoundEmailResult):
    """An email in full."""

    content: Content
    """What the email says."""


class DeletedEmailResult(Result):
    """A deleted email that can be restored."""

    email: str
    """The email's id."""
    by: str
    """The user who deleted it, or ``operator``."""
    at: datetime
    """When it was deleted."""
    until: datetime
    """Until when it can be restored."""
    subject: str
    """Its subject for whoever held a copy; else empty."""
    sent_at: datetime
    """When it was sent."""


class RecordPage(Result):
    """The record page of a lead or contact."""

    record: Record
    """The record."""
    count: int
    """Number of emails that the viewer may see on it."""
    before: str | None
    """Value of ``--before`` for the next page; null on the last."""
    emails: list[EmailResult]
    """This page's emails, newest first."""
    suggested_addresses: list[SuggestedAddress]
    """Addresses that may also belong to the record."""
