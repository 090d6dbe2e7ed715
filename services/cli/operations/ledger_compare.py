"""Compares an account's ledger with its mail server, folder by folder. It only reads, on its own connection.

It stays correct while mail arrives: messages that the poller cannot have seen yet are counted separately, and
differences are checked twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from schemas.accounts import Account
from schemas.ledger import UNFINISHED, EpochState, Folder, FolderState, RowState
from services.mailbox.imap import Listed, MailboxReader, OpenFolder, plan_folders, same_uids
from services.store import KnownUid, Store

SETTLE_SECONDS = 2.0
"""Time before differences are checked again, in which a poller that the server notified can catch up."""


UNREADABLE = ("refused", "contradicted")
"""Notes on folders that could not be compared."""


@dataclass(slots=True)
class FolderBalance:
    """The comparison of a folder. If it could be opened, ``server`` = ``rows`` + ``lost`` + ``unseen`` - ``stale``."""

    name: str
    note: str | None = None
    """``new-folder``: no poller has seen it yet; ``no-folder``: the server no longer has it;
    ``new-uids``: its uidvalidity changed and the ledger has not followed yet; ``refused``: it cannot be opened;
    ``contradicted``: the server says that it holds another number of messages than it names;
    ``left-out``: it is not synchronised but has rows."""
    server: int | None = 0
    """Number of messages; None if it cannot be known."""
    states: dict[RowState, int] = field(default_factory=dict)
    """Its rows by state, except ``gone``."""
    lost: list[int] = field(default_factory=list)
    """Uids that should have a row but have none."""
    stale: list[int] = field(default_factory=list)
    """Uids that have a row but are not on the server."""
    void: int = 0
    """Number of other rows without a message: from an earlier uidvalidity or a deleted folder."""
    unseen: int = 0
    """Number of messages that arrived after the poller's last check, or that a running backfill has not reached."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(self.states.values())

    @property
    def unfinished(self) -> int:
        """Number of rows without a final state."""
        return sum(self.states.get(state, 0) for state in UNFINISHED)

    @property
    def balanced(self) -> bool:
        """Whether it has no gap and could be compared."""
        return not (self.lost or self.stale or self.void or self.note in UNREADABLE)

    def add(self, state: RowState, count: int = 1) -> None:
        """Add to the count of a state, or subtract from it."""
        self.states[state] = self.states.get(state, 0) + count


async def compare_account(store: Store, account: Account, reader: MailboxReader) -> list[FolderBalance]:
    """Compare every synchronised folder, new folders, and rows that belong to no folder.

    Raises:
        MailServerError: the connection was lost.
    """
    known = {folder.id: folder for folder in await store.folders.of(account.id)}
    epoch = await store.epochs.get(account.id, account.epoch)
    backfilling = account.resync_requested or (epoch is not None and epoch.state is EpochState.ENUMERATING)
    listed = await reader.folders()
    compared = [folder for folder in known.values() if folder.selected and folder.state is not FolderState.GONE]
    found = [await _Comparison(store, reader, folder, listed, backfilling=backfilling).run() for folder in compared]
    planned = plan_folders(account, listed, gmail=reader.gmail)
    for folder in planned:
        if folder.selected and (folder.id not in known or known[folder.id].state is FolderState.GONE):
            opened = await reader.read(folder.raw_name)
            found.append(FolderBalance(folder.name, "new-folder", None if opened is None else len(opened.uids)))
            found[-1].unseen = found[-1].server or 0
    if not backfilling:  # which drops what its owner took out when it opens
        found += await _left_out(store, account, {folder.id for folder in compared}, known)
    return found


async def _left_out(
    store: Store, account: Account, compared: set[str], known: dict[str, Folder]
) -> list[FolderBalance]:
    strays: list[FolderBalance] = []
    for folder, totals in (await store.ledger_counts.totals(account.id)).items():
        if folder not in compared and totals.rows:
            name = known[folder].name if folder in known else folder
            stray = FolderBalance(name, "left-out", None)
            for state, count in totals.states.items():
                stray.add(state, count)
            stray.void = totals.rows
            strays.append(stray)
    return strays


