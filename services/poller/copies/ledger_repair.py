"""Compares one folder with its rows and repairs them: mail that came, went or changed unnoticed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from schemas.accounts import Folder, FolderState
from schemas.identity import copy_id
from schemas.ledger import DRAFT_FLAG, MISSING, UNREADABLE, WITHHELD, Row, RowState
from services.mailbox.imap import Fetched, ImapSession, uid_set, uid_windows
from services.poller.copies import relevance, removals
from services.poller.copies.account_context import AccountContext
from services.poller.copies.doubts import ask_other, doubt
from services.poller.copies.folder_scan import WINDOW
from services.poller.copies.header_reader import read_headers
from services.store import FolderPatch


class Repair(NamedTuple):
    """What a repair changed."""

    wanted: list[Row]
    """The new rows whose bodies are wanted."""
    missing: int
    """Rows that were added."""
    gone: int
    """Rows whose mail is gone."""


async def verify_folder(
    context: AccountContext, session: ImapSession, folder: Folder, *, epoch: int | None
) -> list[Row]:
    """Make the rows of a backfilled folder agree with the server. Return those whose bodies are wanted.

    New rows belong to the backfill ``epoch``.
    """
    async with session.opened(folder):
        repaired = await repair(context, session, folder, folder.uidnext - 1, epoch=epoch)
        if folder.highestmodseq is not None and session.condstore:
            # Flags may have changed after a window was read and before its rows were written.
            changed, _ = await session.flags(f"1:{max(1, folder.uidnext - 1)}", folder.highestmodseq)
            await store_flags(context, session, folder, changed)
    await removals.drop_superseded(context, folder)
    moment = datetime.now(UTC)
    # A folder that was recreated meanwhile was compared instead of walked, which is enough.
    done: dict[str, Any] = {"cursor": 1, "state": FolderState.ENUMERATED, "checked_at": moment}
    await context.store.folders.patch(context.lease, FolderPatch(folder.id, folder.uidvalidity, **done))
    context.update_folder(folder, **done)
    return repaired.wanted


async def repair(
    context: AccountContext, session: ImapSession, folder: Folder, last: int, *, epoch: int | None
) -> Repair:
    """Add rows for messages of the open folder up to uid ``last`` that lack one, and drop rows whose mail is gone.

    The server has to confirm that mail is gone. One window at a time is in memory.
    """
    wanted: list[Row] = []
    missing = gone = 0
    async for window in uid_windows(session, last):
        rows = await context.store.ledger.uids(
            context.account.id, folder.id, folder.uidvalidity, window.low, window.high
        )
        known, on_server = {row.uid for row in rows}, set(window.uids)
        if absent := sorted(known - on_server):
            gone += await removals.confirm_gone(context, session, folder, absent)
        lacking = sorted(on_server - known, reverse=True)
        missing += len(lacking)
        for start in range(0, len(lacking), WINDOW):
            wanted += await _add(context, session, folder, sorted(lacking[start : start + WINDOW]), epoch)
    return Repair(wanted, missing, gone)


async def read_headers_of(
    context: AccountContext, session: ImapSession, folder: Folder, uids: Sequence[int], epoch: int | None
) -> list[Fetched]:
    """Return the headers of mails of the open folder. One that breaks the connection gets a row, and is asked for alone later."""
    found: list[Fetched] = []
    for group in context.suspects.split(folder.id, uids):

        async def alone(group: Sequence[int] = group) -> None:
            await _set_aside(context, folder, group, UNREADABLE, epoch)

        async with context.suspects.asking(session, folder.id, group, alone=alone):
            found += await session.headers(group)
    return sorted(found, key=lambda message: message.uid)


async def _set_aside(
    context: AccountContext, folder: Folder, uids: Sequence[int], reason: str, epoch: int | None
) -> None:
    """Give mail of which nothing was read a row. What is final ends."""
    moment = datetime.now(UTC)
    fields = {"epoch": epoch, "state": RowState.PLANNED, "size": 0, "internal_date": moment}
    rows = [relevance.new_row(folder, uid, moment, **fields) for uid in uids]
    await context.store.poller_ledger.add_window(context.lease, rows, folder=None)
    await doubt(context, [row.id for row in rows], reason)


async def read_blank(context: AccountContext, session: ImapSession, folder: Folder, rows: Sequence[Row]) -> None:
    """Read the headers of mail again of which nothing was read yet, each that broke the connection alone."""
    async with session.opened(folder):
        for epoch in {row.epoch for row in rows}:
            together = [row.uid for row in rows if row.epoch == epoch and row.doubt != UNREADABLE]
            if together:
                await _add(context, session, folder, sorted(together), epoch)
        for row in rows:
            if row.doubt == UNREADABLE:
                await ask_other(context, session, row)
                await _add(context, session, folder, [row.uid], row.epoch)


async def _add(
    context: AccountContext, session: ImapSession, folder: Folder, uids: list[int], epoch: int | None
) -> list[Row]:
    messages = await read_headers_of(context, session, folder, uids, epoch)
    moment = datetime.now(UTC)
    rows: list[Row] = []
    left: Sequence[Fetched] = messages
    while left:
        group, left = await read_headers(context, session, left)
        decisions, version = await relevance.decide(context, folder, group, epoch=epoch, noticed_at=moment)
        rows += await relevance.write_rows(context, decisions, version, patch=None)
    received = {message.uid for message in messages}
    if missing := [uid for uid in uids if uid not in received]:
        existing = await session.existing(uid_set(missing))
        # The server may list mail that it does not deliver (Microsoft does so with deleted mail). The ledger must balance.
        await _set_aside(context, folder, [uid for uid in missing if uid in existing], WITHHELD, epoch)
        gone = [copy_id(folder.account, folder.id, folder.uidvalidity, uid) for uid in missing if uid not in existing]
        await doubt(context, gone, MISSING, apart=removals.APART)
    return rows


async def store_flags(
    context: AccountContext, session: ImapSession, folder: Folder, messages: list[Fetched], *, modseq: int | None = None
) -> None:
    """Store the flags of copies as on the server, with the modification sequence up to which they are complete.

    A draft that is none any more is decided on like new mail. Copies that cease or start to be live are announced.
    """
    flags = {
        copy_id(folder.account, folder.id, folder.uidvalidity, message.uid): relevance.flags_of(message)
        for message in messages
        if message.flags is not None
    }
    update = None if modseq is None else FolderPatch(folder.id, folder.uidvalidity, highestmodseq=modseq)
    if not flags and update is None:
        return
    # First, because the flags are not asked for again once they are stored.
    if sent := await context.store.ledger.drafts(row for row, names in flags.items() if DRAFT_FLAG not in names):
        await _add(context, session, folder, sent, None)
    keys = await context.store.poller_ledger.set_flags(context.lease, flags, folder=update)
    await removals.announce(context, keys, [*flags, datetime.now(UTC).isoformat()])
