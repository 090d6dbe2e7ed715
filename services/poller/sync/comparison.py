"""Compares one folder with its rows and repairs them. This proves that a backfill is complete, and that the ledger balances.

The rows are made by SEARCH. The comparison asks FETCH, counts what it finds, and compares that with the number of messages that the
server says the folder holds. Where these do not agree, nothing is concluded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import monotonic
from typing import Any, NamedTuple

from schemas.ledger import Folder, FolderState, Row
from services.mailbox.imap import (
    HIGHEST_UID,
    ContradictionError,
    ImapSession,
    Selected,
    UidSpan,
    UidValidityChangedError,
    same_uids,
)
from services.poller.copies import removals
from services.poller.copies.account_context import AccountContext
from services.poller.copies.folder_scan import WINDOW
from services.poller.copies.ledger_repair import add_rows, store_flags
from services.store import FolderPatch

SPAN = 20_000
"""Uids of the first question: an answer of at most 0.7 MB."""
MANY = 10
"""So many mails that are gone at once, more than are left, are looked for again before their rows end."""
SECOND_LOOK = 5.0
"""Seconds between the two looks."""


class Comparison(NamedTuple):
    """What a comparison found and changed."""

    wanted: list[Row]
    """The new rows whose bodies are wanted."""
    missing: int
    """Rows that were added."""
    gone: int
    """Rows whose mail is gone."""
    expected: int
    """The messages that the server says the folder holds."""
    found: int
    """The messages that it named."""


async def verify_folder(
    context: AccountContext, session: ImapSession, folder: Folder, *, epoch: int | None
) -> list[Row]:
    """Make the rows of a backfilled folder agree with the server. Return those whose bodies are wanted.

    New rows belong to the backfill ``epoch``.

    Raises:
        ContradictionError: the server's answers do not agree; the folder does not count as enumerated.
    """
    async with session.opened(folder):
        compared = await compare(context, session, folder, folder.uidnext - 1, epoch=epoch)
        if folder.highestmodseq is not None and session.condstore:
            # Flags may have changed after a window was read and before its rows were written.
            changed, _ = await session.flags(f"1:{max(1, folder.uidnext - 1)}", folder.highestmodseq)
            await store_flags(context, session, folder, changed)
    await removals.drop_superseded(context, folder)
    # A folder that was recreated meanwhile was compared instead of walked, which is enough.
    await note_compared(context, folder, compared, cursor=1, state=FolderState.ENUMERATED)
    return compared.wanted


async def note_compared(context: AccountContext, folder: Folder, compared: Comparison, **changes: Any) -> None:
    """Note on a folder when it was compared, and what was found."""
    changes |= {"checked_at": datetime.now(UTC), "expected": compared.expected, "found": compared.found}
    await context.store.folders.patch(context.lease, FolderPatch(folder.id, folder.uidvalidity, **changes))
    context.update_folder(folder, **changes)


async def compare(
    context: AccountContext, session: ImapSession, folder: Folder, last: int, *, epoch: int | None
) -> Comparison:
    """Add rows for messages of the open folder up to uid ``last`` that lack one, and drop rows whose mail is gone.

    One window at a time is in memory. Rows are dropped only after the whole folder was counted, and SEARCH agrees.

    Raises:
        ContradictionError: the server's answers do not agree. Rows were added all the same.
    """
    before = await _open(session, folder)
    wanted: list[Row] = []
    absent: list[int] = []
    missing, found = 0, len(await session.present(f"{last + 1}:{HIGHEST_UID}"))
    async for low, high, there in _windows(session, last):
        found += len(there)
        rows = await context.store.ledger.uids(context.account.id, folder.id, folder.uidvalidity, low, high)
        known = {row.uid for row in rows}
        absent += sorted(known - there)
        lacking = sorted(there - known, reverse=True)
        missing += len(lacking)
        for start in range(0, len(lacking), WINDOW):
            wanted += await add_rows(context, session, folder, sorted(lacking[start : start + WINDOW]), epoch)
    expected = await _agreed(session, folder, before, found)
    if absent:
        second_look(context, folder, gone=len(absent), left=found)
    gone = await removals.confirm_gone(context, session, folder, sorted(absent)) if absent else 0
    return Comparison(wanted, missing, gone, expected, found)


async def _windows(session: ImapSession, last: int) -> AsyncIterator[tuple[int, int, set[int]]]:
    high, span = last, UidSpan(SPAN, session.exists)
    while high >= 1:
        await span.seek(session, high)
        low = max(1, high - span.width + 1)
        there = {uid for uid in await session.present(f"{low}:{high}") if low <= uid <= high}
        yield low, high, there
        high = low - 1
        span.found(len(there))


async def _open(session: ImapSession, folder: Folder) -> Selected:
    """Open the folder again: a server may show it as it was when it was opened."""
    selected = await session.examine(folder.raw_name)
    if not same_uids(folder, selected.uidvalidity, selected.uidnext):
        raise UidValidityChangedError(folder.name)
    return selected


async def _agreed(session: ImapSession, folder: Folder, before: Selected, found: int) -> int:
    """Return how many messages the server says the folder holds, if as many were found.

    Mail that came or went meanwhile shows in EXISTS and UIDNEXT after the count.
    """
    after = await _open(session, folder)
    came = max(0, after.uidnext - before.uidnext)
    if not after.exists - came <= found <= max(before.exists, after.exists):
        raise ContradictionError(
            "count-contradicted" if found else "empty-folder-contradicted",
            f"the server says that the folder holds {after.exists} messages, and names {found}",
            folder=folder.id,
        )
    if not found and (messages := (await session.status(folder.raw_name)).get("messages", 0)):
        raise ContradictionError(
            "empty-folder-contradicted",
            f"the server says that the folder is empty, and that it holds {messages} messages",
            folder=folder.id,
        )
    return min(after.exists, found) if came else after.exists


def second_look(context: AccountContext, folder: Folder, *, gone: int, left: int) -> None:
    """Make sure that most of a folder's mail is gone: the server may show a folder as empty for a moment.

    Raises:
        ContradictionError: it was not seen before, or only just.
    """
    if gone < MANY or gone <= left:
        context.emptied.pop(folder.id, None)
        return
    first = context.emptied.setdefault(folder.id, monotonic())
    if monotonic() - first < SECOND_LOOK:
        detail = f"{gone} messages are gone at once and {left} are left, which is looked at again"
        raise ContradictionError("many-gone", detail, folder=folder.id)
    del context.emptied[folder.id]
