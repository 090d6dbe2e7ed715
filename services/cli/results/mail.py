"""Record pages, emails and search results for programs."""

from __future__ import annotations

from datetime import datetime

from schemas.mail import Content
from schemas.records import Record, RecordRef
from services.cli.results.base import Result
from services.store import SuggestedAddress, VisibleEmail


class FoundEmailResult(VisibleEmail, Result):
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
    emails: list[VisibleEmail]
    """This page's emails, newest first."""
    suggested_addresses: list[SuggestedAddress]
    """Addresses that may also belong to the record."""
