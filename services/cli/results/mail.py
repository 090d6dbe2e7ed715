"""Record pages, emails and search results for programs."""

from __future__ import annotations

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
