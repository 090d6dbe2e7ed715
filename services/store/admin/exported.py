"""What an export for a data subject holds, besides the contents of emails."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from schemas.base import Contract
from schemas.records import RecordRef
from services.store.core.audit import AuditEntry
from services.store.mail.dead_letters import DeadLetter


class ExportedRecord(Contract):
    """A lead or contact that has or had the address."""

    record: RecordRef
    name: str = ""
    company: str | None = None
    owner: str | None = None
    addresses: tuple[str, ...] = ()
    in_crm: bool
    """False if the CRM no longer has it."""


class ExportedCopy(Contract):
    """Where a copy is."""

    account: str
    """The account's address."""
    folder: str
    flags: tuple[str, ...] = ()
    size: int = 0
    received_at: datetime


class ExportedEmail(Contract):
    """An email that names the address, or is on a record because of it. Separate files hold its content."""

    email: str
    sent_at: datetime
    subject: str
    roles: tuple[str, ...]
    """Roles of the address: ``from``, ``to`` …; ``bcc`` if a copy has it; ``thread`` if the email does not name it."""
    records: tuple[RecordRef, ...]
    copies: tuple[ExportedCopy, ...]
    """Of accounts that the email names, or that have the address. Other holders stay unnamed."""
    deleted_at: datetime | None = None
    """When it was deleted in the CRM. Its copies are among those that were not imported."""
    kept_until: datetime | None = None
    """Until when the content of a deleted email is kept, because the deletion can be undone."""


class Dossier(NamedTuple):
    """Everything except the contents of emails."""

    address: str
    records: list[ExportedRecord]
    accounts: list[dict[str, Any]]
    """Accounts with it as owner, address or alias, without credentials."""
    emails: list[ExportedEmail]
    unread: list[ExportedCopy]
    """Copies of mail that names it and was not imported. Only their location is known."""
    dead_letters: list[DeadLetter]
    audit: list[AuditEntry]
