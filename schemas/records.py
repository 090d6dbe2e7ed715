"""Leads and contacts of the CRM, and the index of their addresses: documents of ``addresses``."""

from __future__ import annotations

from typing import Literal

from schemas.base import Contract, Utc

RecordKind = Literal["lead", "contact"]


class RecordRef(Contract):
    """Names a lead or a contact."""

    kind: RecordKind
    """``lead`` or ``contact``."""
    id: str
    """The CRM document's ``_id`` as text: the 24 hex digits of an ObjectId, else ``str()`` of it."""

    def __str__(self) -> str:
        """Return ``lead:<id>`` or ``contact:<id>``."""
        return f"{self.kind}:{self.id}"


class Record(Contract):
    """A lead or a contact, as far as Leadmail reads it."""

    ref: RecordRef
    """Kind and id of the CRM document."""
    name: str = ""
    """Display name; empty if the CRM has none."""
    owner: str | None = None
    """The user whom the CRM names as responsible."""
    company: str | None = None
    """The company that the CRM names."""
    addresses: tuple[str, ...] = ()
    """Normal forms. Whatever is not an address in the CRM document is left out."""


class KnownAddress(Contract):
    """An address of a record. Document id: ``<kind>:<record>/<address>``; old addresses stay as history."""

    address: str
    record: RecordRef
    current: bool = True
    """False when the record no longer has it: its mail stays on the record."""
    mark: bytes
    """``identity.address_hash`` of it: finds ledger rows."""
    mark_key: str | None = None
    """The id of the key of ``mark``; None if version 0.1 stored it."""
    since: Utc


class SummaryLine(Contract):
    """One line of the bounded summary in the CRM's own document (field ``leadmail.newest``): shared mail only."""

    email: str
    sent_at: Utc
    subject: str
    snippet: str
    direction: Literal["in", "out"]
    """``out`` if a colleague wrote it, else ``in``."""
    sender: str
