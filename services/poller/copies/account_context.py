"""What all work on one account shares, and the keyed marks of its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog

from schemas.accounts import Account, Lease
from schemas.identity import address_hash, header_hash, message_id_hash
from schemas.ledger import Folder, Row
from services.amqp import Bus
from services.mailbox.imap import UidValidityChangedError
from services.poller.copies.doubts import Suspects
from services.poller.copies.headers import HeaderFacts
from services.poller.copies.metrics import PollerMetrics
from services.store import MarkState, Store

if TYPE_CHECKING:
    from services.amqp import Tracing


REFUSED = "refused"
"""Why a folder is not synchronised that the server refuses to open. Its rows are kept: it is tried again at every check."""


class Marker:
    """Makes the marks (keyed hashes) of a row. Caches those of addresses, since people write more than once."""

    def __init__(self, keys: Mapping[str, bytes], key_id: str, _others: dict[str, Marker] | None = None) -> None:
        """``keys`` are all keys by their ids; ``key_id`` is that of the one to use."""
        self.key_id = key_id
        self._keys, self._key = keys, keys[key_id]
        self._others = {} if _others is None else _others
        self._others[key_id] = self
        self._address = lru_cache(maxsize=65_536)(lambda address: address_hash(keys[key_id], address))

    def under(self, key_id: str) -> Marker | None:
        """Return the marker that uses another key; None if this process lacks the key."""
        if key_id not in self._keys:
            return None
        return self._others.get(key_id) or Marker(self._keys, key_id, self._others)

    def of_row(self, facts: HeaderFacts, own: Iterable[str]) -> tuple[bytes, ...]:
        """Return the marks of participants and thread ids, except of the account's own addresses, which are in all its mail."""
        marks = [self._address(address) for address in facts.participants.difference(own)]
        return (*marks, *(self.of_id(identifier) for identifier in _ids(facts)))

    def of_row_again(self, facts: HeaderFacts, before: Marker, marks: Collection[bytes]) -> tuple[bytes, ...]:
        """Return the marks of a row whose marks another key made: of the same addresses and ids, because an erasure removes some."""
        known = set(marks)
        people = [self._address(one) for one in facts.participants if before._address(one) in known]
        return (*people, *(self.of_id(one) for one in _ids(facts) if before.of_id(one) in known))

    def of_id(self, message_id: str) -> bytes:
        """Return the mark of a Message-ID."""
        return message_id_hash(self._key, message_id)

    def of_message_id(self, facts: HeaderFacts) -> bytes | None:
        """Return the mark of a mail's own Message-ID."""
        return None if facts.message_id is None else self.of_id(facts.message_id)

    def of_header(self, block: bytes) -> bytes:
        """Return the mark of a whole header block."""
        return header_hash(self._key, block)


def _ids(facts: HeaderFacts) -> Iterable[str]:
    """Return the distinct thread ids of a mail."""
    return dict.fromkeys(facts.references if facts.message_id is None else (facts.message_id, *facts.references))


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
    readers: Executor | None = None
    """Threads that read headers; None for the event loop's default threads."""
    folders: dict[str, Folder] = field(default_factory=dict)
    """By id, those that exist on the server."""
    listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Is held while new folders are added."""
    missed: dict[str, int] = field(default_factory=dict)
    """By folder id, how many consecutive LIST answers lacked it."""
    evidence: timedelta = timedelta(minutes=10)
    """How long a mail server must fail to deliver a mail until that is final."""
    suspects: Suspects = field(default_factory=Suspects)
    """The mails that may break the connection."""
    emptied: dict[str, float] = field(default_factory=dict)
    """By folder id, when most of its mail seemed to be gone, on the monotonic clock."""
    refused: dict[str, int] = field(default_factory=dict)
    """By folder id, how many attempts to open it for a backfill the server refused."""
    base: str = ""
    """The key of rows that do not name theirs."""
    former: tuple[Marker, ...] = ()
    """Of the keys that made marks before, while the deployment's key changes."""

    async def follow_key(self) -> MarkState:
        """Make marks with the key that the deployment uses now. Returns what is stored about the keys."""
        state = await self.store.mark_keys.state()
        # A process that was started without the new key continues with its own, which is still looked up.
        self.marker = self.marker.under(state.key) or self.marker
        self.base = state.base
        others = state.used - {self.marker.key_id}
        self.former = tuple(marker for name in sorted(others) if (marker := self.marker.under(name)))
        return state

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
