"""Reads the headers of mail again whose marks another key made, and replaces its marks. A few mails at a time, after all other work.

Rows that version 0.1 wrote do not name their key and lack the mark of their Message-ID, so they are read again, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic

from schemas.ledger import Folder, Row
from services.mailbox.imap import ImapSession, RefusedError, UidValidityChangedError
from services.poller.copies import removals
from services.poller.copies.account_context import AccountContext
from services.poller.copies.folder_scan import WINDOW
from services.poller.copies.header_reader import MessageHeader, header_groups
from services.store import RemarkedRow

AT_ONCE = 2_000
"""Rows per turn."""
PAUSE_SECONDS = 3600.0
"""How long a mail waits that the server does not return."""


class MarkRenewal:
    """Knows whether rows are left, and which of them the server did not return of late."""

    def __init__(self, context: AccountContext) -> None:
        self._context = context
        self._withheld: dict[str, float] = {}
        """When each row was tried, by its id."""
        self.due = False
        """Whether there is something to do."""

    async def look(self) -> bool:
        """Look for rows. Returns whether there are any."""
        self.due = bool(await self._rows(1))
        return self.due

    async def _rows(self, limit: int) -> list[Row]:
        state = await self._context.follow_key()
        if state.key != self._context.marker.key_id:
            self._context.log.error("this process lacks the current secret, restart it", key=state.key)
            return []
        self._withheld = {row: at for row, at in self._withheld.items() if monotonic() - at < PAUSE_SECONDS}
        return await self._context.store.remarking.rows(
            self._context.account.id, state.key, limit=limit, but=self._withheld
        )

    async def run(self, session: ImapSession) -> None:
        """Take one turn. The next one comes when ``look`` finds more."""
        self.due = False
        by_folder: dict[tuple[str, int], list[Row]] = {}
        for row in await self._rows(AT_ONCE):
            by_folder.setdefault((row.folder, row.uidvalidity), []).append(row)
        for (folder_id, uidvalidity), rows in sorted(by_folder.items()):
            folder = self._context.folders.get(folder_id)
            if not folder or not folder.selected or folder.uidvalidity != uidvalidity:
                self._wait(rows)  # the comparison with the mailbox drops them
                continue
            try:
                async with session.opened(folder):
                    for start in range(0, len(rows), WINDOW):
                        await self._read(session, folder, rows[start : start + WINDOW])
            except (RefusedError, UidValidityChangedError) as error:
                self._wait(rows)
                self._context.log.info("folder cannot be read again", folder=folder_id, error=str(error)[:100])

    def _wait(self, rows: Iterable[Row]) -> None:
        self._withheld |= dict.fromkeys((row.id for row in rows), monotonic())

    async def _read(self, session: ImapSession, folder: Folder, rows: Sequence[Row]) -> None:
        context, marker = self._context, self._context.marker
        bare = [RemarkedRow(row, (), None, b"") for row in rows if not row.marks and not row.header]
        wanted = {row.uid: row for row in rows if row.marks or row.header}

        async def alone(uids: Sequence[int], _: str) -> None:
            self._wait(wanted[uid] for uid in uids)

        messages = await context.suspects.headers(session, folder.id, sorted(wanted), alone=alone)
        await context.store.remarking.save(context.lease, bare, marker.key_id)
        received = [message for message in messages if message.uid in wanted]
        absent = wanted.keys() - {message.uid for message in received}
        async for group, _ in header_groups(context, session, received):
            self._wait(wanted[header.message.uid] for header in group if header.withheld)
            await self._save([(wanted[header.message.uid], header) for header in group if not header.withheld])
        if absent:
            self._wait(wanted[uid] for uid in absent)
            await removals.confirm_gone(context, session, folder, sorted(absent))

    async def _save(self, read: Sequence[tuple[Row, MessageHeader]]) -> None:
        context = self._context
        marked = await asyncio.to_thread(lambda: [self._mark(row, header) for row, header in read])
        if read:
            await context.store.remarking.save(context.lease, marked, read[0][1].marker.key_id)
        await context.store.message_ids.note(context.lease, [row.id_mark for row in marked if row.id_mark])

    def _mark(self, row: Row, header: MessageHeader) -> RemarkedRow:
        """Return the row's new marks. If this process lacks the key of the old ones, they are those of a new mail."""
        facts, marker = header.facts, header.marker
        before = marker.under(row.mark_key or self._context.base)
        marks = marker.of_row_again(facts, before, row.marks) if before else header.marks
        id_mark = marker.of_message_id(facts)
        return RemarkedRow(row, marks, id_mark if id_mark in marks else None, header.mark)
