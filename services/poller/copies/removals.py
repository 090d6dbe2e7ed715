"""Records copies that are gone in the ledger, and announces which emails' copies changed.

One answer alone never proves that a copy is gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta

from schemas.identity import copy_id
from schemas.ledger import Folder
from schemas.messages import MailboxChanged
from services.mailbox.imap import ImapSession, uid_set
from services.poller.copies.account_context import AccountContext

APART = timedelta(seconds=5)
"""How far apart two answers are that prove that a mail is gone which could not be fetched."""
BATCH = 500
"""Emails per message, and uids per question to the server."""


async def confirm_gone(context: AccountContext, session: ImapSession, folder: Folder, uids: Sequence[int]) -> int:
    """Ask again for uids of the open folder that seem to be gone. Record and announce those that are, and return how many.

    SEARCH and FETCH must agree.
    """
    gone: list[str] = []
    for start in range(0, len(uids), BATCH):
        part = uids[start : start + BATCH]
        there = await session.existing(uid_set(part))
        if absent := [uid for uid in part if uid not in there]:
            there |= await session.present(uid_set(absent))
        gone += [copy_id(folder.account, folder.id, folder.uidvalidity, uid) for uid in part if uid not in there]
    if gone:
        context.metrics.gone.inc(len(gone))
        await announce(context, await context.store.poller_ledger.gone(context.lease, gone), gone)
    return len(gone)


async def drop_folder(context: AccountContext, folder: str) -> None:
    """Record that a folder is gone, under every uidvalidity, and announce it."""
    for uidvalidity in await context.store.ledger.uidvalidities(context.account.id, folder):
        await drop_generation(context, folder, uidvalidity)


async def drop_generation(context: AccountContext, folder: str, uidvalidity: int) -> None:
    """Record that a folder's uids under one uidvalidity are void, and announce it."""
    keys = await context.store.poller_ledger.gone_folder(context.lease, folder, uidvalidity)
    await announce(context, keys, [folder, str(uidvalidity)])


async def drop_superseded(context: AccountContext, folder: Folder) -> None:
    """Drop the rows of a folder under earlier uidvalidities, after it was enumerated again."""
    for uidvalidity in await context.store.ledger.uidvalidities(folder.account, folder.id):
        # If it was recreated again meanwhile, ``folder`` is out of date.
        if context.is_still(folder) and uidvalidity != folder.uidvalidity:
            await drop_generation(context, folder.id, uidvalidity)


async def announce(context: AccountContext, keys: Sequence[str], about: Iterable[str]) -> None:
    """Publish that emails lost or regained a copy. The message id derives from ``about``: the same change is the same message.

    A lost event does no harm: the rows stay marked until their links are updated.
    """
    digest = hashlib.sha256("\n".join(about).encode()).hexdigest()[:24]
    messages = [
        MailboxChanged(
            id=f"{context.account.id}.gone.{digest}.{start}",
            account=context.account.id,
            emails=tuple(keys[start : start + BATCH]),
        )
        for start in range(0, len(keys), BATCH)
    ]
    if messages:
        await context.bus.publish_many([(message, None) for message in messages])
