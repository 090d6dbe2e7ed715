"""Fenced writes: a poller can write about an account only while it holds the account's lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from bson.binary import Binary
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from schemas.accounts import Lease
from services.store.core.collections import Collections
from services.store.core.errors import LeaseLostError

T = TypeVar("T")
MongoSession = AsyncClientSession
_MAJORITY = WriteConcern("majority")
_SNAPSHOT = ReadConcern("snapshot")
_CANCELLED_S = 5.0
"""How many seconds a transaction may still take after its caller is cancelled."""
_PATIENCE_S = 1.0
"""How many seconds a write takes before it is looked for what blocks it."""
_ABANDONED_S = 5.0
"""After how many seconds without a statement a transaction counts as abandoned. Before a lease ends that waits to be renewed."""

_OURS = "^leadmail "
"""How the names begin under which the processes of Leadmail connect. The CRM's transactions are its own affair."""


class Fence:
    """Runs writes in transactions. A poller's transaction first checks its lease."""

    def __init__(self, collections: Collections) -> None:
        self._c = collections
        # Transactions of one account conflict by design, so those of this process queue up instead of retrying.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sessions: dict[tuple[str, int], MongoSession] = {}
        self._looked_at = -_PATIENCE_S

    def new_session(self) -> tuple[MongoSession, Binary]:
        """Return a session for a lease that is about to be taken, and the session's id to store in the lease.

        The server keeps the transaction of a dead client, and its locks, for a minute. The poller that takes the account
        over ends the session by this id.
        """
        session = self._c.client.start_session()
        return session, session.session_id["id"]

    def bind(self, lease: Lease, session: MongoSession) -> None:
        """Run the writes of a lease in this session."""
        self._sessions[lease.account, lease.token] = session

    async def forget(self, lease: Lease) -> None:
        """End a lease's session."""
        if (session := self._sessions.pop((lease.account, lease.token), None)) is not None:
            await session.end_session()

    async def kill(self, sessions: Sequence[UUID]) -> None:
        """End the sessions of dead pollers, with their transactions. Without the right to do so, leave them to the server's time-out."""
        if sessions:
            with suppress(OperationFailure):
                await self._c.database.command(
                    "killSessions", [{"id": Binary.from_uuid(session)} for session in sessions]
                )

    async def write(self, lease: Lease, body: Callable[[MongoSession], Awaitable[T]]) -> T:
        """Run ``body`` in one transaction that checks the lease. A transient conflict runs it again.

        The check is a write. An acquisition by another poller writes the same document, so it either comes before
        (this transaction sees its token) or conflicts (one of the two aborts). With a mere read both could commit.

        Raises:
            LeaseLostError: another poller has the account. Nothing was written.
        """
        account = lease.account
        lock = self._locks.get(account)
        if lock is None:
            lock = self._locks[account] = asyncio.Lock()
        async with lock:
            return await self.transaction(
                lambda session: self._checked(session, lease, body), self._sessions.get((account, lease.token))
            )

    async def _checked(self, session: MongoSession, lease: Lease, body: Callable[[MongoSession], Awaitable[T]]) -> T:
        held = {"_id": lease.account, "lease.holder": lease.holder, "lease.token": lease.token}
        result = await self._c.accounts.update_one(held, {"$inc": {"fence": 1}}, session=session)
        if not result.matched_count:
            raise LeaseLostError(f"account {lease.account} has another holder than {lease.holder}")
        return await body(session)

    async def transaction(self, body: Callable[[MongoSession], Awaitable[T]], session: MongoSession | None = None) -> T:
        """Run ``body`` in one transaction, in a new session or in ``session``. A transient conflict runs it again.

        A cancelled caller stops after the transaction: one that is abandoned halfway may stay open on the server for a
        minute and lock everything that it wrote.
        """
        running = asyncio.create_task(self._run(body, session))
        try:
            await self._unblock(running)
            return running.result()
        except asyncio.CancelledError:
            # Wait for its end, however often the caller is cancelled: the session's next transaction must not find it open.
            asyncio.get_running_loop().call_later(_CANCELLED_S, running.cancel)
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait({running})
            if not running.cancelled():
                running.exception()  # the caller's cancellation comes first
            raise

    @asynccontextmanager
    async def unblocked(self) -> AsyncIterator[None]:
        """While the block writes outside of transactions, end abandoned ones: it may wait for them."""
        watching = asyncio.create_task(self._unblock(asyncio.get_running_loop().create_future()))
        try:
            yield
        finally:
            while not watching.done():  # the driver may lose a cancellation (Python 3.11)
                watching.cancel()
                await asyncio.wait({watching}, timeout=0.5)

    async def _unblock(self, write: asyncio.Future[T]) -> None:
        """Wait for a write. If it takes long, end the abandoned transactions of killed processes: one may lock what it writes.

        The server ends them itself, but only after 60 to 90 seconds. A live process that was halted for so long runs its
        transaction again. One look serves all writes that wait: when the database is slow, they are many.
        """
        while not (await asyncio.wait({write}, timeout=_PATIENCE_S))[0]:
            if monotonic() < self._looked_at + _PATIENCE_S:
                continue
            self._looked_at = monotonic()
            silent = {"transaction.timeInactiveMicros": {"$gte": int(_ABANDONED_S * 1e6)}}
            ours = {"currentOp": 1, "$ownOps": True, "appName": {"$regex": _OURS}}
            with suppress(PyMongoError):  # then they are left to the server
                found = await self._c.client.admin.command({**ours, **silent})
                await self.kill([one["lsid"]["id"].as_uuid() for one in found["inprog"]])

    async def _run(self, body: Callable[[MongoSession], Awaitable[T]], session: MongoSession | None) -> T:
        if session is not None:
            if session.in_transaction:  # an abandoned one, after all
                await session.abort_transaction()
            return await session.with_transaction(body, read_concern=_SNAPSHOT, write_concern=_MAJORITY)
        async with self._c.client.start_session() as new:
            return await new.with_transaction(body, read_concern=_SNAPSHOT, write_concern=_MAJORITY)
