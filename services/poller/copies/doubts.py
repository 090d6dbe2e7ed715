"""Mail that does not come: which one it is, and when that is final.

A server that refuses a request, or loses the connection over it, says nothing of the mails that were asked for. ``Suspects`` splits
such a request at the next attempts, until the mail that causes it is alone and the others have come. ``doubt`` keeps what was seen
of a mail on its row. It takes several attempts, some time apart, until the row ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from schemas.ledger import MISSING, SHORT, UNAVAILABLE, UNREADABLE, WITHHELD, RowState
from services.mailbox.imap import ConnectionLostError, Fetched, ImapSession, RefusedError

if TYPE_CHECKING:
    from datetime import timedelta

    from schemas.ledger import Row
    from services.poller.copies.account_context import AccountContext

PARTS = 8
"""Into how many requests one is split. A batch of 500 takes three more failures until the mail that causes them is alone."""
TIMES = {WITHHELD: 2, MISSING: 2, SHORT: 2, UNREADABLE: 3, UNAVAILABLE: 3, "refused": 3}
"""How many attempts in a row must end alike. ``UNAVAILABLE`` is never final: the attempts after these are as far apart."""


class Suspects:
    """The mails of an account that were asked for when the connection was lost, or when the server failed."""

    unsafe = frozenset[str]()
    """Ids of folders in which a request for all new mail failed. All accounts share the empty set."""

    def __init__(self) -> None:
        self._group: dict[tuple[str, int], int] = {}
        """By folder and uid, the request that it is asked for in."""
        self._groups = 0
        """How many there were so far."""
        self.long_headers: dict[tuple[bytes | None, int], int] = {}
        """By folder and uid, how often the connection was lost over the rest of a long header."""
        self.reports: dict[tuple[bytes | None, int], int] = {}
        """By folder and uid, how often the connection was lost over the parts of a bounce."""

    def split(self, folder: str, uids: Sequence[int]) -> list[list[int]]:
        """Return the requests in which mails are asked for: those above suspicion first, each that is alone last."""
        groups: defaultdict[int, list[int]] = defaultdict(list)
        for uid in uids:
            groups[self._group.get((folder, uid), -1)].append(uid)
        return [group for _, group in sorted(groups.items(), key=lambda one: (one[0] >= 0, -len(one[1])))]

    @asynccontextmanager
    async def asking(
        self, session: ImapSession, folder: str, uids: Sequence[int], *, alone: Callable[[str], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Ask for mails within the block. If that fails because of one of them, they are split from then on.

        ``alone`` is called, with the doubt, if a single one was asked for.
        """
        innocent = session.closed  # another request broke the connection
        try:
            yield
        except (ConnectionLostError, RefusedError) as error:
            if innocent or (isinstance(error, RefusedError) and (error.throttled or not error.passing)):
                raise
            size = -(-len(uids) // PARTS)
            for start in range(0, len(uids), size):
                self._group |= dict.fromkeys(((folder, uid) for uid in uids[start : start + size]), self._groups)
                self._groups += 1
            if len(uids) == 1:
                await alone(UNAVAILABLE if isinstance(error, RefusedError) else UNREADABLE)
            raise
        for uid in uids:
            self._group.pop((folder, uid), None)

    async def headers(
        self,
        session: ImapSession,
        folder: str,
        uids: Sequence[int],
        *,
        alone: Callable[[Sequence[int], str], Awaitable[None]],
    ) -> list[Fetched]:
        """Return the headers of mails of the open folder, ascending by uid. See ``asking``; ``alone`` gets the single uid, too."""
        found: list[Fetched] = []
        for group in self.split(folder, uids):
            async with self.asking(session, folder, group, alone=partial(alone, group)):
                found += await session.headers(group)
        return sorted(found, key=lambda message: message.uid)


async def doubt(
    context: AccountContext, ids: Sequence[str], reason: str, *, apart: timedelta | None = None
) -> frozenset[str]:
    """Note that the mail of planned rows did not come. Rows for which that is final end; return them.

    What a server delivers in part only does not end: the caller takes it.
    """
    enough = await context.store.ledger_doubts.note(
        context.lease, ids, reason, apart=context.evidence if apart is None else apart, times=TIMES[reason]
    )
    if reason == UNAVAILABLE:
        enough = frozenset()
    context.log.warning("mail did not come", reason=reason, rows=len(ids), final=len(enough))
    if enough and reason == MISSING:
        await context.store.poller_ledger.gone(context.lease, sorted(enough))
    elif enough and reason != SHORT:
        await context.store.poller_ledger.finish(context.lease, sorted(enough), RowState.SKIPPED, reason)
    return enough


async def ask_other(context: AccountContext, session: ImapSession, row: Row) -> None:
    """Ask for the beginning of another mail in a row's folder. If that fails, too, it is not because of the row's mail."""
    if (other := await context.store.ledger.other(row)) is not None:
        await session.beginning(other)
