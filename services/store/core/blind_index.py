"""Marks: keyed hashes by which addresses and Message-IDs are kept and asked for where nothing readable may be.

The poller asks about every mail of a mailbox, most of which is about no record. Whatever the database is asked it may write
down (a profiler, a log of slow queries), so it is asked by marks.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.identity import address_mark, thread_mark
from services.store.core.config import StoreConfig
from services.store.core.errors import StoreError


class Marks:
    """Makes them with the deployment's key; a process without the key can make none."""

    def __init__(self, config: StoreConfig) -> None:
        self._key = config.mark_key

    @property
    def _known_key(self) -> bytes:
        if self._key is None:
            raise StoreError("this process has no LEADMAIL_SECRET_KEY and can make no marks")
        return self._key

    def address(self, address: str) -> bytes:
        """Return the mark of a normal address."""
        return address_mark(self._known_key, address)

    def message_id(self, message_id: str) -> bytes:
        """Return the mark of a Message-ID."""
        return thread_mark(self._known_key, message_id)

    def of_addresses(self, addresses: Iterable[str]) -> dict[bytes, str]:
        """Return normal addresses by their marks."""
        return {self.address(address): address for address in set(addresses)}

    def of_message_ids(self, message_ids: Iterable[str | None]) -> dict[bytes, str]:
        """Return Message-IDs by their marks; empty ones are left out."""
        return {self.message_id(message_id): message_id for message_id in set(message_ids) if message_id}
