"""The blind index: keyed hashes by which the database finds addresses and Message-IDs that it must not hold in the clear.

The poller looks up every mail of a mailbox, and most of them concern no record. MongoDB may write down any query (profiler,
slow query log), so queries carry hashes. Stored fields and their indexes are called ``mark``, ``marks`` and ``id_mark``. While the
deployment's key changes, there is a hash by each key (``mark_keys``).
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.identity import address_hash, message_id_hash
from services.store.core.config import StoreConfig
from services.store.core.errors import StoreError


class BlindIndex:
    """Makes hashes with the deployment's keys. A process without a key cannot make any."""

    def __init__(self, config: StoreConfig) -> None:
        self._keys = tuple(config.blind_index_keys.values())

    @property
    def _known_keys(self) -> tuple[bytes, ...]:
        if not self._keys:
            raise StoreError("this process has no LEADMAIL_SECRET_KEY, so it cannot look up addresses")
        return self._keys

    def address(self, address: str) -> list[bytes]:
        """Return the hashes of a normal address, that by the current secret first."""
        return [address_hash(key, address) for key in self._known_keys]

    def message_id(self, message_id: str) -> list[bytes]:
        """Return the hashes of a Message-ID, that by the current secret first."""
        return [message_id_hash(key, message_id) for key in self._known_keys]

    def by_address_hash(self, addresses: Iterable[str]) -> dict[bytes, str]:
        """Return normal addresses by their hashes."""
        return {one: address for address in set(addresses) for one in self.address(address)}

    def by_message_id_hash(self, message_ids: Iterable[str | None]) -> dict[bytes, str]:
        """Return Message-IDs by their hashes, without empty ones."""
        return {one: message_id for message_id in set(message_ids) if message_id for one in self.message_id(message_id)}
