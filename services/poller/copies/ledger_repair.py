"""Writes the rows of mail that came or changed unnoticed, and of mail that the server does not deliver."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from schemas.identity import copy_id
from schemas.ledger import ALONE, DRAFT_FLAG, MISSING, WITHHELD, Folder, Row, RowState
from services.mailbox.imap import Fetched, ImapSession, uid_set
from services.poller.copies import relevance, removals
from services.poller.copies.account_context import AccountContext
from services.poller.copies.doubts import ask_other, doubt
from services.poller.copies.header_reader import header_groups
from services.store import FolderPatch


async def read_headers_of(
    context: AccountContext, session: ImapSession, folder: Folder, uids: Sequence[int], epoch: int | None
) -> list[Fetched]:
    """Return the headers of mails of the open folder. One that breaks the connection gets a row, and is asked for alone later."""

    async def alone(uids: Sequence[int], reason: str) -> None:
        await _set_aside(context, folder, uids, reason, epoch)

    return await context.suspects.headers(session, folder.id, uids, alone=alone)


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
            together = [row.uid for row in rows if row.epoch == epoch and row.doubt not in ALONE]
            if together:
                await add_rows(context, session, folder, sorted(together), epoch)
        for row in rows:
            if row.doubt in ALONE:
                await ask_other(context, session, row)
                await add_rows(context, session, folder, [row.uid], row.epoch)


async def add_rows(
    context: AccountContext, session: ImapSession, folder: Folder, uids: list[int], epoch: int | None
) -> list[Row]:
    """Add rows for messages of the open folder. Return those whose bodies are wanted."""
    messages = await read_headers_of(context, session, folder, uids, epoch)
    moment = datetime.now(UTC)
    rows: list[Row] = []
    async for group, _ in header_groups(context, session, messages):
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
        await add_rows(context, session, folder, sent, None)
    keys = await context.store.poller_ledger.set_flags(context.lease, flags, folder=update)
    await removals.announce(context, keys, [*flags, datetime.now(UTC).isoformat()])