class _Comparison:
    """Of one folder."""

    def __init__(
        self, store: Store, reader: MailboxReader, folder: Folder, listed: list[Listed], *, backfilling: bool
    ) -> None:
        self._store = store
        self._reader = reader
        self._folder = folder
        self._on_server = folder.raw_name in {entry.raw_name for entry in listed}
        self._backfilling = backfilling or folder.cursor > 1
        self._found = FolderBalance(folder.name)
        self._known: dict[int, RowState] = {}
        """State by uid, of the uids that differ."""

    async def run(self) -> FolderBalance:
        found = self._found
        opened = await self._read()
        # By its uids alone: a folder that never had mail holds none.
        if opened is None or not same_uids(self._folder, opened.uidvalidity, max(opened.uids, default=0) + 1):
            await self._count_rows()
            found.server = found.unseen = len(opened.uids) if opened else 0
            if opened is not None or not self._on_server:
                found.note = "no-folder" if opened is None else "new-uids"
                found.void = found.rows
            else:
                found.note, found.server = "refused", None
            return found
        if not opened.agreed:
            await self._count_rows()
            found.note, found.server = "contradicted", None
            return found
        await self._look(opened.uids)
        if found.lost or found.stale:
            await asyncio.sleep(SETTLE_SECONDS)
            await self._look_again()
        if not self._backfilling:
            found.void = await self._superseded()
        return found

    async def _read(self) -> OpenFolder | None:
        """Read the folder; again if mail came or went meanwhile."""
        opened = await self._reader.read(self._folder.raw_name)
        return opened if opened is None or opened.agreed else await self._reader.read(self._folder.raw_name)

    async def _look(self, uids: frozenset[int]) -> None:
        found, folder = self._found, self._folder
        rows = {row.uid: row.state for row in await self._rows(0)}
        found.server = len(uids)
        self._add(rows)
        for uid in sorted(uids - rows.keys()):
            if folder.cursor <= uid < folder.live_next:
                found.lost.append(uid)
            else:
                found.unseen += 1
        self._differ({uid: state for uid, state in rows.items() if uid not in uids})

    async def _look_again(self) -> None:
        """Keep only what still differs, and update the counts of what has changed."""
        found, doubtful = self._found, sorted({*self._found.lost, *self._found.stale})
        opened = await self._read()
        there = opened.uids.intersection(doubtful) if opened else frozenset[int]()
        rows = {row.uid: row.state for row in await self._rows(doubtful[0], doubtful[-1])}
        assert found.server is not None
        found.server += len(there.intersection(found.stale)) - len(set(found.lost) - there)
        for uid in doubtful:
            before, now = self._known.get(uid), rows.get(uid)
            if before is not None:
                found.add(before, -1)
            if now is not None:
                found.add(now)
        found.lost = [uid for uid in doubtful if uid in there and uid not in rows]
        found.stale = [uid for uid in doubtful if uid in rows and uid not in there]

    async def _superseded(self) -> int:
        """Count the rows of earlier uidvalidities and return their number."""
        store, folder, count = self._store, self._folder, 0
        for uidvalidity in await store.ledger.uidvalidities(folder.account, folder.id):
            if uidvalidity != folder.uidvalidity:
                rows = await store.ledger.uids(folder.account, folder.id, uidvalidity)
                self._add({row.uid: row.state for row in rows})
                count += len(rows)
        return count

    async def _count_rows(self) -> None:
        for row in await self._rows(0):
            self._found.add(row.state)

    async def _rows(self, first: int, last: int = 4_294_967_295) -> list[KnownUid]:
        folder = self._folder
        return await self._store.ledger.uids(folder.account, folder.id, folder.uidvalidity, first, last)

    def _add(self, rows: dict[int, RowState]) -> None:
        for state, count in Counter(rows.values()).items():
            self._found.add(state, count)

    def _differ(self, rows: dict[int, RowState]) -> None:
        self._found.stale += sorted(rows)
        self._known |= rows
