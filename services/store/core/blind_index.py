"""The blind index: keyed hashes by which the database finds addresses and Message-IDs that it must not hold in the clear.

The poller looks up every mail of a mailbox, and most of them concern no record. MongoDB may write down any query (profiler,
slow query log), so queries carry hashes. Stored fields and their indexes are called ``mark``, ``marks`` and ``id_mark``.
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.identity import address_hash, message_id_hash
from services.store.core.config import StoreConfig
from services.store.core.errors import StoreError


class BlindIndex:
    """Makes hashes with the deployment's key. A process without the key cannot make any."""

    def __init__(self, config: StoreConfig) -> None:
        self._key = config.blind_index_key

    @property
    def _known_key(self) -> bytes:
        if self._key is None:
            raise StoreError("this process has no LEADMAIL_SECRET_KEY, so it cannot look up addresses")
        return self._key

    def address(self, address: str) -> bytes:
        """Return the hash of a normal address."""
        return address_hash(self._known_key, address)

    def message_id(self, message_id: str) -> bytes:
        """Return the hash of a Message-ID."""
        return message_id_hash(self._known_key, message_id)

    def by_address_hash(self, addresses: Iterable[str]) -> dict[bytes, str]:
        """Return normal addresses by their hashes."""
        return {self.address(address): address for address in set(addresses)}

    def by_message_id_hash(self, message_ids: Iterable[str | None]) -> dict[bytes, str]:
        """Return Message-IDs by their hashes, without empty ones."""
        return {self.message_id(message_id): message_id for message_id in set(message_ids) if message_id}
