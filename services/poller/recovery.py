"""What follows when one of an account's tasks fails: retry after a pause, block the account, or end the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from time import monotonic
from typing import Any

from schemas.accounts import Phase
from schemas.messages import AccountAttention
from services.mailbox.connection import Code, MailServerError, SealError, suggested_pause
from services.mailbox.imap import ConnectionLostError, ContradictionError, RefusedError, UidValidityChangedError, Wakeup
from services.poller.connections.backoff import FIRST_PAUSE, LONGEST_PAUSE, ConnectionBackoff, hinted
from services.poller.connections.connection_slots import STEADY, ConnectionSlots
from services.poller.connections.errors import BlockedError, BudgetSpentError, deciding_error, is_connection_limit
from services.poller.connections.troubles import CONNECT, Troubles, describe_trouble, folder_of, is_healing
from services.poller.copies.account_context import AccountContext
from services.runtime.backoff import Backoff, jittered
from services.runtime.failures import facts
from services.runtime.tasks import raise_if_cancelled, run_isolated
from services.store import FolderChangedError, LeaseLostError

FOLDER_CHANGED = (RefusedError, UidValidityChangedError, FolderChangedError)
"""The folder is gone or was recreated. The watcher finds out which."""
EXPECTED = (*FOLDER_CHANGED, ConnectionLostError, ContradictionError, MailServerError, SealError, BudgetSpentError)
"""Failures that remote servers cause. Anything else is logged as an error, and retried all the same."""

LONGEST_BUDGET_PAUSE = 3600.0


class Recovery:
    """Decides what follows a failure of one account's tasks, and shows what hinders them."""

    def __init__(
        self, context: AccountContext, backoff: ConnectionBackoff, slots: ConnectionSlots, check_folders: Wakeup
    ) -> None:
        """``check_folders`` is set when a failure says that a folder changed."""
        self._context = context
        self._backoff = backoff
        self._slots = slots
        self._check_folders = check_folders
        self._pauses: dict[str, Backoff] = {}
        self._failures: dict[str, int] = {}
        self.troubles = Troubles(context.store, context.lease, context.account.trouble, context.log)

    async def worked(self, task: str) -> None:
        """Note that a task works, though it does not end."""
        self._failures.pop(task, None)
        await self.troubles.worked(task)

    async def keep_running(
        self,
        task: Callable[[], Coroutine[Any, Any, None]],
        name: str,
        phase: Callable[[], Phase],
        *,
        then: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Run a task over and over, with a pause after each failure.

        ``then`` is awaited when it ends, instead of ``worked``.

        Raises:
            LeaseLostError: another poller has the account.
            BlockedError: only the owner can fix the failure.
            MailServerError: the server refuses a second connection, and the worker uses more than one.
        """
        while True:
            started = monotonic()
            try:
                await run_isolated(task())
            except Exception as error:  # noqa: BLE001 - one bad mailbox must not stop the others
                cause = deciding_error(error)
                self._raise_if_final(cause)
                if isinstance(cause, FOLDER_CHANGED) and not getattr(cause, "passing", False):
                    self._check_folders.set()
                if monotonic() - started > STEADY:
                    self._pauses.pop(name, None)
                await asyncio.sleep(await self._failed(name, phase(), cause))
            else:
                await (self.worked(name) if then is None else then())
            raise_if_cancelled()  # the database's driver may lose a cancellation, and a task group cancels once

    def _raise_if_final(self, cause: BaseException) -> None:
        if isinstance(cause, LeaseLostError | BlockedError) or (is_connection_limit(cause) and not self._slots.single):
            raise cause from None
        if isinstance(cause, MailServerError) and self._backoff.needs_owner(cause):
            raise BlockedError(cause.code) from None

    async def _failed(self, name: str, phase: Phase, cause: BaseException) -> float:
        """Note a failure. Returns the seconds to wait."""
        connecting = isinstance(cause, MailServerError | SealError)
        pause = self._backoff.left
        if isinstance(cause, BudgetSpentError):
            pause = min(cause.seconds, LONGEST_BUDGET_PAUSE) + jittered(1.0, 1)
        elif not isinstance(cause, MailServerError):
            pause = hinted(self._next_pause(name), suggested_pause(str(cause)))
        self._failures[name] = self._failures.get(name, 0) + 1
        if self._failures[name] > 1 or not is_healing(cause):
            code, detail = describe_trouble(cause)
            key, phase = (CONNECT, "connect") if connecting else (name, phase)
            await self.troubles.note(key, phase, code, detail, pause=pause, folder=folder_of(cause))
        self._report(cause, pause)
        return pause

    def _next_pause(self, name: str) -> float:
        return self._pauses.setdefault(name, Backoff(FIRST_PAUSE, LONGEST_PAUSE)).next()

    def _report(self, cause: BaseException, pause: float) -> None:
        context = self._context
        code = cause.code if isinstance(cause, MailServerError) else type(cause).__name__
        context.metrics.trouble.labels(code).inc()
        if isinstance(cause, EXPECTED):
            context.log.info("connection failed", error=str(cause)[:200], pause=round(pause, 1))
            return
        context.log.error("account task failed", pause=round(pause, 1), **facts(cause))

    async def block(self, code: Code, *, retry: timedelta) -> None:
        """Block the account and announce that it needs its owner, unless the owner has just changed the credentials.

        Its login is tried again after ``retry``.
        """
        context = self._context
        tried = context.account.credentials
        incident = await context.store.account_troubles.block(context.lease, code.value, tried=tried, retry=retry)
        if incident is None:
            return
        context.log.warning("account blocked", reason=code.value, incident=incident)
        account = context.account.id
        await context.bus.publish(
            # The id is the incident's: announced twice, it is one message.
            AccountAttention(
                id=f"{account}.attention.{incident}", account=account, reason=code.value, incident=incident
            )
        )
