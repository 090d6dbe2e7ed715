"""What everything that works on one account shares, and the keyed marks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import structlog

from schemas.accounts import Account, Folder, Lease
from schemas.identity import address_mark, header_mark, thread_mark
from schemas.ledger import Row
from services.amqp.delivery.bus import Bus
from services.mailbox.imap import UidValidityChangedError
from services.poller.sync.headers import HeaderFacts
from services.poller.sync.metrics import PollerMetrics
from services.store import Store

if TYPE_CHECKING:
    from services.amqp.delivery.tracing import Tracing


class Marker:
    """Makes the keyed hashes of a row; those of addresses are remembered, since people write more than once."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._address = lru_cache(maxsize=65_536)(lambda address: address_mark(key, address))

    def of_row(self, facts: HeaderFacts, own: Iterable[str]) -> tuple[bytes, ...]:
        """Return the marks of participants and thread ids. The account's own addresses have none: they say nothing of relevance."""
        marks = [self._address(address) for address in facts.participants.difference(own)]
        ids = facts.references if facts.message_id is None else (facts.message_id, *facts.references)
        marks += [thread_mark(self._key, identifier) for identifier in dict.fromkeys(ids)]
        return tuple(marks)

    def of_header(self, block: bytes) -> bytes:
        """Return the mark of a whole header block."""
        return header_mark(self._key, block)


@dataclass(slots=True)
class AccountContext:
    """One account, held under one lease. ``account`` and ``folders`` follow what is stored."""

    account: Account
    lease: Lease
    store: Store
    bus: Bus
    marker: Marker
    metrics: PollerMetrics
    max_bytes: int
    """Mail above this size is skipped."""
    log: structlog.typing.FilteringBoundLogger
    tracing: Tracing | None = None
    """None where nothing is traced."""
    folders: dict[str, Folder] = field(default_factory=dict)
    """By id; those that are on the server."""
    missed: dict[str, int] = field(default_factory=dict)
    """How many LIST answers in a row lacked a folder."""

    def remember(self, folder: Folder, **changes: Any) -> None:
        """Note what was stored of a folder, unless it was begun anew meanwhile."""
        if self.is_still(folder):
            self.folders[folder.id] = self.folders[folder.id].model_copy(update=changes)

    def is_still(self, folder: Folder) -> bool:
        """Whether a folder is there, with the uids that it had: other connections may have found it gone, or begun anew."""
        now = self.folders.get(folder.id)
        return now is not None and now.uidvalidity == folder.uidvalidity

    def folder_of(self, row: Row) -> Folder:
        """Return the folder of a row.

        Raises:
            UidValidityChangedError: it is gone, or has other uids by now.
        """
        folder = self.folders.get(row.folder)
        if folder is None or folder.uidvalidity != row.uidvalidity:
            raise UidValidityChangedError(row.folder)
        return folder

    @property
    def selected(self) -> list[Folder]:
        """The folders whose mail is synchronised."""
        return [folder for folder in self.folders.values() if folder.selected]
