"""Copies that are gone: noted in the ledger, then announced. Nothing is believed to be gone by one answer alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from schemas.accounts import Folder
from schemas.identity import copy_id
from schemas.messages import MailboxChanged
from services.mailbox.imap import ImapSession, UidRanges, uid_set
from services.poller.sync.account_context import AccountContext

AT_ONCE = 500
"""Emails of one message, and uids of one question."""


async def confirm_gone(context: AccountContext, session: ImapSession, folder: Folder, uids: Sequence[int]) -> int:
    """Ask the server again for uids of the open folder that seem to be gone; note and announce those that are. Returns how many."""
    gone: list[str] = []
    for start in range(0, len(uids), AT_ONCE):
        part = uids[start : start + AT_ONCE]
        there = await session.existing(uid_set(part))
        gone += [copy_id(folder.account, folder.id, folder.uidvalidity, uid) for uid in part if uid not in there]
    if gone:
        context.metrics.gone(len(gone))
        await announce(context, await context.store.ledger.gone(context.lease, gone), gone)
    return len(gone)


async def drop_folder(context: AccountContext, folder: str) -> None:
    """Note that a folder is gone, whatever its uids were, and announce it."""
    for uidvalidity in await context.store.ledger.uidvalidities(context.account.id, folder):
        await drop_generation(context, folder, uidvalidity)


async def drop_generation(context: AccountContext, folder: str, uidvalidity: int) -> None:
    """Note that a folder's uids under a uidvalidity are void, and announce it."""
    keys = await context.store.ledger.gone_folder(context.lease, folder, uidvalidity)
    await announce(context, keys, [folder, str(uidvalidity)])


async def drop_superseded(context: AccountContext, folder: Folder) -> None:
    """Drop what the ledger still holds of a folder under earlier uidvalidities: it is enumerated anew by now."""
    for uidvalidity in await context.store.ledger.uidvalidities(folder.account, folder.id):
        # Begun anew meanwhile, what is its own now is not what we were told.
        if context.is_still(folder) and uidvalidity != folder.uidvalidity:
            await drop_generation(context, folder.id, uidvalidity)


async def announce(context: AccountContext, keys: Sequence[str], about: Iterable[str]) -> None:
    """Publish that emails lost a copy. ``about`` makes the message's id: the same change is the same message.

    An event that is lost is no harm: the rows are marked until the links follow.
    """
    digest = hashlib.sha256("\n".join(about).encode()).hexdigest()[:24]
    messages = [
        MailboxChanged(
            id=f"{context.account.id}.gone.{digest}.{start}",
            account=context.account.id,
            emails=tuple(keys[start : start + AT_ONCE]),
        )
        for start in range(0, len(keys), AT_ONCE)
    ]
    if messages:
        await context.bus.publish_many([(message, None) for message in messages])


def within(uids: Iterable[int], ranges: UidRanges) -> list[int]:
    """Return the uids that lie in any of the ranges."""
    return [uid for uid in uids if any(first <= uid <= last for first, last in ranges)]
