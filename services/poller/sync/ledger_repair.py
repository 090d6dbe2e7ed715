"""Comparing the ledger with the server, folder by folder: what went or changed while a window was on its way is repaired here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from schemas.accounts import Folder, FolderState
from schemas.identity import copy_id
from schemas.ledger import Row, RowState
from services.mailbox.imap import Fetched, ImapSession, uid_windows
from services.poller.sync import relevance, removals
from services.poller.sync.account_context import AccountContext
from services.poller.sync.folder_scan import WINDOW
from services.store import FolderPatch


class Repair(NamedTuple):
    """What the ledger lacked and had too much."""

    wanted: list[Row]
    """Of the rows that were added, those whose bodies are to be fetched."""
    missing: int
    gone: int


async def verify_folder(
    context: AccountContext, session: ImapSession, folder: Folder, *, epoch: int | None
) -> list[Row]:
    """Make the ledger say of the backfill's uids what the server says. Returns rows whose bodies are wanted.

    Args:
        context: the account.
        session: its connection.
        folder: enumerated down to uid 1.
        epoch: the backfill that newly found mail belongs to.
    """
    async with session.opened(folder):
        repaired = await repair(context, session, folder, folder.uidnext - 1, epoch=epoch)
        if folder.highestmodseq is not None and session.condstore:
            # While windows were on their way from the server to the ledger nobody could take over what changed in them.
            changed, _ = await session.flags(f"1:{max(1, folder.uidnext - 1)}", folder.highestmodseq)
            await store_flags(context, folder, changed)
    await removals.drop_superseded(context, folder)
    moment = datetime.now(UTC)
    # One that was begun anew in between was not walked, but compared: it is through all the same.
    through: dict[str, Any] = {"cursor": 1, "state": FolderState.ENUMERATED, "checked_at": moment}
    await context.store.folders.patch(context.lease, FolderPatch(folder.id, folder.uidvalidity, **through))
    context.remember(folder, **through)
    return repaired.wanted


async def repair(
    context: AccountContext, session: ImapSession, folder: Folder, last: int, *, epoch: int | None
) -> Repair:
    """Give every message of the open folder up to a uid a row, and note as gone what is not there by a second answer.

    The folder is gone through in windows: in memory is one of them.
    """
    wanted: list[Row] = []
    missing = gone = 0
    async for window in uid_windows(session, last):
        rows = await context.store.ledger.uids(
            context.account.id, folder.id, folder.uidvalidity, window.low, window.high
        )
        known, there = {row.uid for row in rows}, set(window.uids)
        if absent := sorted(known - there):
            gone += await removals.confirm_gone(context, session, folder, absent)
        lacking = sorted(there - known, reverse=True)
        missing += len(lacking)
        for start in range(0, len(lacking), WINDOW):
            wanted += await _add(context, session, folder, sorted(lacking[start : start + WINDOW]), epoch)
    return Repair(wanted, missing, gone)


async def _add(
    context: AccountContext, session: ImapSession, folder: Folder, uids: list[int], epoch: int | None
) -> list[Row]:
    messages = await session.headers(uids)
    moment = datetime.now(UTC)
    decisions, version = await relevance.decide(context, folder, messages, epoch=epoch, noticed_at=moment)
    rows = await relevance.write_rows(context, decisions, version, patch=None)
    given = {message.uid for message in messages}
    there = await session.existing(",".join(map(str, uids)))
    withheld = [uid for uid in uids if uid in there and uid not in given]
    if withheld:
        # Listed, but not given out (Microsoft's deleted mail): a row all the same, so that the sum is right.
        await context.store.ledger.add_window(
            context.lease, [_withheld(folder, uid, epoch, moment) for uid in withheld], folder=None
        )
    return rows


def _withheld(folder: Folder, uid: int, epoch: int | None, moment: datetime) -> Row:
    return Row(
        id=copy_id(folder.account, folder.id, folder.uidvalidity, uid),
        account=folder.account,
        folder=folder.id,
        uidvalidity=folder.uidvalidity,
        uid=uid,
        epoch=epoch,
        state=RowState.SKIPPED,
        reason="withheld",
        size=0,
        internal_date=moment,
        noticed_at=moment,
        updated_at=moment,
    )


async def store_flags(
    context: AccountContext, folder: Folder, messages: list[Fetched], *, modseq: int | None = None
) -> None:
    """Store the flags of copies as the server has them, and up to which modification sequence they are known now."""
    flags = {
        copy_id(folder.account, folder.id, folder.uidvalidity, message.uid): relevance.flags_of(message)
        for message in messages
        if message.flags is not None
    }
    update = None if modseq is None else FolderPatch(folder.id, folder.uidvalidity, highestmodseq=modseq)
    if flags or update is not None:
        await context.store.ledger.set_flags(context.lease, flags, folder=update)
