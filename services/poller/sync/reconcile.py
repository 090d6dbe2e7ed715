"""The periodic comparison of the ledger with the server: gaps, whatever made them, heal by themselves.

Cheap, and spread over time and accounts: a SEARCH a folder, and flags only where no modification sequence tells of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime

from schemas.accounts import Folder
from schemas.ledger import RowState
from services.mailbox.imap import ImapSession, RefusedError, uid_windows
from services.poller.sync import relevance, removals
from services.poller.sync.account_context import AccountContext
from services.poller.sync.ledger_repair import repair, store_flags
from services.store import FolderPatch

FLAGS_AT_ONCE = 5_000
"""Messages whose flags are asked for in one command."""
_JITTER = 0.1


def until_due(folders: Iterable[Folder], seconds: float) -> float:
    """Return after how many seconds an account is to be compared: ``seconds`` after it was last, a tenth more or less.

    One that never was, or has a folder that never was, is due at some time within that span, so that accounts do not march in step.
    """
    compared = [folder.checked_at for folder in folders]
    oldest = min((moment for moment in compared if moment is not None), default=None)
    if oldest is None or None in compared:
        return seconds * random.random()  # noqa: S311 - jitter is no secret
    due = seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - see above
    return max(0.0, due - (datetime.now(UTC) - oldest).total_seconds())


async def reconcile(context: AccountContext, session: ImapSession) -> None:
    """Compare every synchronised folder with the server, and mend what differs; then drop rows that belong to no such folder.

    Mail that is found so is live: it holds up no confirmation. Rows that are added wait as ``planned`` where their bodies are wanted.
    """
    for number in [folder.id for folder in context.selected]:
        folder = context.folders.get(number)
        if folder is None or folder.cursor > 1:
            continue
        try:
            await _reconcile_folder(context, session, folder)
        except RefusedError as error:
            context.log.info("folder cannot be compared", folder=folder.id, error=str(error)[:100])
    await _drop_strays(context)


async def _reconcile_folder(context: AccountContext, session: ImapSession, folder: Folder) -> None:
    # Opened anew: what a server shows of a folder may be as old as its opening.
    session.selected = None
    async with session.opened(folder):
        repaired = await repair(context, session, folder, folder.live_next - 1, epoch=None)
        gone = repaired.gone + await _above(context, session, folder)
        flags = 0 if session.condstore and folder.highestmodseq is not None else await _flags(context, session, folder)
    await removals.drop_superseded(context, folder)
    for what, count in (("missing", repaired.missing), ("gone", gone), ("flags", flags)):
        context.metrics.repaired(what, count)
    if repaired.missing or gone:
        context.log.warning("ledger repaired", folder=folder.id, missing=repaired.missing, gone=gone)
    moment = datetime.now(UTC)
    await context.store.folders.patch(context.lease, FolderPatch(folder.id, folder.uidvalidity, checked_at=moment))
    context.remember(folder, checked_at=moment)


async def _above(context: AccountContext, session: ImapSession, folder: Folder) -> int:
    """Note as gone what has a row above the newest mail that was taken in, and is not there."""
    last = context.folders[folder.id].live_next if folder.id in context.folders else folder.live_next
    rows = await context.store.ledger.uids(context.account.id, folder.id, folder.uidvalidity, last)
    if not rows:
        return 0
    await session.noop()  # it may have come just now: have the server show it
    return await removals.confirm_gone(context, session, folder, [row.uid for row in rows])


async def _flags(context: AccountContext, session: ImapSession, folder: Folder) -> int:
    """Take over flags that were changed while nobody looked. Returns of how many messages."""
    count = 0
    async for window in uid_windows(session, folder.live_next - 1):
        for start in range(0, len(window.uids), FLAGS_AT_ONCE):
            part = window.uids[start : start + FLAGS_AT_ONCE]
            messages, _ = await session.flags(f"{part[0]}:{part[-1]}")
            rows = await context.store.ledger.uids(context.account.id, folder.id, folder.uidvalidity, part[0], part[-1])
            known = {row.uid: set(row.flags) for row in rows}
            different = [
                message
                for message in messages
                if message.uid in known and known[message.uid] != set(relevance.flags_of(message))
            ]
            if different:
                await store_flags(context, folder, different)
                count += len(different)
    return count


async def _drop_strays(context: AccountContext) -> None:
    """Drop rows of folders that are not synchronised any more, or that nobody knows."""
    counts = await context.store.ledger.counts_by_folder(context.account.id)
    for number in sorted({folder for folder, state, _ in counts if state is not RowState.GONE}):
        folder = context.folders.get(number)
        if folder is None or not folder.selected:
            await removals.drop_folder(context, number)
            context.log.warning("rows of a folder that is not synchronised dropped", folder=number)
