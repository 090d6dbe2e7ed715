"""Why an account cannot go on: what each of its tasks meets, and which of it is stored and shown."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from schemas.accounts import Lease, Phase, Trouble
from services.mailbox.connection import TRANSIENT, Code, MailServerError, SealError, classify, clean_answer
from services.mailbox.imap import ConnectionLostError, ContradictionError, RefusedError, UidValidityChangedError
from services.poller.connections.errors import BudgetSpentError
from services.runtime.failures import describe
from services.store import FolderChangedError, LeaseLostError, Store

CONNECT, BACKGROUND, LIVE, TOKENS = "connect", "background", "live", "tokens"
"""Names of tasks."""
_TASKS: dict[Phase, str] = {"connect": CONNECT, "live": LIVE}


class Troubles:
    """What hinders the work on one account, by task. A failed login is shown first, then what has lasted longest."""

    def __init__(
        self, store: Store, lease: Lease, stored: Trouble | None, log: structlog.typing.FilteringBoundLogger
    ) -> None:
        """``stored`` is what the account's last poller left."""
        self._store = store
        self._lease = lease
        self._log = log
        self._stored = stored
        self._certain = True
        """Whether ``_stored`` is what is stored."""
        self._saving = asyncio.Lock()
        self._current = {} if stored is None else {_TASKS.get(stored.phase, BACKGROUND): stored}

    async def note(
        self, task: str, phase: Phase, code: str, detail: str, *, pause: float | None, folder: str | None = None
    ) -> None:
        """Store that a task cannot go on, and is tried again after ``pause`` seconds."""
        next_try = None if pause is None else _now() + timedelta(seconds=pause)
        await self._note(task, phase, code, detail[:300], folder, next_try)

    async def waits(self, task: str, *, folder: str, next_try: datetime) -> None:
        """Store that a task works, but for a mail that the server does not deliver at the moment."""
        detail = "the server does not deliver a mail at the moment"
        await self._note(task, "backfill", Code.UNAVAILABLE.value, detail, folder, next_try)

    async def _note(  # noqa: PLR0917 - the fields of a trouble
        self, task: str, phase: Phase, code: str, detail: str, folder: str | None, next_try: datetime | None
    ) -> None:
        before = self._current.get(task)
        since = _now() if before is None else before.since
        self._current[task] = Trouble(
            code=code, phase=phase, folder=folder, since=since, next_try=next_try, detail=detail
        )
        await self._save()

    async def worked(self, task: str) -> None:
        """Note that a task works."""
        self._current.pop(task, None)
        await self._save()  # also what could not be stored before

    async def _save(self) -> None:
        async with self._saving:  # else what is being stored, and differs, would be taken for what is stored
            order = sorted(self._current, key=lambda task: (task != CONNECT, self._current[task].since))
            shown = self._current[order[0]] if order else None
            if shown == self._stored and self._certain:
                return
            self._certain = False
            try:
                await self._store.account_troubles.note(self._lease, shown)
            except LeaseLostError:
                raise
            except Exception as error:  # noqa: BLE001 - a database that is down must not end the account's tasks
                self._log.warning("the trouble of an account is not stored", error=describe(error))
                return
            self._stored, self._certain = shown, True


HEALING = (ConnectionLostError, UidValidityChangedError, FolderChangedError)
"""What usually is over at the next attempt. It is no trouble before it happens twice."""


def describe_trouble(cause: BaseException) -> tuple[str, str]:
    """Return the code of a failure, and what happened in words without mail or secrets."""
    words = clean_answer(str(cause))
    if isinstance(cause, MailServerError):
        return cause.code.value, words
    if isinstance(cause, BudgetSpentError | SealError):
        return "budget" if isinstance(cause, BudgetSpentError) else "wrong-secret-key", words
    if isinstance(cause, ContradictionError):
        return cause.code, clean_answer(cause.detail)
    if isinstance(cause, RefusedError):
        known = classify(cause.text, protocol="imap", default=None)
        passes = known.value if known in TRANSIENT else "unavailable"
        return passes if cause.passing else "command-refused", words
    if isinstance(cause, HEALING):
        return "connection-lost" if isinstance(cause, ConnectionLostError) else "folder-changed", words
    return "internal-error", describe(cause)


def folder_of(cause: BaseException) -> str | None:
    """Return the id of the folder that a failure is about, if it says so."""
    folder = getattr(cause, "folder", None)
    return folder if isinstance(folder, str) else None


def is_healing(cause: BaseException) -> bool:
    """Whether a failure is usually over at the next attempt."""
    if isinstance(cause, ContradictionError):  # some are lost connections, too
        return False
    return isinstance(cause, HEALING) or (isinstance(cause, RefusedError) and not cause.passing)


def _now() -> datetime:
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
