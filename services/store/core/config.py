"""What the store is told at start: keys, and where the CRM keeps what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Settings of the store; the defaults suit tests."""

    mark_key: bytes | None
    """Key of the marks in the ledger (HMAC-SHA256); 32 bytes. None for a process that makes none (parser, notifier)."""
    leads: str = "leads"
    """The CRM's collection of leads."""
    contacts: str = "contacts"
    address_fields: tuple[str, ...] = ("email", "emails", "email_addresses")
    """Fields that hold addresses: texts, arrays of texts, arrays of documents with ``email``, ``address`` or ``value``; dots lead on."""
    name_fields: tuple[str, ...] = ("name", "full_name", "first_name,last_name")
    """The first that is there counts; several joined by commas make one name."""
    owner_field: str = "owner"
    company_field: str = "company"
    readers_field: str = ""
    """Field that lists the users who may read a record; empty where every user may read every record."""
    summary_field: str = "leadmail"
    """The one field of the CRM's documents that Leadmail writes."""
    lease_seconds: float = 15.0
    """How long a poller that died keeps its accounts."""

    def __post_init__(self) -> None:
        """Refuse what would make marks that anybody can compute, or overwrite the CRM's own data."""
        if self.mark_key is not None and len(self.mark_key) < 16:  # noqa: PLR2004 - as many bytes as a mark has
            raise ValueError("the key of the marks must have at least 16 bytes")
        roots = {name.split(".")[0] for field in (*self.address_fields, *self.name_fields) for name in field.split(",")}
        if (
            self.summary_field in roots | {self.owner_field, self.company_field, self.readers_field, "_id"}
            or "." in self.summary_field
        ):
            raise ValueError(f"the summary field {self.summary_field!r} must be a top-level field of its own")
