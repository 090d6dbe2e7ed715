"""What all work on one account shares, and the keyed marks of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog

from schemas.accounts import Account, Folder, Lease
from schemas.identity import address_hash, header_hash, message_id_hash
from schemas.ledger import Row
from services.amqp.delivery.bus import Bus
from services.mailbox.imap import UidValidityChangedError
from services.poller.copies.headers import HeaderFacts
from services.poller.copies.metrics import PollerMetrics
from services.store import Store

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing


class Marker:
    """Makes the marks (keyed hashes) of a row. Caches those of addresses, since people write more than once."""

    def __init__(self, keys: Mapping[str, bytes], key_id: str) -> None:
        """``keys`` are all keys by their ids; ``key_id`` is that of the one to use."""
        self.key_id = key_id
        self._key = key = keys[key_id]
        self._address = lru_cache(maxsize=65_536)(lambda address: address_hash(key, address))

    def of_row(self, facts: HeaderFacts, own: Iterable[str]) -> tuple[bytes, ...]:
        """Return the marks of participants and thread ids, except of the account's own addresses, which are in all its mail."""
        marks = [self._address(address) for address in facts.participants.difference(own)]
        ids = facts.references if facts.message_id is None else (facts.message_id, *facts.references)
        marks += [message_id_hash(self._key, identifier) for identifier in dict.fromkeys(ids)]
        return tuple(marks)

    def of_message_id(self, facts: HeaderFacts) -> bytes | None:
        """Return the mark of a mail's own Message-ID."""
        return None if facts.message_id is None else message_id_hash(self._key, facts.message_id)

    def of_header(self, block: bytes) -> bytes:
        """Return the mark of a whole header block."""
        return header_hash(self._key, block)


@dataclass(slots=True)
class AccountContext:
    """One account under one lease. ``account`` and ``folders`` follow what is stored."""

    account: Account
    lease: Lease
    store: Store
    bus: Bus
    marker: Marker
    metrics: PollerMetrics
    max_bytes: int
    """Larger mail is skipped."""
    log: structlog.typing.FilteringBoundLogger
    tracing: Tracing | None = None
    """None if tracing is off."""
    folders: dict[str, Folder] = field(default_factory=dict)
    """By id, those that exist on the server."""
    missed: dict[str, int] = field(default_factory=dict)
    """By folder id, how many consecutive LIST answers lacked it."""

    def update_folder(self, folder: Folder, **changes: Any) -> None:
        """Update the known folder with what was stored, unless it was recreated meanwhile."""
        if self.is_still(folder):
            self.folders[folder.id] = self.folders[folder.id].model_copy(update=changes)

    def is_still(self, folder: Folder) -> bool:
        """Whether the folder still exists with the same uids. Another connection may have found it gone or recreated."""
        now = self.folders.get(folder.id)
        return now is not None and now.uidvalidity == folder.uidvalidity

    def folder_of(self, row: Row) -> Folder:
        """Return the folder of a row.

        Raises:
            UidValidityChangedError: the folder is gone or has other uids.
        """
        folder = self.folders.get(row.folder)
        if folder is None or folder.uidvalidity != row.uidvalidity:
            raise UidValidityChangedError(row.folder)
        return folder

    @property
    def selected(self) -> list[Folder]:
        """The folders whose mail is synchronised."""
        return [folder for folder in self.folders.values() if folder.selected]
