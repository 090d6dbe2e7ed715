"""The store's settings: keys, and where the CRM keeps its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Settings of the store. The defaults suit tests."""

    blind_index_keys: Mapping[str, bytes]
    """Keys of the blind index (HMAC-SHA256, 32 bytes) by their ids, the oldest last. A process without any looks nothing up."""
    leads: str = "leads"
    """The CRM's collection of leads."""
    contacts: str = "contacts"
    address_fields: tuple[str, ...] = ("email", "emails", "email_addresses")
    """Fields, or dotted paths, with addresses: texts, arrays of texts, or of documents with ``email``, ``address`` or ``value``."""
    name_fields: tuple[str, ...] = ("name", "full_name", "first_name,last_name")
    """The first one present is used. Fields joined by commas make one name."""
    owner_field: str = "owner"
    company_field: str = "company"
    readers_field: str = ""
    """Field that lists the users who may read a record. Empty if every user may read every record."""
    summary_field: str = "leadmail"
    """The one field of the CRM's documents that Leadmail writes."""
    lease_seconds: float = 15.0
    """How long a dead poller keeps its accounts."""
    undo_days: float = 14.0
    """How long the deletion of an email can be undone."""

    def __post_init__(self) -> None:
        """Refuse a key that is too short to be secret and a summary field that would overwrite the CRM's own data."""
        if any(len(key) < 16 for key in self.blind_index_keys.values()):  # noqa: PLR2004 - as many bytes as a hash has
            raise ValueError("the key of the blind index must have at least 16 bytes")
        roots = {name.split(".")[0] for names in (*self.address_fields, *self.name_fields) for name in names.split(",")}
        if (
            self.summary_field in roots | {self.owner_field, self.company_field, self.readers_field, "_id"}
            or "." in self.summary_field
        ):
            raise ValueError(f"the summary field {self.summary_field!r} must be a top-level field of its own")
