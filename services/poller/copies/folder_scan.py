"""Walks the uids of a folder in windows, newest first, however sparse they are."""

from __future__ import annotations

from typing import NamedTuple

from schemas.ledger import Folder
from services.mailbox.imap import SPAN, ImapSession, UidSpan

WINDOW = 500
"""Messages whose headers are one FETCH and whose rows are one transaction."""


class Window(NamedTuple):
    """A range of uids of a folder."""

    folder: str
    low: int
    """Its lowest uid, which is the new cursor; 1 for the last window."""
    high: int
    """Its highest uid."""
    uids: list[int]
    """The uids on the server, ascending, at most ``WINDOW``."""


class FolderScan:
    """Walks a folder down from its cursor."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._cursor = folder.cursor
        self._floor = folder.cursor
        self._span: UidSpan | None = None
        self._found: list[int] = []

    @property
    def done(self) -> bool:
        """Whether the last window was returned."""
        return self._cursor <= 1

    async def next(self, session: ImapSession) -> Window:
        """Return the next window. The folder must be open."""
        span = self._span = self._span or UidSpan(SPAN, session.exists)
        while not self._found and self._floor > 1:
            await span.seek(session, self._floor - 1)
            low = max(1, self._floor - span.width)
            self._found = await session.uids(low, self._floor - 1)
            self._floor = low
            span.found(len(self._found))
        uids, self._found = self._found[-WINDOW:], self._found[:-WINDOW]
        low = uids[0] if uids and (self._found or self._floor > 1) else 1
        window = Window(self.folder.id, low, self._cursor - 1, uids)
        self._cursor = low
        return window
