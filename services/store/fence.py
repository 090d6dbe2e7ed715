"""Fenced writes: what a poller writes about an account counts only while it holds the account's lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from schemas.accounts import Lease
from services.store.collections import Collections
from services.store.errors import LeaseLostError

T = TypeVar("T")
Session = AsyncClientSession
_MAJORITY = WriteConcern("majority")
_SNAPSHOT = ReadConcern("snapshot")


class Fence:
    """Runs writes in transactions, those of a poller behind the check of its lease."""

    def __init__(self, collections: Collections) -> None:
        self._c = collections
        # Transactions of one account conflict with one another by design; ours take turns instead of retrying.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def write(self, lease: Lease, body: Callable[[Session], Awaitable[T]]) -> T:
        """Run ``body`` in one transaction that holds the lease; a transient conflict runs it again.

        The check is a write: an acquisition by another poller, which writes the same document, then either comes before
        (we see its token) or conflicts (one of the two is aborted). A mere read would let both commit.

        Raises:
            LeaseLostError: another poller has the account; nothing was written.
        """
        account = lease.account
        lock = self._turns.get(account)
        if lock is None:
            lock = self._turns[account] = asyncio.Lock()
        async with lock:
            return await self.transaction(lambda session: self._checked(session, lease, body))

    async def _checked(self, session: Session, lease: Lease, body: Callable[[Session], Awaitable[T]]) -> T:
        held = {"_id": lease.account, "lease.holder": lease.holder, "lease.token": lease.token}
        result = await self._c.accounts.update_one(held, {"$inc": {"fence": 1}}, session=session)
        if not result.matched_count:
            raise LeaseLostError(f"account {lease.account} has another holder than {lease.holder}")
        return await body(session)

    async def transaction(self, body: Callable[[Session], Awaitable[T]]) -> T:
        """Run ``body`` in one transaction; a transient conflict runs it again."""
        async with self._c.client.start_session() as session:
            return await session.with_transaction(body, read_concern=_SNAPSHOT, write_concern=_MAJORITY)
