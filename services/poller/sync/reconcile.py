"""Compares the ledger with the server periodically and repairs differences, whatever caused them.

It costs the uids of each folder, and flags only without CONDSTORE. Comparisons are spread over time and accounts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from schemas.ledger import Folder
from services.mailbox.imap import ContradictionError, ImapSession, RefusedError, uid_windows
from services.poller.copies import relevance, removals
from services.poller.copies.account_context import REFUSED, AccountContext
from services.poller.copies.ledger_repair import store_flags
from services.poller.sync.comparison import compare, note_compared
from services.runtime.backoff import jittered

FLAGS_BATCH = 5_000
"""Messages whose flags are fetched in one command."""
TRIED_AGAIN_AFTER = timedelta(days=1)
"""How long after its last attempt a mail is tried again that the server did not deliver."""
_JITTER = 0.1


def until_due(folders: Iterable[Folder], seconds: float) -> float:
    """Return in how many seconds an account is due: ``seconds`` after its last comparison, give or take a tenth.

    If a folder was never compared, the account is due at a random time within ``seconds``, so that accounts spread out.
    """
    compared = [folder.checked_at for folder in folders]
    oldest = min((moment for moment in compared if moment is not None), default=None)
    if oldest is None or None in compared:
        return jittered(seconds / 2, spread=1)
    due = jittered(seconds, _JITTER)
    return max(0.0, due - (datetime.now(UTC) - oldest).total_seconds())


async def reconcile(context: AccountContext, session: ImapSession) -> None:
    """Compare every synchronised folder with the server and repair its rows. Then drop rows of other folders.

    Mail found this way is live, so no confirmation waits for it. New rows of relevant mail stay ``planned``.
    """
    postponed: RefusedError | ContradictionError | None = None
    for folder_id in [folder.id for folder in context.selected]:
        folder = context.folders.get(folder_id)
        if folder is None or folder.cursor > 1:
            continue
        try:
            await _reconcile_folder(context, session, folder)
        except (RefusedError, ContradictionError) as error:
            if isinstance(error, ContradictionError) or error.passing:
                postponed = error
            if isinstance(error, RefusedError) and error.throttled:
                break
            context.log.info("folder cannot be compared", folder=folder.id, error=str(error)[:100])
    await context.store.ledger_doubts.try_again(context.lease, epoch=None, untouched=TRIED_AGAIN_AFTER)
    if postponed is not None:
        raise postponed
    await _drop_strays(context)
    # The poller may have died after it wrote rows and before it noted those that share a Message-ID.
    await context.store.message_ids.note(context.lease, await context.store.message_ids.repeated(context.account.id))


async def _reconcile_folder(context: AccountContext, session: ImapSession, folder: Folder) -> None:
    async with session.opened(folder):
        compared = await compare(context, session, folder, folder.live_next - 1, epoch=None)
        gone = compared.gone + await _above(context, session, folder)
        flags = 0 if session.condstore and folder.highestmodseq is not None else await _flags(context, session, folder)
    await removals.drop_superseded(context, folder)
    for what, count in (("missing", compared.missing), ("gone", gone), ("flags", flags)):
        context.metrics.repaired.labels(what).inc(count)
    if compared.missing or gone:
        context.log.warning("ledger repaired", folder=folder.id, missing=compared.missing, gone=gone)
    await note_compared(context, folder, compared)


async def _above(context: AccountContext, session: ImapSession, folder: Folder) -> int:
    """Drop rows above the newest known mail that are not on the server."""
    last = context.folders[folder.id].live_next if folder.id in context.folders else folder.live_next
    rows = await context.store.ledger.uids(context.account.id, folder.id, folder.uidvalidity, last)
    if not rows:
        return 0
    await session.noop()  # mail may have arrived just now: make the server show it
    return await removals.confirm_gone(context, session, folder, [row.uid for row in rows])


async def _flags(context: AccountContext, session: ImapSession, folder: Folder) -> int:
    """Store flags that changed since the last comparison. Return how many messages differed."""
    count = 0
    async for window in uid_windows(session, folder.live_next - 1):
        for start in range(0, len(window.uids), FLAGS_BATCH):
            part = window.uids[start : start + FLAGS_BATCH]
            messages, _ = await session.flags(f"{part[0]}:{part[-1]}")
            rows = await context.store.ledger.uids(context.account.id, folder.id, folder.uidvalidity, part[0], part[-1])
            known = {row.uid: set(row.flags) for row in rows}
            different = [
                message
                for message in messages
                if message.uid in known and known[message.uid] != set(relevance.flags_of(message))
            ]
            if different:
                await store_flags(context, session, folder, different)
                count += len(different)
    return count


async def _drop_strays(context: AccountContext) -> None:
    """Drop rows of folders that are unknown or no longer synchronised."""
    totals = await context.store.ledger_counts.totals(context.account.id)
    for folder_id in sorted(folder for folder, of_folder in totals.items() if of_folder.rows):
        folder = context.folders.get(folder_id)
        if folder is None or not (folder.selected or folder.reason == REFUSED):
            await removals.drop_folder(context, folder_id)
            context.log.warning("dropped rows of a folder that is not synchronised", folder=folder_id)
