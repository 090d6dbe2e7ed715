"""How a folder looked at one moment, to tell whether it changed since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

from services.mailbox.imap import Selected


class FolderSnapshot(NamedTuple):
    """What EXAMINE or STATUS says of a folder; numbers that the server leaves out are 0."""

    uidvalidity: int
    uidnext: int
    messages: int
    highestmodseq: int

    @classmethod
    def of_selected(cls, selected: Selected) -> Self:
        """Return the snapshot of a folder that was just opened."""
        return cls(selected.uidvalidity, selected.uidnext, selected.exists, selected.highestmodseq or 0)

    @classmethod
    def of_status(cls, status: Mapping[str, int]) -> Self:
        """Return the snapshot that a STATUS answer gives."""
        return cls(*(status.get(name, 0) for name in cls._fields))

    def shrinks_to(self, later: FolderSnapshot) -> bool:
        """Whether mail has left the folder between two snapshots, as far as numbers tell."""
        return later.messages < self.messages + later.uidnext - self.uidnext
