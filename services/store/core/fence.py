"""Fenced writes: what a poller writes about an account counts only while it holds the account's lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from bson.binary import Binary
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from schemas.accounts import Lease
from services.store.core.collections import Collections
from services.store.core.errors import LeaseLostError

T = TypeVar("T")
Session = AsyncClientSession
_MAJORITY = WriteConcern("majority")
_SNAPSHOT = ReadConcern("snapshot")
_CANCELLED_S = 5.0
"""Seconds that a transaction may still take when its caller is cancelled."""


class Fence:
    """Runs writes in transactions, those of a poller behind the check of its lease."""

    def __init__(self, collections: Collections) -> None:
        self._c = collections
        # Transactions of one account conflict with one another by design; ours take turns instead of retrying.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sessions: dict[tuple[str, int], Session] = {}

    def open(self) -> tuple[Session, Binary]:
        """Return a session for a lease that is to be taken, and its id, which belongs into the lease.

        The server keeps a transaction whose client died for a minute, and the account locked with it; whoever takes the
        account over ends the session by this id.
        """
        session = self._c.client.start_session()
        return session, session.session_id["id"]

    def bind(self, lease: Lease, session: Session) -> None:
        """Run the writes of a lease in its session."""
        self._sessions[lease.account, lease.token] = session

    async def forget(self, lease: Lease) -> None:
        """End a lease's session."""
        if (session := self._sessions.pop((lease.account, lease.token), None)) is not None:
            await session.end_session()

    async def kill(self, sessions: Sequence[UUID]) -> None:
        """End sessions of pollers that died, with their transactions. What is not allowed is left to the server's own time-out."""
        if sessions:
            with suppress(OperationFailure):
                await self._c.database.command(
                    "killSessions", [{"id": Binary.from_uuid(session)} for session in sessions]
                )

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
            return await self.transaction(
                lambda session: self._checked(session, lease, body), self._sessions.get((account, lease.token))
            )

    async def _checked(self, session: Session, lease: Lease, body: Callable[[Session], Awaitable[T]]) -> T:
        held = {"_id": lease.account, "lease.holder": lease.holder, "lease.token": lease.token}
        result = await self._c.accounts.update_one(held, {"$inc": {"fence": 1}}, session=session)
        if not result.matched_count:
            raise LeaseLostError(f"account {lease.account} has another holder than {lease.holder}")
        return await body(session)

    async def transaction(self, body: Callable[[Session], Awaitable[T]], session: Session | None = None) -> T:
        """Run ``body`` in one transaction, in a session of its own or in ``session``; a transient conflict runs it again.

        Who is cancelled meanwhile stops after it: a transaction that is left in the middle may stay open on the server for a
        minute, with everything locked that it wrote.
        """
        running = asyncio.create_task(self._run(body, session))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # Until it has really ended, however often we are told: the next one in this session must not meet it there.
            asyncio.get_running_loop().call_later(_CANCELLED_S, running.cancel)
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # the caller's cancellation comes first
            raise

    async def _run(self, body: Callable[[Session], Awaitable[T]], session: Session | None) -> T:
        if session is not None:
            if session.in_transaction:  # one that had to be left in the middle all the same
                await session.abort_transaction()
            return await session.with_transaction(body, read_concern=_SNAPSHOT, write_concern=_MAJORITY)
        async with self._c.client.start_session() as own:
            return await own.with_transaction(body, read_concern=_SNAPSHOT, write_concern=_MAJORITY)
